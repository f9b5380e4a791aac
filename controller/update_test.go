package controller

import (
	"context"
	"errors"
	"testing"

	"teal/controller/api"
	"teal/spec"
)

// TestAnUpdatedImageOutlivesTheFile: an image that a policy chose stays while the
// file says what it said, over a restart too, and gives way to an edit.
func TestAnUpdatedImageOutlivesTheFile(t *testing.T) {
	inWorld(t, func(w *world) {
		name := spec.Name{Project: "p", Service: "web"}
		follows := func(s *spec.Service) {
			s.Rollout.ImagePolicy = &spec.ImagePolicy{Tags: "^1", Every: spec.Duration(600e9)}
		}
		wish := func(image string, edit ...func(*spec.Service)) spec.Project {
			return spec.Project{Name: "p", Services: []spec.Service{web("web", image, append(edit, follows)...)}}
		}
		offers := func(p spec.Project) {
			t.Helper()
			if _, err := w.c.Apply(context.Background(), api.ApplyRequest{Project: p}); err != nil {
				t.Fatal(err)
			}
		}
		wants := func(image string, generation int64) {
			t.Helper()
			state, _, err := w.store.Load(name)
			if err != nil || state.Desired.Service.Container.Image != image || state.Desired.Generation != generation {
				t.Fatalf("%v: generation %d wants %s, not generation %d %s", err, state.Desired.Generation, state.Desired.Service.Container.Image, generation, image)
			}
		}
		w.run()
		offers(wish("web:1"))
		wants("web:1", 1)
		update := ImageUpdate{App: name, From: "web:1", To: "web:2", Why: "image policy ^1: web:2 is there"}
		if err := w.c.UpdateImage(context.Background(), update); err != nil {
			t.Fatal(err)
		}
		wants("web:2", 2)
		if err := w.c.UpdateImage(context.Background(), update); !errors.Is(err, ErrMovedOn) {
			t.Errorf("the same update again: %v", err)
		}
		offers(wish("web:1")) // the file is read again
		wants("web:2", 2)
		w.stop()
		w.run()
		offers(wish("web:1", func(s *spec.Service) { s.Replicas = 2 })) // an edit of something else
		wants("web:2", 3)
		plan, err := w.c.Plan(context.Background(), api.PlanRequest{Project: new(wish("web:1", func(s *spec.Service) { s.Replicas = 2 }))})
		if err != nil || plan.Apps[0].Changed {
			t.Errorf("the plan of the same file changes something: %+v, %v", plan, err)
		}
		offers(wish("web:3")) // a person names another image
		wants("web:3", 4)
	})
}
