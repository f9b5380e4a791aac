package reconcile_test

import (
	"strings"
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

func TestVerification(t *testing.T) {
	fails := func(b behaviour, r Reason) func(*scenario) {
		return func(s *scenario) {
			s.runs("app:v1")
			s.host.runs["app:v2"] = b
			s.wants("app:v2")
			s.settles()
			s.did("start green-1 app:v2", "evidence", "remove green-1 app:v2")
			s.didNot("route", "blue")
			s.serves(spec.Blue, "app:v1")
			s.holds(r)
			s.ended("app:v2", Failed)
			s.passes(24 * time.Hour)
			if n := s.times("start"); n != 1 {
				s.t.Errorf("started %d times: a held revision is not tried again by time", n)
			}
		}
	}
	run(t, []row{
		{"one that never answers is held as unhealthy", fails(behaviour{sick: true}, ReasonUnhealthy)},
		{"one that is slower than its deadline is held as unhealthy", fails(behaviour{start: 2 * time.Minute}, ReasonUnhealthy)},
		{"one that ends and is not to be started again is held as exited", func(s *scenario) {
			s.edits(func(v *spec.Service) { v.Container.Restart = "no" })
			fails(behaviour{ends: true, code: 1, start: time.Second}, ReasonExited)(s)
		}},
		{"one that restarts again and again is held as a crash loop", fails(behaviour{loops: true, code: 2}, ReasonCrashLoop)},
		{"what it ended with is not told of one that runs again: the engine has forgotten it", func(s *scenario) {
			fails(behaviour{loops: true, again: true, sick: true, code: 2}, ReasonCrashLoop)(s)
			if words := s.record.Hold.Message; strings.Contains(words, "exit code") {
				s.t.Errorf("held with %q", words)
			}
		}},
		{"it must be healthy for min_healthy without a break", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2", func(v *spec.Service) { v.Rollout.Health.MinHealthy = seconds(20) })
			s.reaches(Verifying)
			s.passes(15 * time.Second)
			s.is(Verifying)
			s.breaks("app:v2")
			s.passes(2 * time.Second)
			s.heals("app:v2")
			s.passes(15 * time.Second)
			s.is(Verifying)
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"min_healthy is looked at when it is over, not two seconds later", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2", func(v *spec.Service) { v.Rollout.Health.MinHealthy = spec.Duration(2500 * time.Millisecond) })
			s.reaches(Verifying)
			start := s.now
			s.settles()
			if took := s.record.Stable.Since.Sub(start); took > 2800*time.Millisecond {
				s.t.Errorf("stable after %s", took)
			}
		}},
		{"a candidate removed by hand is made again", func(s *scenario) {
			s.runs("app:v1")
			s.host.runs["app:v2"] = behaviour{start: 10 * time.Second}
			s.wants("app:v2")
			s.passes(5 * time.Second)
			s.removes("app:v2")
			s.settles()
			s.serves(spec.Green, "app:v2")
			if n := s.times("start green-1"); n != 2 {
				s.t.Errorf("started %d times, wanted 2", n)
			}
		}},
		{"a deadline that passed while Teal was away does not abort a healthy candidate", func(s *scenario) {
			s.runs("app:v1")
			s.host.runs["app:v2"] = behaviour{start: 10 * time.Second}
			s.wants("app:v2")
			s.passes(5 * time.Second)
			s.tealWasAway(time.Hour)
			s.settles()
			s.serves(spec.Green, "app:v2")
			s.holdsNothing()
		}},
		{"a deadline that passed while Teal was away aborts a sick one, after it was probed", func(s *scenario) {
			s.runs("app:v1")
			s.host.runs["app:v2"] = behaviour{sick: true}
			s.wants("app:v2")
			s.passes(5 * time.Second)
			s.tealWasAway(time.Hour)
			s.pass()
			s.is(Verifying)
			s.settles()
			s.holds(ReasonUnhealthy)
		}},
		{"a deadline that passed while the proxy was away is not a reason to look without a pause", func(s *scenario) {
			s.runs("app:v1")
			s.host.runs["app:v2"] = behaviour{start: 10 * time.Second}
			s.wants("app:v2")
			s.passes(5 * time.Second)
			s.host.down = true
			s.passes(2 * time.Minute)
			s.host.down = false
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
	})
}
