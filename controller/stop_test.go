package controller

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"teal/controller/fake"
	"teal/reconcile"
)

func TestStopWaitsForEffectsAndCutsThemAtTheLimit(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		w.apply(web("web", "web:slow"))
		time.Sleep(time.Minute)
		begun := time.Now()
		w.stop()
		if took := time.Since(begun); took != 10*time.Second {
			t.Errorf("stopped after %s, want 10s", took)
		}
	})
	inWorld(t, func(w *world) {
		w.engine.Publish("web:quick", fake.Image{Digest: "sha256:q", Size: 5 * time.Second})
		w.run()
		w.apply(web("web", "web:quick"))
		time.Sleep(time.Second)
		begun := time.Now()
		w.stop()
		if took := time.Since(begun); took > 4*time.Second {
			t.Errorf("stopped after %s, want when the pull ended", took)
		}
		state, _, err := w.store.Load(named("web"))
		if err != nil || state.Record.Candidate == nil || !state.Record.Candidate.Pulled {
			t.Errorf("what the last effect came to was not recorded: %+v, %v", state.Record.Candidate, err)
		}
	})
}

func TestStopLeavesContainersAloneAndRestartGoesOn(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		w.apply(web("web", "web:1"))
		w.serves("web", "web:1")
		w.apply(web("web", "web:2"))
		time.Sleep(300 * time.Millisecond)
		w.stop()
		before := len(w.engine.Names())
		time.Sleep(time.Hour)
		if n := len(w.engine.Names()); n != before || n != 2 {
			t.Errorf("%d containers after the stop, %d an hour later; want 2", before, n)
		}
		if err := w.store.Reopen(); err != nil {
			t.Fatal(err)
		}
		w.run()
		w.serves("web", "web:2")
	})
}

func TestLostStoreIsRebuiltWithoutTouchingWhatServes(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		for _, image := range []string{"web:1", "web:2", "web:3"} {
			w.apply(web("web", image))
			w.serves("web", image)
		}
		time.Sleep(time.Minute)
		w.stop()
		w.store.Lose()
		before := w.engine.Names()
		w.run()
		synctest.Wait()
		if n := w.told(reconcile.ReasonOrphaned); n != 1 {
			t.Errorf("%d orphans told of, want 1", n)
		}
		time.Sleep(10 * time.Minute)
		if after := w.engine.Names(); len(after) != 1 || after[0] != before[0] {
			t.Errorf("orphans were touched: %v → %v", before, after)
		}
		r := w.apply(web("web", "web:3"))
		if r.Apps[0].Generation < 4 {
			t.Errorf("generation %d does not go on from the labels", r.Apps[0].Generation)
		}
		w.serves("web", "web:3")
		if after := w.engine.Names(); len(after) != 1 || after[0] != before[0] {
			t.Errorf("what serves was replaced: %v → %v", before, after)
		}
		if len(w.c.orphans.list()) != 0 {
			time.Sleep(time.Minute)
		}
		if o := w.c.orphans.list(); len(o) != 0 {
			t.Errorf("still told as orphans: %v", o)
		}
	})
}

func TestEventStreamReconnects(t *testing.T) {
	inWorld(t, func(w *world) {
		var watches atomic.Int32
		w.engine.Fault = func(c fake.Call) fake.Fault {
			if c.Name == "watch" {
				if watches.Add(1)%2 == 0 {
					return fake.Unanswered
				}
			}
			return fake.None
		}
		w.opts.Resync = mustInterval("24h")
		w.run()
		w.apply(web("web", "web:1"))
		w.serves("web", "web:1")
		time.Sleep(time.Minute)
		w.engine.Away(true) // the stream breaks
		w.engine.Kill(w.engine.Names()[0], true)
		w.engine.Away(false)
		w.until("made again by the full look", 10*time.Second, func() bool { return len(w.engine.Names()) == 1 })
		if watches.Load() < 3 {
			t.Errorf("%d connections", watches.Load())
		}
	})
}
