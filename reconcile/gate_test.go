package reconcile_test

import (
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

// day is longer than a test waits.
const day = spec.Duration(24 * time.Hour)

func TestGates(t *testing.T) {
	staged := func(s *scenario, e ...edit) {
		s.t.Helper()
		s.runs("app:v1")
		s.wants("app:v2", e...)
		s.settles()
		s.is(Staged)
		s.routedTo(spec.Blue, "app:v1")
	}
	run(t, []row{
		{"a manual gate waits, with a preview of the candidate", func(s *scenario) {
			staged(s, manual(day, spec.TimeoutAbort))
			s.did("start green-1 app:v2", "route blue×1 preview green×1")
			if p := s.host.route.Preview; p.Colour != spec.Green {
				s.t.Errorf("preview: %+v", p)
			}
			s.passes(23 * time.Hour)
			s.is(Staged)
		}},
		{"promote opens it", func(s *scenario) {
			staged(s, manual(day, spec.TimeoutAbort))
			s.does(VerbPromote)
			s.settles()
			s.serves(spec.Green, "app:v2")
			if s.host.route.Preview.Colour != "" {
				s.t.Errorf("the preview stayed: %+v", s.host.route)
			}
		}},
		{"nobody came: it is aborted and held", func(s *scenario) {
			staged(s, manual(day, spec.TimeoutAbort))
			s.passes(24*time.Hour + time.Minute)
			s.holds(ReasonGateTimeout)
			s.serves(spec.Blue, "app:v1")
			s.has("blue-1 app:v1")
		}},
		{"nobody came: it is promoted, where on_timeout says so", func(s *scenario) {
			staged(s, manual(day, spec.TimeoutPromote))
			s.passes(24*time.Hour + time.Minute)
			s.serves(spec.Green, "app:v2")
		}},
		{"abort closes it for good", func(s *scenario) {
			staged(s, manual(day, spec.TimeoutAbort))
			s.does(VerbAbort)
			s.settles()
			s.holds(ReasonAborted)
			s.serves(spec.Blue, "app:v1")
			s.didNot("route green")
		}},
		{"after: it opens by itself at its time, and not before", func(s *scenario) {
			staged(s, promotion(spec.Promotion{Mode: spec.PromotionAfter, After: seconds(600)}))
			s.passes(9 * time.Minute)
			s.is(Staged)
			s.passes(time.Minute + time.Second)
			s.serves(spec.Green, "app:v2")
		}},
		{"promote opens an after-gate early", func(s *scenario) {
			staged(s, promotion(spec.Promotion{Mode: spec.PromotionAfter, After: seconds(600)}))
			s.does(VerbPromote)
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"a candidate that breaks at the gate is aborted", func(s *scenario) {
			staged(s, manual(day, spec.TimeoutAbort))
			s.breaks("app:v2")
			s.settles()
			s.holds(ReasonUnhealthy)
		}},
		{"a gate that opens right after a restart of Teal waits for the probes", func(s *scenario) {
			staged(s, manual(day, spec.TimeoutAbort))
			s.tealWasAway(time.Hour)
			s.does(VerbPromote)
			s.is(Staged)
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"a first deployment waits at its gate without a route", func(s *scenario) {
			s.wants("app:v1", manual(day, spec.TimeoutAbort))
			s.settles()
			s.is(Staged)
			s.didNot("route")
			s.does(VerbPromote)
			s.settles()
			s.serves(spec.Blue, "app:v1")
		}},
		{"settings are frozen: an edit of the gate applies to the next rollout", func(s *scenario) {
			staged(s, manual(day, spec.TimeoutAbort))
			s.edits(promotion(spec.Promotion{Mode: spec.PromotionAuto}))
			s.settles()
			s.is(Staged)
			s.wants("app:v3")
			s.settles()
			s.serves(spec.Green, "app:v3")
		}},
	})
}

func TestOneShotTest(t *testing.T) {
	run(t, []row{
		{"it runs against the staged colour, which can be looked at meanwhile, and passes", func(s *scenario) {
			s.runs("app:v1", tested(seconds(300)))
			s.wants("app:v2")
			s.settles()
			s.did("start green-1 app:v2", "route blue×1 preview green×1", "test green", "route green×1", "remove test")
			s.serves(spec.Green, "app:v2")
			s.told(ReasonTestPassed, "green")
		}},
		{"it fails: the candidate is removed and held, and never had traffic", func(s *scenario) {
			s.runs("app:v1", tested(seconds(300)))
			s.host.testExit = 3
			s.wants("app:v2")
			s.settles()
			s.did("test green", "evidence", "remove test", "remove green-1 app:v2")
			s.didNot("route green")
			s.holds(ReasonTestFailed)
			s.serves(spec.Blue, "app:v1")
		}},
		{"it does not end: its time is up", func(s *scenario) {
			s.runs("app:v1", tested(seconds(300)))
			s.host.testExit = -1
			s.wants("app:v2")
			s.passes(4 * time.Minute)
			s.is(Staged)
			s.passes(2 * time.Minute)
			s.holds(ReasonTestFailed)
			s.serves(spec.Blue, "app:v1")
			if s.host.test != nil {
				s.t.Errorf("the test container is left")
			}
		}},
		{"its time runs from its start, not while Teal was away before that", func(s *scenario) {
			s.runs("app:v1", tested(seconds(300)))
			s.wants("app:v2")
			s.until("the preview", func(bool) bool { return s.times("preview") > 0 })
			s.tealWasAway(time.Hour)
			s.settles()
			s.did("test green", "route green×1")
			s.serves(spec.Green, "app:v2")
		}},
		{"it cannot be started within its time: that is a failed test", func(s *scenario) {
			s.runs("app:v1", tested(seconds(300)))
			s.host.refuse(99, StepTest, "green", Failure{Class: Infra, Reason: ReasonEngineRefused, Message: "busy"})
			s.wants("app:v2")
			s.settles()
			s.holds(ReasonTestFailed)
			s.serves(spec.Blue, "app:v1")
		}},
		{"one of an earlier rollout is removed before the new one runs", func(s *scenario) {
			s.runs("app:v1", tested(seconds(300)))
			s.host.test = &box{Container: Container{ID: "test", Name: "test", Image: "test", Rollout: "r-0", State: Exited}}
			s.wants("app:v2")
			s.settles()
			s.did("remove test", "test green", "route green×1")
		}},
		{"it runs once: a passed test is not asked for again after a restart of Teal", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2", tested(seconds(300)), manual(day, spec.TimeoutAbort))
			s.until("the test", func(bool) bool { return s.record.Candidate != nil && s.record.Candidate.Test == TestPassed })
			s.settles()
			s.tealWasAway(time.Minute)
			s.settles()
			if n := s.times("test green"); n != 1 {
				s.t.Errorf("it ran %d times", n)
			}
		}},
	})
}
