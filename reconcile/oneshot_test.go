package reconcile_test

import (
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

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
			s.wants("app:v2", tested(seconds(300)), manual(spec.TimeoutAbort))
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
