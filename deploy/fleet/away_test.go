package fleet_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"teal/deploy/docker/dockertest"
	"teal/deploy/fleet"
	"teal/deploy/fleet/ssh/sshtest"
	"teal/reconcile"
	"teal/spec"
)

// quick are limits for hosts that are lost on purpose.
var quick = fleet.Limits{Answer: 3 * time.Second, Ping: 50 * time.Millisecond, PauseMin: 10 * time.Millisecond, PauseMax: 50 * time.Millisecond}

func TestHostThatIsAway(t *testing.T) {
	l := newLab(t, "a", "b")
	f, told := open(t, quick, "a="+viaSSH(l.hosts[0]), "b="+viaTLS(l.hosts[1]))
	w := watch(t, f)
	app := newApp()
	perform(t, f, l.replica(app, 1, "a"))
	perform(t, f, l.replica(app, 2, "b"))
	if seen := observe(t, f, app, "a", "b"); on(seen) != "a:1 b:2" {
		t.Fatal(on(seen))
	}
	b := l.hosts[1]
	for _, c := range []struct {
		name       string
		lose, find func(context.Context) error
	}{
		{"its engine is stopped and started", b.StopEngine, b.StartEngine},
		{"its engine hangs and goes on", b.Freeze, b.Thaw},
		{"its network is cut and healed", b.Cut, b.Heal},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(told.all())
			if err := c.lose(t.Context()); err != nil {
				t.Fatal(err)
			}
			await(t, "the loss is told", func() bool { return len(told.all()) > before })
			seen := observe(t, f, app, "a", "b")
			if on(seen) != "a:1 b:2*" || aways(seen) != "b" || seen.Away[0].Words == "" {
				t.Errorf("observed %s, away %+v", on(seen), seen.Away)
			}
			if apps, err := f.Apps(t.Context()); err != nil || apps[app] != 2 {
				t.Errorf("apps %v, %v", apps, err)
			}
			fail := f.Perform(t.Context(), l.replica(app, 2, "b")).Failure
			if fail == nil || fail.Class != reconcile.Infra || fail.Reason != reconcile.ReasonHostAway || !strings.Contains(fail.Message, "host b") {
				t.Errorf("a step there: %+v", fail)
			}
			if out := f.Perform(t.Context(), reconcile.Step{Kind: reconcile.StepResolve, App: app, Image: l.image, Policy: spec.PullNever, Hosts: []string{"b", "a"}}); out.Failure != nil {
				t.Errorf("the other host is not asked: %+v", out.Failure)
			}
			if _, _, err := f.Health(t.Context(), seen.Containers[1].ID); err == nil || !strings.Contains(err.Error(), "host b") {
				t.Errorf("health of what is lost: %v", err)
			}
			out := perform(t, f, reconcile.Step{Kind: reconcile.StepEvidence, App: app, Containers: []string{seen.Containers[0].ID, seen.Containers[1].ID}})
			if got := out.Evidence.Containers; len(got) != 2 || got[0].State != "running" || got[1].State != "unknown" {
				t.Errorf("evidence %+v", out.Evidence)
			}
			woken := w.count(app)
			if err := c.find(t.Context()); err != nil {
				t.Fatal(err)
			}
			await(t, "the host is back, and its apps are looked at", func() bool {
				all := told.all()
				return slices.Contains(all[before:], "b is back") && w.count(app) > woken
			})
			if s := f.Hosts(t.Context())[1]; !s.OK {
				t.Errorf("status %+v", s)
			}
			if seen := observe(t, f, app, "a", "b"); on(seen) != "a:1 b:2" || aways(seen) != "" {
				t.Errorf("observed %s, away %+v", on(seen), seen.Away)
			}
		})
	}
	for _, what := range told.all() {
		if strings.HasPrefix(what, "a ") {
			t.Errorf("told %q of a host that was always there", what)
		}
	}
}

// hanging is a socket that accepts and never answers.
func hanging(t *testing.T) (text string, wire *sshtest.Wire) {
	t.Helper()
	nobody := func() (net.Conn, error) {
		near, _ := net.Pipe()
		return near, nil
	}
	wire = sshtest.NewWire(t, filepath.Join(folder(t), "hangs.sock"), nobody)
	return "unix://" + wire.Address + "?address=127.0.0.2", wire
}

// local is the machine's own engine, by a wire that counts.
func local(t *testing.T) (text string, wire *sshtest.Wire) {
	t.Helper()
	dial := dockertest.Client(t).Dialer()
	wire = sshtest.NewWire(t, filepath.Join(folder(t), "engine.sock"), func() (net.Conn, error) { return dial(context.Background()) })
	return "unix://" + wire.Address + "?address=127.0.0.1", wire
}

func TestHostThatHangsDelaysOnlyItself(t *testing.T) {
	here, _ := local(t)
	there, wire := hanging(t)
	f, told := open(t, fleet.Limits{Answer: time.Second, PauseMin: time.Hour, PauseMax: time.Hour}, "here="+here, "there="+there)
	watch(t, f)
	if !told.has("there is lost: no answer within 1s") {
		t.Fatalf("told %q", told.all())
	}
	asked := wire.Opened()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for range 20 { // were it asked, that would be 20 times its limit, and more connections
		seen, err := f.Observe(ctx, newApp(), reconcile.Look{Hosts: []string{"here"}})
		if err != nil || aways(seen) != "" {
			t.Fatalf("an app that has nothing to do with it: %+v, %v", seen, err)
		}
		seen, err = f.Observe(ctx, newApp(), reconcile.Look{Hosts: []string{"here", "there"}})
		if err != nil || aways(seen) != "there" {
			t.Fatalf("an app that is on it, too: %+v, %v", seen, err)
		}
	}
	if _, err := f.Observe(ctx, newApp(), reconcile.Look{Hosts: []string{"there"}}); err == nil || !strings.Contains(err.Error(), "host there: no answer within 1s") {
		t.Errorf("an app that is on it alone: %v", err)
	}
	if now := wire.Opened(); now != asked {
		t.Errorf("a host that is known to be away was asked %d times", now-asked)
	}
}

func TestHostThatBeginsToHangIsWaitedForOnce(t *testing.T) {
	here, _ := local(t)
	there, wire := local(t)
	f, told := open(t, fleet.Limits{Answer: 2 * time.Second, Ping: time.Hour, PauseMin: time.Hour, PauseMax: time.Hour}, "here="+here, "there="+there)
	watch(t, f)
	both := reconcile.Look{Hosts: []string{"here", "there"}}
	wire.Freeze()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if seen, err := f.Observe(ctx, newApp(), both); err != nil || aways(seen) != "there" {
		t.Fatalf("%+v, %v", seen, err)
	}
	opened := wire.Opened()
	await(t, "its watcher has looked", func() bool { return told.has("there is lost") })
	for range 100 {
		if seen, err := f.Observe(ctx, newApp(), both); err != nil || aways(seen) != "there" {
			t.Fatalf("%+v, %v", seen, err)
		}
	}
	if now := wire.Opened(); now > opened+2 { // its watcher's
		t.Errorf("asked %d times", now-opened)
	}
}

func TestOnlyHostsThatMatterAreAsked(t *testing.T) {
	l := newLab(t, "a", "b")
	wire := sshtest.NewWire(t, filepath.Join(folder(t), "b.sock"), func() (net.Conn, error) { return net.Dial("unix", l.hosts[1].Socket()) })
	f, _ := open(t, fleet.Limits{Answer: time.Hour, Ping: time.Hour}, "a="+viaUnix(l.hosts[0]), "b=unix://"+wire.Address+"?address=127.0.0.2")
	w := watch(t, f)
	app, elsewhere := newApp(), newApp()
	perform(t, f, l.replica(app, 1, "a"))
	perform(t, f, l.replica(elsewhere, 2, "b"))
	await(t, "the events are over", func() bool { return w.count(app) > 0 && w.count(elsewhere) > 0 })
	observe(t, f, app, "a")
	wire.Freeze()
	for range 10 { // asked, it would be waited for, for an hour
		if seen := observe(t, f, app, "a"); on(seen) != "a:1" {
			t.Fatal(on(seen))
		}
	}
	wire.Thaw()
	if seen := observe(t, f, elsewhere, "a"); on(seen) != "b:2" {
		t.Errorf("what ran elsewhere when it was last seen: %s", on(seen))
	}
}

func TestNoHostAnswers(t *testing.T) {
	f, told := open(t, fleet.Limits{}, "a=unix:///nowhere/a.sock?address=127.0.0.1", "b=unix:///nowhere/b.sock?address=127.0.0.2")
	watch(t, f)
	_, err := f.Observe(t.Context(), newApp(), reconcile.Look{Hosts: []string{"a", "b"}})
	if err == nil || !strings.Contains(err.Error(), "host a: ") || !strings.Contains(err.Error(), "/nowhere/b.sock") {
		t.Errorf("observe: %v", err)
	}
	if _, err := f.Apps(t.Context()); err == nil || !strings.Contains(err.Error(), "host b") {
		t.Errorf("apps: %v", err)
	}
	if _, _, err := f.Version(t.Context()); err == nil || !strings.Contains(err.Error(), "host a") {
		t.Errorf("version: %v", err)
	}
	if !told.has("a is lost") || !told.has("b is lost") {
		t.Errorf("told %q", told.all())
	}
	withdrawn, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Observe(withdrawn, newApp(), reconcile.Look{Hosts: []string{"a"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("a question that was withdrawn: %v", err)
	}
}

func TestHostsAreAskedAgainWithoutAWatch(t *testing.T) {
	l := newLab(t, "a", "b")
	f, _ := open(t, quick, "a="+viaUnix(l.hosts[0]), "b="+viaUnix(l.hosts[1]))
	app := newApp()
	both := []string{"a", "b"}
	observe(t, f, app, both...)
	if err := l.hosts[1].StopEngine(t.Context()); err != nil {
		t.Fatal(err)
	}
	if seen := observe(t, f, app, both...); aways(seen) != "b" {
		t.Errorf("away %q", aways(seen))
	}
	if err := l.hosts[1].StartEngine(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, "it is seen again", func() bool { return aways(observe(t, f, app, both...)) == "" })
}
