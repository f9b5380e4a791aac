package pennyway_test

import (
	"testing"

	"teal/reconcile"
)

func TestOneHostFromNothingAndUpdatesUnderLoad(t *testing.T) {
	s := newStage(t, 1)
	teal := start(t, s.OneHost)
	settled(t, teal, "1.4.1")
	must(t, s.Answers(t.Context(), "1.4.1"))

	t.Run("update", func(t *testing.T) {
		must(t, s.Release(t.Context(), "1.4.2"))
		stop := load(t, s)
		deploy(t, teal, "1.4.1", "1.4.2")
		settled(t, teal, "1.4.2")
		stop()
		must(t, s.Answers(t.Context(), "1.4.2"))
	})
	t.Run("undo", func(t *testing.T) {
		stop := load(t, s)
		if _, err := teal.Run(t.Context(), "undo", "pennyway/was"); err != nil {
			t.Fatal(err)
		}
		must(t, s.Answers(t.Context(), "1.4.1"))
		stop()
	})
	t.Run("a version that is never healthy", func(t *testing.T) {
		must(t, s.Release(t.Context(), "1.4.3", "BREAK=unhealthy"))
		if _, err := teal.Edit("deadline: 1m", "deadline: 5s"); err != nil {
			t.Fatal(err)
		}
		stop := load(t, s)
		deploy(t, teal, "1.4.2", "1.4.3")
		app(t, teal, "1.4.3 is held", func(a reconcile.Status) bool { return a.Hold != nil && a.Phase == "" })
		stop()
	})
	t.Run("killed in the middle", func(t *testing.T) {
		must(t, s.Release(t.Context(), "1.4.4", "START_DELAY=2s"))
		stop := load(t, s)
		deploy(t, teal, "1.4.3", "1.4.4")
		app(t, teal, "1.4.4 is being verified", func(a reconcile.Status) bool { return a.Phase == reconcile.Verifying })
		must(t, teal.Kill(t.Context()))
		must(t, teal.Start(t.Context()))
		settled(t, teal, "1.4.4")
		stop()
	})
}
