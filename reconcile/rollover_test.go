package reconcile_test

import (
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

// TestRollover changes the wish in every phase of a rollout: only the newest
// counts.
func TestRollover(t *testing.T) {
	slow := behaviour{start: 20 * time.Second}
	for _, c := range []struct {
		phase Phase
		come  func(*scenario) // to the phase
		ended Result          // of the rollout in between
	}{
		{Preparing, func(s *scenario) {
			s.host.refuse(1, StepPull, "app:v2", Failure{Class: Infra, Reason: ReasonRegistryUnavailable})
			s.wants("app:v2")
		}, Superseded},
		{Starting, func(s *scenario) {
			s.host.refuse(1, StepEnsure, "app:v2", Failure{Class: Infra, Reason: ReasonEngineRefused})
			s.wants("app:v2")
		}, Superseded},
		{Verifying, func(s *scenario) {
			s.host.runs["app:v2"] = slow
			s.wants("app:v2")
		}, Superseded},
		{Staged, func(s *scenario) { s.wants("app:v2", manual(spec.TimeoutAbort)) }, Superseded},
		{Switching, func(s *scenario) { s.host.deaf = 3; s.wants("app:v2") }, Succeeded},
		{Confirming, func(s *scenario) { s.wants("app:v2", bake(60)) }, Succeeded},
		{Aborting, func(s *scenario) {
			s.host.runs["app:v2"] = behaviour{ends: true, code: 1}
			s.wants("app:v2")
		}, Failed},
	} {
		t.Run("in "+c.phase.Words()+": the newest is deployed, those between never", func(t *testing.T) {
			s := newApp(t)
			s.runs("app:v1")
			c.come(s)
			s.reaches(c.phase)
			s.wants("app:v3", promotion(spec.Promotion{Mode: spec.PromotionAuto}))
			s.wants("app:v4")
			s.settles()
			s.routedTo(s.record.Stable.Colour, "app:v4")
			s.is(Idle)
			s.ended("app:v2", c.ended)
			s.didNot("app:v3")
			s.holdsNothing()
			if len(s.host.all("app:v2")) > 0 && c.ended != Succeeded {
				t.Errorf("left: %q", s.running())
			}
		})
		t.Run("in "+c.phase.Words()+": going back to what is stable ends it", func(t *testing.T) {
			s := newApp(t)
			s.runs("app:v1")
			c.come(s)
			s.reaches(c.phase)
			s.wants("app:v1", promotion(spec.Promotion{Mode: spec.PromotionAuto}))
			s.settles()
			s.routedTo(s.record.Stable.Colour, "app:v1")
			s.is(Idle)
			s.holdsNothing()
		})
		t.Run("in "+c.phase.Words()+": a restart of Teal changes nothing", func(t *testing.T) {
			s, calm := newApp(t), newApp(t)
			for _, x := range []*scenario{s, calm} {
				x.runs("app:v1")
				c.come(x)
			}
			s.reaches(c.phase)
			s.tealWasAway(0)
			for _, x := range []*scenario{s, calm} {
				for range 3 { // over a gate that waits
					x.settles()
					if x.record.Phase == Staged {
						x.does(VerbPromote)
					}
				}
			}
			if got, want := s.picture(), calm.picture(); got != want {
				t.Errorf("came to\n%s\nwithout the restart\n%s", got, want)
			}
		})
	}
	run(t, []row{
		{"a newer generation that is the candidate takes it over with its number", func(s *scenario) {
			s.runs("app:v1")
			s.host.runs["app:v2"] = slow
			s.wants("app:v2")
			s.passes(10 * time.Second)
			s.edits(func(v *spec.Service) { v.Rollout.Drain.Requests = seconds(5) })
			s.settles()
			s.serves(spec.Green, "app:v2")
			if n := s.times("start green-1"); n != 1 {
				s.t.Errorf("started %d times", n)
			}
			if s.record.Stable.Generation != 3 || s.record.Generation != 3 {
				s.t.Errorf("stable is of generation %d, observed %d, wanted 3", s.record.Stable.Generation, s.record.Generation)
			}
		}},
		{"a first deployment that is replaced while it switches is stable first", func(s *scenario) {
			s.host.deaf = 2
			s.wants("app:v1")
			s.reaches(Switching)
			s.wants("app:v2")
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"an answer from the past changes nothing", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			s.desired.Generation = 1
			s.desired.Service.Container.Image = "app:v1"
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
	})
}
