package reconcile_test

import (
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

func TestHold(t *testing.T) {
	notFound := Failure{Class: Permanent, Reason: ReasonImageNotFound, Message: "manifest unknown"}
	held := func(s *scenario) {
		s.t.Helper()
		s.runs("app:v1")
		s.host.runs["app:v2"] = behaviour{sick: true}
		s.wants("app:v2")
		s.settles()
		s.holds(ReasonUnhealthy)
		s.forget()
	}
	run(t, []row{
		{"an image that nobody has holds the generation at once, before anything is touched", func(s *scenario) {
			s.runs("app:v1")
			s.host.refuse(9, StepResolve, "app:v2", notFound)
			s.wants("app:v2")
			s.passes(time.Hour)
			s.holds(ReasonImageNotFound)
			s.serves(spec.Blue, "app:v1")
			s.did("resolve app:v2")
			if len(s.tape) != 1 {
				s.t.Errorf("effects: %q, wanted one try", s.tape)
			}
			if s.record.Generation != 2 {
				s.t.Errorf("observed generation %d, wanted 2", s.record.Generation)
			}
		}},
		{"an image that cannot be pulled is held, and the standby lives", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			s.host.refuse(9, StepPull, "app:v3", notFound)
			s.wants("app:v3")
			s.settles()
			s.holds(ReasonImageNotFound)
			s.has("blue-1 app:v1", "green-1 app:v2")
			s.ended("app:v3", Failed)
		}},
		{"a container that cannot be created is held", func(s *scenario) {
			s.runs("app:v1")
			s.host.refuse(9, StepEnsure, "app:v2", Failure{Class: Permanent, Reason: ReasonNameTaken, Message: "a stranger has the name"})
			s.wants("app:v2")
			s.settles()
			s.holds(ReasonNameTaken)
			s.serves(spec.Blue, "app:v1")
		}},
		{"an image that cannot be resolved takes the place of a rollout under way: that is not wanted any more", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2", manual(spec.TimeoutAbort))
			s.settles()
			s.host.refuse(9, StepResolve, "app:v3", notFound)
			s.wants("app:v3")
			s.settles()
			s.holds(ReasonImageNotFound)
			s.has("blue-1 app:v1")
			s.ended("app:v2", Superseded)
		}},
		{"an image that cannot be resolved waits for a bake to end", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2", bake(60))
			s.reaches(Confirming)
			s.host.refuse(9, StepResolve, "app:v3", notFound)
			s.wants("app:v3")
			s.settles()
			s.holds(ReasonImageNotFound)
			s.serves(spec.Green, "app:v2")
		}},
		{"retry releases it: the same is tried again", func(s *scenario) {
			held(s)
			s.host.runs["app:v2"] = behaviour{}
			s.does(VerbRetry)
			s.settles()
			s.serves(spec.Green, "app:v2")
			s.holdsNothing()
		}},
		{"retry of an image that could not be resolved asks for it again", func(s *scenario) {
			s.runs("app:v1")
			s.host.refuse(1, StepResolve, "app:v2", notFound)
			s.wants("app:v2")
			s.settles()
			s.does(VerbRetry)
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"a new generation releases it, whatever it changed", func(s *scenario) {
			held(s)
			s.host.runs["app:v2"] = behaviour{}
			s.edits(func(v *spec.Service) { v.Rollout.Retry = "again" })
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"neither time nor a restart of Teal releases it", func(s *scenario) {
			held(s)
			for range 5 {
				s.tealWasAway(10 * time.Hour)
				s.settles()
			}
			s.didNothing()
			s.holds(ReasonUnhealthy)
		}},
		{"it fails again after retry: held again, with the new rollout's id", func(s *scenario) {
			held(s)
			was := s.record.Hold.Rollout
			s.does(VerbRetry)
			s.settles()
			s.holds(ReasonUnhealthy)
			if s.record.Hold.Rollout == was {
				s.t.Errorf("held by %s still", was)
			}
		}},
		{"stable is repaired while its successor is held", func(s *scenario) {
			held(s)
			s.removes("app:v1")
			s.settles()
			s.did("start blue-1 app:v1")
			s.serves(spec.Blue, "app:v1")
		}},
	})
}
