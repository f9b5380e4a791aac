package controller

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// frozen is an engine of which every answer stays away while it is frozen; it
// heeds contexts, unless it is deaf.
type frozen struct {
	Engine
	thaw chan struct{}
	deaf bool
}

func (f *frozen) wait(ctx context.Context) error {
	done := ctx.Done()
	if f.deaf {
		done = nil
	}
	select {
	case <-f.thaw:
		return nil
	case <-done:
		return ctx.Err()
	}
}

func (f *frozen) Observe(ctx context.Context, app spec.Name, look reconcile.Look) (Seen, error) {
	if err := f.wait(ctx); err != nil {
		return Seen{}, fmt.Errorf("no answer: %w", err)
	}
	return f.Engine.Observe(ctx, app, look)
}

func (f *frozen) Watch(ctx context.Context, ready func(), changed func(spec.Name)) error {
	select {
	case <-f.thaw:
	case <-ctx.Done():
		return ctx.Err()
	}
	return f.Engine.Watch(ctx, ready, changed)
}

func looked(c *Controller) bool {
	select {
	case <-c.FirstLook():
		return true
	default:
		return false
	}
}

func TestAFrozenEngineIsNoHang(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		w.apply(web("web", "web:1", dependsOn("db", spec.Started)), db("db:1"))
		w.serves("web", "web:1")
		w.stop()
		f := &frozen{Engine: w.opts.Engine, thaw: make(chan struct{})}
		w.opts.Engine = f
		if err := w.store.Reopen(); err != nil {
			t.Fatal(err)
		}
		w.run()
		if looked(w.c) {
			t.Error("the first look was done before the engine was given its time")
		}
		time.Sleep(30*time.Second + w.c.opts.Limits.Observe + time.Second) // the full look, which hears nothing
		if !looked(w.c) {
			t.Error("the engine does not answer, and the first look goes on")
		}
		for range 200 {
			time.Sleep(time.Minute)
			if err := w.c.Hangs(); err != nil {
				t.Fatalf("a frozen engine counts as a hang: %v", err)
			}
		}
		if s := w.c.Summary(); !strings.Contains(s, "the Docker Engine does not answer") {
			t.Errorf("summary %q", s)
		}
		close(f.thaw)
		w.serves("web", "web:1")
		if s := w.c.Summary(); s != "2 of 2 apps and dependencies serve" {
			t.Errorf("summary %q", s)
		}
	})
}

func TestAHangIsTold(t *testing.T) {
	inWorld(t, func(w *world) {
		f := &frozen{Engine: w.opts.Engine, thaw: make(chan struct{})}
		close(f.thaw)
		w.opts.Engine = f
		w.run()
		if !looked(w.c) {
			t.Error("there is nothing to look at, and the first look goes on")
		}
		w.apply(web("web", "web:1"))
		w.serves("web", "web:1")
		time.Sleep(time.Hour)
		if err := w.c.Hangs(); err != nil {
			t.Fatalf("idle: %v", err)
		}
		f.thaw, f.deaf = make(chan struct{}), true // as a defect would: no limit ends it
		w.c.Wake(named("web"))
		time.Sleep(w.c.opts.Limits.Observe)
		if err := w.c.Hangs(); err != nil {
			t.Errorf("within its limits: %v", err)
		}
		time.Sleep(2 * time.Minute)
		if err := w.c.Hangs(); err == nil || !strings.Contains(err.Error(), "p/web") {
			t.Errorf("a pass that hangs is told as %v", err)
		}
		close(f.thaw)
		synctest.Wait()
		if err := w.c.Hangs(); err != nil {
			t.Errorf("it went on: %v", err)
		}
	})
}

func TestAQueueThatDoesNotMoveIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		q.waiting(true)
		time.Sleep(time.Hour)
		if err := q.stuck(time.Now()); err != nil {
			t.Errorf("nothing is due: %v", err)
		}
		q.add(named("web"))
		if err := q.stuck(time.Now()); err != nil {
			t.Errorf("just due: %v", err)
		}
		time.Sleep(slack + time.Second)
		if err := q.stuck(time.Now()); err == nil {
			t.Error("nobody takes what is due, and nothing is told")
		}
		q.waiting(false)
		if err := q.stuck(time.Now()); err != nil {
			t.Errorf("all are busy: %v", err)
		}
	})
}
