// Package contract says what an engine must do, as a test suite that the real
// Docker Engine passes and that a fake has to pass before it may stand for it.
//
// It promises that each case only uses what its Subject gave it, waits for
// conditions under a limit, and sleeps nowhere.
package contract

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// Engine is the controller's port of the same name.
type Engine interface {
	Observe(ctx context.Context, app spec.Name, look reconcile.Look) (reconcile.Seen, error)
	Apps(ctx context.Context) (map[spec.Name]int64, error)
	Perform(ctx context.Context, step reconcile.Step) reconcile.Outcome
	Watch(ctx context.Context, ready func(), changed func(spec.Name)) error
	Logs(ctx context.Context, container string, tail int, follow bool, w io.Writer) error
}

// Behaviour is what the containers of an image do.
type Behaviour string

// Behaviours that a Subject's images must have.
const (
	Serves Behaviour = "serves" // serves HTTP on Port, writes "listening" when it does, ends with 0 when it is stopped, and has the program "/app smoke URL"
	Exits  Behaviour = "exits"  // writes a line to standard error and exits with 1 at once
)

// Port is where an image that Serves listens.
const Port = 8080

// Subject is an engine under test and what the suite needs around it.
type Subject struct {
	Engine Engine
	// Image returns an image that is on the engine, ready to run.
	Image func(t testing.TB, b Behaviour) reconcile.Image
	// By is somebody else who works on the same engine.
	By Somebody
}

// Somebody does to containers what people do by hand.
type Somebody interface {
	// Create makes a container that is not ours and returns its id.
	Create(t testing.TB, name string) string
	Stop(t testing.TB, id string)
	Pause(t testing.TB, id string)
	Restart(t testing.TB, id string) // starts one that does not run
	Remove(t testing.TB, id string)
	Exists(t testing.TB, id string) bool
}

// Run runs the whole suite. open is called once per case; what it gives is
// cleaned up by itself when the case ends.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, Subject)
	}{
		{"a replica is made once and seen as it was asked for", ensureOnce},
		{"replicas and colours have addresses of their own that outlive a restart", addressesStay},
		{"a replica that was stopped, paused or removed by hand runs again", ensureAgain},
		{"a stranger's container of the same name is not touched", strangerKeepsName},
		{"a dependency has no colour and no address", dependency},
		{"crashes are counted", crashesCounted},
		{"a stop keeps the container and may be repeated", stopKeeps},
		{"a removal may be repeated, by several at once", removeRepeated},
		{"what is not ours is neither stopped nor removed", strangerNotRemoved},
		{"an adopted container is seen by who asks for it", adoptedSeen},
		{"an adopted container is stopped only when the step says so, and never removed", adoptedStopped},
		{"a watcher hears of adopted containers", adoptedHeard},
		{"evidence tells exit codes and last lines, and what is gone", evidenceTold},
		{"a test runs once and is seen apart", testOnce},
		{"a failing test shows its exit code", testFails},
		{"images that are here resolve, and others do not under never", imagesResolve},
		{"apps are listed with their highest generation", appsListed},
		{"a watcher hears of changes until it leaves", watchHears},
		{"logs are written", logsWritten},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

// limit bounds every wait of the suite.
const limit = 60 * time.Second

// revision is what the suite's replicas are of.
var revision = strings.Repeat("aabbccdd", 8)

// numbers make the names of each case its own.
var numbers atomic.Int64

// app returns a new app's name.
func app() spec.Name {
	return spec.Name{Project: fmt.Sprintf("contract%d-%d", time.Now().UnixNano()%1e9, numbers.Add(1)), Service: "web"}
}

// replica is the wish that most cases start from.
func replica(name spec.Name, img reconcile.Image, colour spec.Colour, n int) reconcile.Ensure {
	e := reconcile.Ensure{
		Colour: colour, Replica: n, Generation: 3, Rollout: "r-7",
		Revision: reconcile.Revision{
			ID: revision, Image: img, Port: Port,
			Container: spec.Container{
				Image: img.Ref, Restart: "unless-stopped", StopGracePeriod: spec.Duration(time.Second),
				Networks: []spec.Network{{Name: name.Project + "_default"}},
			},
		},
	}
	if colour == "" {
		e.Revision.Port = 0
	}
	return e
}

func ensureStep(name spec.Name, e reconcile.Ensure) reconcile.Step {
	return reconcile.Step{Kind: reconcile.StepEnsure, App: name, Ensure: &e}
}

// must performs a step that has to go well.
func must(t testing.TB, s Subject, step reconcile.Step) reconcile.Outcome {
	t.Helper()
	out := s.Engine.Perform(t.Context(), step)
	if out.Failure != nil {
		t.Fatalf("%s: %v", step.Kind, out.Failure)
	}
	return out
}

// refused performs a step that has to fail for good, with the given reason.
func refused(t testing.TB, s Subject, step reconcile.Step, reason reconcile.Reason) {
	t.Helper()
	f := s.Engine.Perform(t.Context(), step).Failure
	if f == nil || f.Class != reconcile.Permanent || f.Reason != reason || f.Message == "" {
		t.Fatalf("%s: %+v; want permanent %s with words", step.Kind, f, reason)
	}
}

// observe returns what is seen of an app now.
func observe(t testing.TB, s Subject, name spec.Name) reconcile.Seen {
	t.Helper()
	seen, err := s.Engine.Observe(t.Context(), name, reconcile.Look{})
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

// one returns the only container of an app.
func one(t testing.TB, s Subject, name spec.Name) reconcile.Container {
	t.Helper()
	seen := observe(t, s, name)
	if len(seen.Containers) != 1 {
		t.Fatalf("%d containers of %s, want 1: %+v", len(seen.Containers), name, seen.Containers)
	}
	return seen.Containers[0]
}

// await looks until ok, or the limit.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	end := time.NewTimer(limit)
	defer end.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-end.C:
			t.Fatalf("not within %s: %s", limit, what)
		case <-tick.C:
		}
	}
}
