package controller

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// shelf is a host with images, and the book of what was pulled to it.
type shelf struct {
	host    reconcile.HostImages
	pulled  []reconcile.PulledImage
	inUse   map[string]bool // the engine refuses to remove them
	fail    error
	removed []string
	looks   int
}

func (s *shelf) Images(context.Context) ([]reconcile.HostImages, error) {
	s.looks++
	return []reconcile.HostImages{s.host}, nil
}

func (s *shelf) RemoveImage(_ context.Context, r reconcile.ImageRemoval) (bool, error) {
	if s.fail != nil || s.inUse[r.ID] {
		return false, s.fail
	}
	s.removed = append(s.removed, r.ID)
	s.host.Images = slices.DeleteFunc(s.host.Images, func(i reconcile.HostImage) bool { return i.ID == r.ID })
	return true, nil
}

func (s *shelf) Pulled() ([]reconcile.PulledImage, error) { return slices.Clone(s.pulled), nil }

func (s *shelf) ForgetPulled(gone ...reconcile.PulledImage) error {
	s.pulled = slices.DeleteFunc(s.pulled, func(p reconcile.PulledImage) bool { return slices.Contains(gone, p) })
	return nil
}

// put adds images that Teal pulled for an app that is gone.
func (s *shelf) put(versions ...string) {
	for _, v := range versions {
		s.host.Images = append(s.host.Images, reconcile.HostImage{ID: v, Digests: []string{"reg/old@sha256:" + v}, Size: 1000})
		s.pulled = append(s.pulled, reconcile.PulledImage{
			App: spec.Name{Project: "old", Service: "x"}, Image: reconcile.Image{Ref: "reg/old:" + v, Digest: "sha256:" + v},
		})
	}
}

func (s *shelf) keeping() *ImageKeeping { return &ImageKeeping{Host: s, Book: s} }

func TestImagesThatNobodyNeedsAreRemovedAndToldOf(t *testing.T) {
	inWorld(t, func(w *world) {
		s := &shelf{inUse: map[string]bool{"b": true}}
		s.put("a", "b", "c")
		w.opts.Images = s.keeping()
		w.run()
		if !slices.Equal(s.removed, []string{"a", "c"}) {
			t.Errorf("removed %v", s.removed)
		}
		if len(s.pulled) != 1 || s.pulled[0].Image.Digest != "sha256:b" {
			t.Errorf("what was pulled and is there: %+v", s.pulled)
		}
		events := w.events()
		if len(events) != 1 || events[0].Reason != ReasonImagesRemoved || !strings.Contains(events[0].Message, "2 images of earlier versions were removed, 2kB: reg/old:a") {
			t.Errorf("events %+v", events)
		}
		// One that stays in use is no reason to hurry.
		looks := s.looks
		time.Sleep(time.Hour)
		if n := s.looks - looks; n < 5 || n > 7 {
			t.Errorf("%d looks in an hour, wanted one in ten minutes", n)
		}
		s.inUse = nil
		time.Sleep(11 * time.Minute)
		if len(s.removed) != 3 {
			t.Errorf("removed %v; the last is not in use any more", s.removed)
		}
		looks = s.looks
		time.Sleep(time.Hour)
		if s.looks != looks {
			t.Error("a host was asked although nothing was pulled")
		}
	})
}

func TestImagesAreLookedAtAfterARollout(t *testing.T) {
	inWorld(t, func(w *world) {
		s := &shelf{}
		w.opts.Images = s.keeping()
		w.run()
		s.put("a")
		w.apply(web("a", "web:1"))
		time.Sleep(time.Minute)
		if len(s.removed) != 1 {
			t.Errorf("removed %v", s.removed)
		}
	})
}

func TestAnEngineThatDoesNotRemoveImagesIsAskedAgainLater(t *testing.T) {
	inWorld(t, func(w *world) {
		s := &shelf{fail: errors.New("connection refused")}
		s.put("a", "b")
		w.opts.Images = s.keeping()
		w.run()
		if len(s.pulled) != 2 || len(s.removed) > 0 {
			t.Errorf("%+v, removed %v", s.pulled, s.removed)
		}
		s.fail = nil
		time.Sleep(11 * time.Minute)
		if len(s.removed) != 2 || len(s.pulled) != 0 {
			t.Errorf("%+v, removed %v", s.pulled, s.removed)
		}
	})
}

// lowDisk refuses pulls while its shelf is full.
type lowDisk struct {
	Engine
	shelf *shelf
}

func (l lowDisk) Perform(ctx context.Context, step reconcile.Step) reconcile.Outcome {
	if step.Kind == reconcile.StepPull && len(l.shelf.host.Images) > 0 {
		return reconcile.Outcome{Failure: &reconcile.Failure{Class: reconcile.Infra, Reason: reconcile.ReasonDiskLow, Message: "no room"}}
	}
	return l.Engine.Perform(ctx, step)
}

func TestAPullThatHasNoRoomMakesRoomAndGoesOn(t *testing.T) {
	inWorld(t, func(w *world) {
		s := &shelf{}
		w.opts.Images, w.opts.Engine = s.keeping(), lowDisk{w.engine, s}
		w.run()
		w.apply(web("a", "web:1"))
		time.Sleep(30 * time.Second)
		s.put("a") // since the last look, which is not due for ten minutes
		s.host.Short = true
		w.apply(web("a", "web:2"))
		time.Sleep(2 * time.Minute)
		if len(s.removed) != 1 {
			t.Errorf("removed %v", s.removed)
		}
		state, _, err := w.store.Load(spec.Name{Project: "p", Service: "a"})
		if err != nil || state.Record.Stable == nil || state.Record.Stable.Revision.Image.Ref != "web:2" || state.Record.Hold != nil {
			t.Errorf("stable %+v, hold %+v, %v", state.Record.Stable, state.Record.Hold, err)
		}
	})
}
