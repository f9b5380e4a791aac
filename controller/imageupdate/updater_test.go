package imageupdate

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"teal/controller"
	"teal/reconcile"
	"teal/spec"
)

var app = spec.Name{Project: "shop", Service: "web"}

// sum is a digest made from a text, pinned an image with one.
func sum(text string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text))) }

func pinned(tag, text string) string { return "web:" + tag + "@" + sum(text) }

// world is a registry, and one app whose wish follows it.
type world struct {
	t        *testing.T
	tags     []string
	digests  map[string]string
	created  time.Time
	fails    error
	asked    int
	state    reconcile.State
	history  []reconcile.Rollout
	events   []string
	folder   string
	u        *Updater
	movesOn  bool
	rollouts []string
}

func inWorld(t *testing.T, policy spec.ImagePolicy, f func(w *world)) {
	t.Helper()
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, tags: []string{"1.4.2"}, digests: map[string]string{}, folder: folder}
		if policy.Every == 0 {
			policy.Every = spec.Duration(10 * time.Minute)
		}
		w.state.Desired = reconcile.Desired{Generation: 1, Service: spec.Service{
			Name: app, Container: spec.Container{Image: "web:1.4.2"}, Rollout: &spec.Rollout{ImagePolicy: &policy},
		}}
		w.starts()
		f(w)
	})
}

func (w *world) starts() {
	w.u = New(Options{
		Book: w, Registry: w, Host: func(string) string { return "registry" }, Update: w.update, Logger: slog.New(slog.DiscardHandler),
		Note: func(events ...reconcile.Event) {
			for _, e := range events {
				w.events = append(w.events, string(e.Reason)+" "+e.Message)
			}
		},
		File: filepath.Join(w.folder, "images.json"),
	})
}

func (w *world) Apps() ([]spec.Name, error) { return []spec.Name{app}, nil }

func (w *world) Load(spec.Name) (reconcile.State, bool, error) { return w.state, true, nil }

func (w *world) History(spec.Name, int) ([]reconcile.Rollout, error) {
	return slices.Clone(w.history), nil
}

func (w *world) Tags(context.Context, string) ([]string, error) {
	w.asked++
	return w.tags, w.fails
}

func (w *world) Digest(_ context.Context, image string) (string, error) {
	w.asked++
	_, tag, _ := strings.Cut(image, ":")
	if !slices.Contains(w.tags, tag) && w.fails == nil {
		return "", &reconcile.Failure{Class: reconcile.Permanent, Reason: reconcile.ReasonImageNotFound}
	}
	if d := w.digests[tag]; d != "" {
		return d, w.fails
	}
	return sum(tag), w.fails
}

func (w *world) Created(context.Context, string) (time.Time, error) { return w.created, w.fails }

func (w *world) update(_ context.Context, u controller.ImageUpdate) error {
	if w.movesOn {
		w.movesOn = false
		return controller.ErrMovedOn
	}
	if u.From != w.state.Desired.Service.Container.Image {
		w.t.Errorf("update from %s, wanted is %s", u.From, w.state.Desired.Service.Container.Image)
	}
	w.rollouts = append(w.rollouts, u.To)
	w.state.Desired.Service = w.state.Desired.Service.Update(u.To)
	w.state.Desired.Generation++
	return nil
}

// passes lets time pass, with a look every second.
func (w *world) passes(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Second) {
		w.u.Look(context.Background())
	}
}

func (w *world) rolledOut(want ...string) {
	w.t.Helper()
	if !slices.Equal(w.rollouts, want) {
		w.t.Errorf("rolled out %q, want %q", w.rollouts, want)
	}
}

func TestANewerTagIsRolledOutOnce(t *testing.T) {
	inWorld(t, spec.ImagePolicy{Tags: "^1.4"}, func(w *world) {
		w.passes(time.Hour)
		w.rolledOut()
		w.tags = append(w.tags, "1.5.0", "1.4.3")
		w.passes(time.Hour)
		w.rolledOut(pinned("1.5.0", "1.5.0"))
		w.tags = append(w.tags, "1.6.0")
		w.passes(time.Hour)
		w.rolledOut(pinned("1.5.0", "1.5.0"), pinned("1.6.0", "1.6.0"))
		if w.asked > 40 {
			t.Errorf("asked %d times in three hours", w.asked)
		}
	})
}

func TestAVersionThatFailedIsNotTriedAgain(t *testing.T) {
	inWorld(t, spec.ImagePolicy{Tags: "^1.4"}, func(w *world) {
		w.tags = append(w.tags, "1.4.3", "1.5.0")
		w.history = []reconcile.Rollout{{Revision: reconcile.Revision{Image: reconcile.Image{Ref: pinned("1.5.0", "1.5.0")}}, Result: reconcile.RolledBack}}
		w.passes(time.Hour)
		w.rolledOut(pinned("1.4.3", "1.4.3"))
	})
}

func TestAMovedDigestIsRolledOut(t *testing.T) {
	inWorld(t, spec.ImagePolicy{Digest: true}, func(w *world) {
		w.state.Record.ImageGeneration, w.state.Record.Image = 1, reconcile.Image{Digest: sum("1.4.2")}
		w.passes(time.Hour)
		w.rolledOut()
		w.digests["1.4.2"] = sum("moved")
		w.passes(time.Hour)
		w.rolledOut(pinned("1.4.2", "moved"))
		w.passes(time.Hour)
		w.digests["1.4.2"] = sum("again")
		w.passes(time.Hour)
		w.rolledOut(pinned("1.4.2", "moved"), pinned("1.4.2", "again"))
	})
}

func TestAYoungImageWaits(t *testing.T) {
	inWorld(t, spec.ImagePolicy{Tags: "^1.4", MinAge: spec.Duration(3 * time.Hour)}, func(w *world) {
		w.tags = append(w.tags, "1.5.0") // made long ago, by its own word
		w.passes(2 * time.Hour)
		w.rolledOut()
		w.starts() // a restart does not begin anew
		w.passes(90 * time.Minute)
		w.rolledOut(pinned("1.5.0", "1.5.0"))
		w.tags, w.created = append(w.tags, "1.6.0"), time.Now().Add(2*time.Hour) // the builder's clock is wrong
		w.passes(4 * time.Hour)
		w.rolledOut(pinned("1.5.0", "1.5.0"))
		w.passes(2 * time.Hour)
		w.rolledOut(pinned("1.5.0", "1.5.0"), pinned("1.6.0", "1.6.0"))
	})
}

func TestARegistryThatAsksToBeLeftAloneIs(t *testing.T) {
	inWorld(t, spec.ImagePolicy{Tags: "^1.4", Every: spec.Duration(10 * time.Second)}, func(w *world) {
		w.tags = append(w.tags, "1.5.0")
		w.fails = &reconcile.Failure{Class: reconcile.Infra, Reason: reconcile.ReasonRegistryUnavailable, Message: "429", RetryAfter: spec.Duration(30 * time.Minute)}
		w.passes(20 * time.Minute)
		if w.asked != 1 {
			t.Errorf("asked %d times", w.asked)
		}
		w.passes(10 * time.Hour)
		if w.asked > 20 || len(w.events) != 1 || !strings.Contains(w.events[0], "ImageUpdatesFailed newer images of shop/web cannot be looked for: RegistryUnavailable: 429") {
			t.Errorf("asked %d times, events %q", w.asked, w.events)
		}
		w.fails = nil
		w.passes(2 * time.Hour)
		w.rolledOut(pinned("1.5.0", "1.5.0"))
		if len(w.events) != 2 {
			t.Errorf("events %q", w.events)
		}
	})
}

func TestWhatMovedOnIsDecidedAgain(t *testing.T) {
	inWorld(t, spec.ImagePolicy{Tags: "^1.4"}, func(w *world) {
		w.tags, w.movesOn = append(w.tags, "1.5.0"), true
		w.passes(10 * time.Second)
		w.rolledOut(pinned("1.5.0", "1.5.0"))
	})
}

func TestNobodyIsAskedForWhatIsGivenUp(t *testing.T) {
	inWorld(t, spec.ImagePolicy{Tags: "^1.4"}, func(w *world) {
		w.state.Desired.Orphaned = true
		w.tags = append(w.tags, "1.5.0")
		w.passes(time.Hour)
		if w.asked > 0 {
			t.Errorf("asked %d times", w.asked)
		}
	})
}
