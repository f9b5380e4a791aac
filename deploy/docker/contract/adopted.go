package contract

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"testing"

	"teal/reconcile"
	"teal/spec"
)

// adopting returns a look at what is there with a container that was there before.
func adopting(name string) reconcile.Look {
	return reconcile.Look{Adopted: []spec.Adopted{{Colour: spec.Green, Container: name, Address: "10.0.0.5:8081"}}}
}

func adoptedSeen(t *testing.T, s Subject) {
	name := app()
	before := name.Project + "-before"
	look := adopting(before)
	see := func() reconcile.Seen {
		seen, err := s.Engine.Observe(t.Context(), name, look)
		if err != nil {
			t.Fatal(err)
		}
		return seen
	}
	if seen := see(); len(seen.Containers) != 0 {
		t.Fatalf("nothing is there, and seen is %+v", seen)
	}
	id := s.By.Create(t, before)
	s.By.Restart(t, id)
	must(t, s, ensureStep(name, replica(name, s.Image(t, Serves), spec.Blue, 1)))
	seen := see()
	if len(seen.Containers) != 2 || seen.Containers[1].Foreign {
		t.Fatalf("seen: %+v", seen.Containers)
	}
	c := seen.Containers[0]
	sum := sha256.Sum256([]byte("adopted:" + id))
	if !c.Foreign || c.ID != id || c.Name != before || c.Colour != spec.Green || c.Replica != 1 || c.Revision != hex.EncodeToString(sum[:]) ||
		c.Address != "10.0.0.5:8081" || c.State != reconcile.Running || c.StartedAt.IsZero() || c.Image == "" {
		t.Errorf("seen as %+v", c)
	}
	one(t, s, name) // who does not ask for it does not see it
	if apps, err := s.Engine.Apps(t.Context()); err != nil || len(apps) != 1 {
		t.Errorf("apps %v, %v", apps, err)
	}
	s.By.Remove(t, id)
	if seen := see(); len(seen.Containers) != 1 {
		t.Errorf("removed by hand, and seen is %+v", seen.Containers)
	}
}

func adoptedStopped(t *testing.T, s Subject) {
	name := app()
	id := s.By.Create(t, name.Project+"-before")
	s.By.Restart(t, id)
	state := func() reconcile.ContainerState {
		seen, err := s.Engine.Observe(t.Context(), name, adopting(name.Project+"-before"))
		if err != nil || len(seen.Containers) != 1 {
			t.Fatalf("seen %+v, %v", seen, err)
		}
		return seen.Containers[0].State
	}
	refused(t, s, stopStep(id), reconcile.ReasonEngineRefused)
	remove, stop, gone := removeStep(id), stopStep(id), stopStep("0123456789ab")
	remove.Foreign, stop.Foreign, gone.Foreign = true, true, true
	refused(t, s, remove, reconcile.ReasonEngineRefused)
	if got := state(); got != reconcile.Running {
		t.Fatalf("it is %s", got)
	}
	for range 2 {
		must(t, s, stop)
		if got := state(); got != reconcile.Exited {
			t.Fatalf("stopped, it is %s", got)
		}
	}
	must(t, s, gone)
	refused(t, s, remove, reconcile.ReasonEngineRefused)
}

func adoptedHeard(t *testing.T, s Subject) {
	name := app()
	id := s.By.Create(t, name.Project+"-before")
	if _, err := s.Engine.Observe(t.Context(), name, adopting(name.Project+"-before")); err != nil {
		t.Fatal(err)
	}
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
	s.By.Create(t, name.Project+"-nobodys")
	s.By.Restart(t, id)
	await(t, "an event of the adopted container", func() bool {
		select {
		case n := <-heard:
			if n != name {
				t.Errorf("heard of %s", n)
			}
			return true
		default:
			return false
		}
	})
	leave()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the watch ended with %v", err)
	}
}
