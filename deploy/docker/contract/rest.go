package contract

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"teal/reconcile"
	"teal/spec"
)

// testStep is the one-shot test of en with the given command.
func testStep(name spec.Name, en reconcile.Ensure, target string, command ...string) reconcile.Step {
	return reconcile.Step{Kind: reconcile.StepTest, App: name, Test: &reconcile.TestRun{
		Rollout: en.Rollout, Colour: en.Colour, Revision: en.Revision, Target: target, Test: spec.Test{Command: command},
	}}
}

func testOnce(t *testing.T, s Subject) {
	name := app()
	en := replica(name, s.Image(t, Serves), spec.Green, 1)
	must(t, s, ensureStep(name, en))
	step := testStep(name, en, one(t, s, name).Name, "/app", "smoke")
	must(t, s, step)
	await(t, "the test ends", func() bool {
		seen := observe(t, s, name)
		return seen.Test != nil && seen.Test.State == reconcile.Exited
	})
	ran := observe(t, s, name).Test
	if ran.ExitCode != 0 || ran.Rollout != en.Rollout || ran.Colour != spec.Green || ran.Revision != en.Revision.ID {
		out := must(t, s, reconcile.Step{Kind: reconcile.StepEvidence, Containers: []string{ran.ID}})
		t.Errorf("the test: %+v, it wrote %q", ran, out.Evidence.Test)
	}
	must(t, s, step)
	if again := observe(t, s, name).Test; again == nil || again.ID != ran.ID || !again.StartedAt.Equal(ran.StartedAt) {
		t.Errorf("the test ran again: %+v, then %+v", ran, again)
	}
	one(t, s, name) // the test is not among the replicas
	must(t, s, removeStep(ran.ID))
	if seen := observe(t, s, name); seen.Test != nil {
		t.Errorf("the removed test is still seen: %+v", seen.Test)
	}
}

func testFails(t *testing.T, s Subject) {
	name := app()
	en := replica(name, s.Image(t, Serves), spec.Blue, 1)
	must(t, s, ensureStep(name, en))
	must(t, s, testStep(name, en, "nobody-has-this-name", "/app", "smoke"))
	await(t, "the test ends", func() bool {
		seen := observe(t, s, name)
		return seen.Test != nil && seen.Test.State == reconcile.Exited
	})
	ran := observe(t, s, name).Test
	out := must(t, s, reconcile.Step{Kind: reconcile.StepEvidence, Containers: []string{ran.ID}})
	if ran.ExitCode != 1 || len(out.Evidence.Test) == 0 {
		t.Errorf("exit code %d, output %q", ran.ExitCode, out.Evidence.Test)
	}
}

func imagesResolve(t *testing.T, s Subject) {
	img := s.Image(t, Serves)
	resolve := func(ref string, policy spec.PullPolicy) reconcile.Step {
		return reconcile.Step{Kind: reconcile.StepResolve, Image: reconcile.Image{Ref: ref}, Policy: policy}
	}
	for _, policy := range []spec.PullPolicy{spec.PullMissing, spec.PullNever} {
		if got := must(t, s, resolve(img.Ref, policy)).Image; got != img {
			t.Errorf("policy %s: %+v, want %+v", policy, got, img)
		}
	}
	must(t, s, reconcile.Step{Kind: reconcile.StepPull, Image: img})
	refused(t, s, resolve("nowhere/to-be-found:1", spec.PullNever), reconcile.ReasonImageNotFound)
	refused(t, s, resolve("Not A Reference", spec.PullMissing), reconcile.ReasonImageInvalid)
	img.Digest, img.Local = "sha256:"+strings.Repeat("0", 64), true
	refused(t, s, reconcile.Step{Kind: reconcile.StepPull, Image: img}, reconcile.ReasonImageNotFound)
}

func appsListed(t *testing.T, s Subject) {
	name, other := app(), app()
	img := s.Image(t, Serves)
	newer := replica(name, img, spec.Green, 1)
	newer.Generation = 12
	must(t, s, ensureStep(name, replica(name, img, spec.Blue, 1)))
	must(t, s, ensureStep(name, newer))
	must(t, s, ensureStep(other, replica(other, img, "", 1)))
	apps, err := s.Engine.Apps(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(apps) != 2 || apps[name] != 12 || apps[other] != 3 {
		t.Errorf("apps %v", apps)
	}
}

func watchHears(t *testing.T, s Subject) {
	name := app()
	img := s.Image(t, Serves)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	ready, heard, ended := make(chan struct{}), make(chan spec.Name, 100), make(chan error, 1)
	go func() {
		ended <- s.Engine.Watch(ctx, func() { close(ready) }, func(n spec.Name) {
			select {
			case heard <- n:
			default:
			}
		})
	}()
	<-ready
	must(t, s, ensureStep(name, replica(name, img, spec.Blue, 1)))
	await(t, "an event of the app", func() bool {
		select {
		case n := <-heard:
			return n == name
		default:
			return false
		}
	})
	leave()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the watch ended with %v", err)
	}
}

func logsWritten(t *testing.T, s Subject) {
	name := app()
	must(t, s, ensureStep(name, replica(name, s.Image(t, Serves), spec.Blue, 1)))
	awaitListening(t, s, one(t, s, name).ID)
	stranger := s.By.Create(t, name.Project+"-stranger")
	if err := s.Engine.Logs(t.Context(), stranger, 10, false, new(bytes.Buffer)); err == nil {
		t.Error("a stranger's log was read")
	}
	gone := one(t, s, name).ID
	s.By.Remove(t, gone)
	if err := s.Engine.Logs(t.Context(), gone, 10, false, new(bytes.Buffer)); err != nil {
		t.Errorf("a container that went meanwhile has a log: %v", err)
	}
}

// awaitListening returns when the log of a container that Serves says so.
func awaitListening(t testing.TB, s Subject, id string) {
	t.Helper()
	await(t, "the line that it listens, in the log", func() bool {
		var out bytes.Buffer
		if err := s.Engine.Logs(t.Context(), id, 10, false, &out); err != nil {
			t.Fatal(err)
		}
		return strings.Contains(out.String(), "listening")
	})
}
