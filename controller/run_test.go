package controller

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"teal/controller/fake"
	"teal/reconcile"
	"teal/spec"
)

func TestFirstDeployAndUpdate(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		w.apply(web("web", "web:1"))
		w.serves("web", "web:1")
		w.apply(web("web", "web:2"))
		w.serves("web", "web:2")
		w.until("old one removed", time.Minute, func() bool { return len(w.engine.Names()) == 1 })
	})
}

func TestEditIsLiveRightAfterTheAppIsReady(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		w.apply(web("web", "web:1"))
		w.serves("web", "web:1")
		begun := time.Now()
		w.apply(web("web", "web:2")) // ready after 1 s, two probes 100 ms apart
		w.until("switched", time.Minute, func() bool {
			r := w.proxy.Look().Served(named("web")).Route
			return r != nil && len(w.engine.Look(named("web")).Containers) > 0 && r.Backends[0].Colour == spec.Green
		})
		if took := time.Since(begun); took > 3500*time.Millisecond {
			t.Errorf("took %s", took) // the fake prober calls nobody: the planner looks every 2 s
		}
	})
}

func TestSettledPassWritesNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		w.apply(web("web", "web:1"), db("db:1"))
		w.serves("web", "web:1")
		time.Sleep(time.Minute)
		writes, seq := w.store.Writes(), w.proxy.Look().Table.Seq
		var effects atomic.Int32
		w.engine.Done = func(reconcile.Step, reconcile.Container) { effects.Add(1) }
		time.Sleep(time.Hour)
		if w.store.Writes() != writes || effects.Load() != 0 || w.proxy.Look().Table.Seq != seq {
			t.Errorf("%d writes, %d effects, table %d → %d; want none\n%s",
				w.store.Writes()-writes, effects.Load(), seq, w.proxy.Look().Table.Seq, w.eventLines())
		}
	})
}

func TestRemovedByHandIsRepairedAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		w.apply(web("web", "web:1"))
		w.serves("web", "web:1")
		time.Sleep(time.Minute + 7*time.Second)
		w.engine.Kill(w.engine.Names()[0], true)
		w.until("made again", time.Second, func() bool { return len(w.engine.Names()) == 1 })
		w.serves("web", "web:1")
	})
}

func TestDependentsWaitAndAreWoken(t *testing.T) {
	inWorld(t, func(w *world) {
		w.engine.Publish("db:slow", fake.Image{Digest: "sha256:dbslow", Size: 20 * time.Second})
		w.run()
		w.apply(web("web", "web:1", dependsOn("db", spec.Started)), db("db:slow"))
		time.Sleep(10 * time.Second)
		if s := w.status("web"); s.Synced.Reason != reconcile.ReasonDependency {
			t.Errorf("web is %+v, want it to wait", s.Synced)
		}
		w.serves("web", "web:1")
	})
}

func TestEngineAwayIsToldOnceAndOvercome(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		w.apply(web("web", "web:1"))
		w.serves("web", "web:1")
		w.engine.Away(true)
		time.Sleep(10 * time.Minute)
		if n := w.told(reconcile.ReasonEngineUnavailable); n != 1 {
			t.Errorf("%d events after 10 minutes, want 1\n%s", n, w.eventLines())
		}
		s := w.status("web")
		if s.Synced.Reason != reconcile.ReasonEngineUnavailable {
			t.Errorf("status says %+v", s.Synced)
		}
		w.engine.Kill(w.engine.Names()[0], true)
		w.engine.Away(false)
		w.until("made again", 35*time.Second, func() bool { return len(w.engine.Names()) == 1 })
		w.serves("web", "web:1")
		if n := w.told(reconcile.ReasonEngineUnavailable); n != 2 {
			t.Errorf("%d events in all, want 2\n%s", n, w.eventLines())
		}
	})
}

func TestProxyAwayChangesNothingAndIsSupervised(t *testing.T) {
	inWorld(t, func(w *world) {
		var supervised, lost atomic.Int64
		w.opts.Supervise = func(context.Context) error {
			supervised.Add(1)
			if n := lost.Load(); n != 0 && time.Since(time.Unix(n, 0)) < time.Minute {
				return fake.ErrAway
			}
			w.proxy.Away(false)
			return nil
		}
		w.run()
		w.apply(web("web", "web:1"))
		w.serves("web", "web:1")
		lost.Store(time.Now().Unix())
		w.proxy.Away(true)
		w.apply(web("web", "web:2"))
		time.Sleep(5 * time.Second)
		if n := len(w.engine.Names()); n != 1 {
			t.Errorf("%d containers while the proxy is away, want 1", n)
		}
		w.serves("web", "web:2")
		if n := w.told(reconcile.ReasonProxyUnavailable); n != 2 {
			t.Errorf("%d events, want lost and found\n%s", n, w.eventLines())
		}
		if w.log.has("app=/") || !w.log.has("event happened app=p/web") || !w.log.has("event happened reason=ProxyUnavailable") {
			t.Errorf("the log names the app of events that have one, and only of them:\n%s", strings.Join(w.log.msgs, "\n"))
		}
		if n := supervised.Load(); n < 5 || n > 20 {
			t.Errorf("supervised %d times in a minute", n)
		}
	})
}

// A proxy whose process hangs runs, and that is not yet an answer.
func TestAProxyThatHangsIsToldOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.opts.Supervise = func(context.Context) error { return nil }
		w.run()
		w.apply(web("web", "web:1"))
		w.serves("web", "web:1")
		w.proxy.Away(true)
		time.Sleep(3 * time.Minute)
		if n := w.told(reconcile.ReasonProxyUnavailable); n != 1 {
			t.Errorf("%d events while it hangs, want 1\n%s", n, w.eventLines())
		}
		w.proxy.Away(false)
		w.apply(web("web", "web:2"))
		w.serves("web", "web:2")
		if n := w.told(reconcile.ReasonProxyUnavailable); n != 2 {
			t.Errorf("%d events in all, want lost and found\n%s", n, w.eventLines())
		}
	})
}

func TestPanicInAPassIsSurvived(t *testing.T) {
	inWorld(t, func(w *world) {
		var broken atomic.Bool
		broken.Store(true)
		w.engine.Fault = func(c fake.Call) fake.Fault {
			if broken.Load() && c.Name == "observe" && c.App == named("bad") {
				panic("planted")
			}
			return fake.None
		}
		w.run()
		w.apply(web("bad", "web:1"), web("good", "web:1"))
		w.serves("good", "web:1")
		if !w.log.has("panic was survived") || !w.log.has("world_test.go") && !w.log.has("run_test.go") {
			t.Error("the panic was not logged with its stack")
		}
		broken.Store(false)
		w.serves("bad", "web:1")
	})
}

func TestPanicInAStepIsSurvived(t *testing.T) {
	inWorld(t, func(w *world) {
		var broken atomic.Bool
		broken.Store(true)
		w.engine.Fault = func(c fake.Call) fake.Fault {
			if broken.Load() && c.Kind == reconcile.StepEnsure {
				panic("planted")
			}
			return fake.None
		}
		w.run()
		w.apply(web("web", "web:1"))
		time.Sleep(5 * time.Second)
		broken.Store(false)
		w.serves("web", "web:1")
	})
}

func TestSlowPullsBlockNobody(t *testing.T) {
	inWorld(t, func(w *world) {
		w.opts.Parallel = 2
		w.run()
		w.apply(web("s1", "web:slow"), web("s2", "web:slow"), web("s3", "web:slow"), web("web", "web:1"))
		w.until("web serves", 10*time.Second, func() bool { return w.status("web").Serving.OK })
	})
}

func TestNewerWishCutsAPullShort(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		w.apply(web("web", "web:slow"))
		time.Sleep(time.Minute)
		begun := time.Now()
		w.apply(web("web", "web:1"))
		w.serves("web", "web:1")
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("the newer wish took %s", took)
		}
	})
}

func TestStoreFailureIsRetried(t *testing.T) {
	inWorld(t, func(w *world) {
		var full atomic.Bool
		w.store.Fault = func(op string) bool { return full.Load() && op == "save" }
		w.run()
		w.apply(web("web", "web:1"))
		w.serves("web", "web:1")
		full.Store(true)
		w.apply(web("web", "web:2"))
		time.Sleep(10 * time.Minute)
		if n := len(w.engine.Names()); n != 1 {
			t.Errorf("%d containers: effects without a recorded decision", n)
		}
		full.Store(false)
		w.serves("web", "web:2")
	})
}
