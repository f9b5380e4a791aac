package contract

import (
	"strings"
	"testing"

	"teal/reconcile"
	"teal/spec"
)

func ensureOnce(t *testing.T, s Subject) {
	name := app()
	want := replica(name, s.Image(t, Serves), spec.Green, 1)
	must(t, s, ensureStep(name, want))
	got := one(t, s, name)
	want.Generation, want.Rollout = 9, "r-9" // another attempt uses what is there
	must(t, s, ensureStep(name, want))
	again := one(t, s, name)
	if again.ID != got.ID || !again.StartedAt.Equal(got.StartedAt) {
		t.Errorf("the second step changed the container: %+v, then %+v", got, again)
	}
	wantName := name.Project + "-web-green-aabbccdd-1"
	if got.Name != wantName || got.Colour != spec.Green || got.Replica != 1 || got.Revision != revision ||
		got.Generation != 3 || got.Rollout != "r-7" || got.State != reconcile.Running || got.Image != want.Revision.Image.Ref {
		t.Errorf("seen as %+v", got)
	}
	if published := got.Reach[Port]; published != "" && published != got.Address || published == "" && !strings.HasSuffix(got.Address, ":8080") || got.StartedAt.IsZero() {
		t.Errorf("address %q, started at %s", got.Address, got.StartedAt)
	}
}

func addressesStay(t *testing.T, s Subject) {
	name := app()
	img := s.Image(t, Serves)
	steps := []reconcile.Step{
		ensureStep(name, replica(name, img, spec.Blue, 1)),
		ensureStep(name, replica(name, img, spec.Blue, 2)),
		ensureStep(name, replica(name, img, spec.Green, 1)),
	}
	ended := make(chan *reconcile.Failure)
	for _, step := range steps { // at once, as the controller does
		go func() { ended <- s.Engine.Perform(t.Context(), step).Failure }()
	}
	for range steps {
		if f := <-ended; f != nil {
			t.Error(f)
		}
	}
	before := map[string]string{}
	taken := map[string]bool{}
	for _, c := range observe(t, s, name).Containers {
		if c.Address == "" || taken[c.Address] {
			t.Errorf("%s has address %q", c.Name, c.Address)
		}
		taken[c.Address], before[c.ID] = true, c.Address
	}
	if len(before) != len(steps) {
		t.Fatalf("%d containers, want %d", len(before), len(steps))
	}
	for id := range before {
		s.By.Restart(t, id)
	}
	for _, c := range observe(t, s, name).Containers {
		if c.Address != before[c.ID] {
			t.Errorf("%s had %s, and after a restart %s", c.Name, before[c.ID], c.Address)
		}
	}
}

func ensureAgain(t *testing.T, s Subject) {
	name := app()
	step := ensureStep(name, replica(name, s.Image(t, Serves), spec.Blue, 1))
	must(t, s, step)
	made := one(t, s, name)
	for what, by := range map[string]func(testing.TB, string){"stopped": s.By.Stop, "paused": s.By.Pause} {
		by(t, made.ID)
		if c := one(t, s, name); c.State == reconcile.Running || c.Address != made.Address {
			t.Errorf("%s: seen as %s at %q", what, c.State, c.Address)
		}
		must(t, s, step)
		if c := one(t, s, name); c.ID != made.ID || c.State != reconcile.Running {
			t.Errorf("%s: afterwards %s, same container %v", what, c.State, c.ID == made.ID)
		}
	}
	s.By.Remove(t, made.ID)
	if seen := observe(t, s, name); len(seen.Containers) != 0 {
		t.Errorf("removed by hand, still seen: %+v", seen.Containers)
	}
	must(t, s, step)
	if c := one(t, s, name); c.State != reconcile.Running || c.ID == made.ID {
		t.Errorf("made again: %+v", c)
	}
}

func strangerKeepsName(t *testing.T, s Subject) {
	name := app()
	id := s.By.Create(t, name.Project+"-web-blue-aabbccdd-1")
	refused(t, s, ensureStep(name, replica(name, s.Image(t, Serves), spec.Blue, 1)), reconcile.ReasonNameTaken)
	if !s.By.Exists(t, id) {
		t.Error("the stranger's container is gone")
	}
	if seen := observe(t, s, name); len(seen.Containers) != 0 {
		t.Errorf("a stranger's container is seen as ours: %+v", seen.Containers)
	}
}

func dependency(t *testing.T, s Subject) {
	name := app()
	must(t, s, ensureStep(name, replica(name, s.Image(t, Serves), "", 1)))
	c := one(t, s, name)
	if c.Colour != "" || c.Address != "" || c.Name != name.Project+"-web-aabbccdd-1" || c.State != reconcile.Running {
		t.Errorf("seen as %+v", c)
	}
}

func crashesCounted(t *testing.T, s Subject) {
	name := app()
	must(t, s, ensureStep(name, replica(name, s.Image(t, Exits), spec.Blue, 1)))
	await(t, "two restarts with exit code 1", func() bool {
		c := one(t, s, name)
		return c.Restarts >= 2 && (c.ExitCode == 1 || c.State == reconcile.Running)
	})
	// A crash loop is not mended by asking again, and not a failure to ask.
	must(t, s, ensureStep(name, replica(name, s.Image(t, Exits), spec.Blue, 1)))
}
