package reconcile_test

import (
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

// TestStoppedFromOutside: an engine that goes away stops what runs, and so may
// somebody. That is no verdict on the version.
func TestStoppedFromOutside(t *testing.T) {
	run(t, []row{
		{"a candidate that was stopped while it was verified is started again", func(s *scenario) {
			s.runs("app:v1")
			s.host.runs["app:v2"] = behaviour{start: 10 * time.Second}
			s.wants("app:v2")
			s.reaches(Verifying)
			s.stops("app:v2")
			s.settles()
			s.told(ReasonExited, "stopped from outside")
			s.serves(spec.Green, "app:v2")
			s.holdsNothing()
		}},
		{"a candidate that was stopped at its gate is verified anew and waits on", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2", manual(spec.TimeoutAbort))
			s.reaches(Staged)
			s.stops("app:v2")
			s.passes(10 * time.Second)
			s.is(Staged)
			s.holdsNothing()
			s.serves(spec.Blue, "app:v1")
			if n := s.times("start green-1"); n != 2 {
				s.t.Errorf("started %d times, wanted 2", n)
			}
		}},
		{"one that is stopped again and again is held", func(s *scenario) {
			s.runs("app:v1")
			s.host.runs["app:v2"] = behaviour{ends: true, code: 137, start: time.Second}
			s.wants("app:v2")
			s.settles()
			s.holds(ReasonExited)
			s.serves(spec.Blue, "app:v1")
			if n := s.times("start green-1"); n != 4 {
				s.t.Errorf("started %d times, wanted 4", n)
			}
		}},
		{"one that is stopped after the switch goes back to what is hot", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2", bake(60))
			s.reaches(Confirming)
			s.stops("app:v2")
			s.settles()
			s.holds(ReasonExited)
			s.serves(spec.Blue, "app:v1")
		}},
	})
}
