package reconcile_test

import (
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

func TestDrain(t *testing.T) {
	// busy updates an app whose old containers go right after the switch, with
	// requests open on them.
	busy := func(s *scenario, plain, upgraded int) {
		s.t.Helper()
		s.runs("app:v1", standby(spec.Standby{}))
		s.inFlight("app:v1", plain, upgraded)
		s.wants("app:v2")
		s.until("the switch", func(bool) bool { return s.times("route green") > 0 })
	}
	gone := func(s *scenario) bool { return len(s.host.all("app:v1")) == 0 }
	run(t, []row{
		{"containers without open requests are removed at once", func(s *scenario) {
			busy(s, 0, 0)
			s.passes(time.Second)
			s.has("green-1 app:v2")
		}},
		{"requests in flight are waited for", func(s *scenario) {
			busy(s, 3, 0)
			s.passes(20 * time.Second)
			s.has("blue-1 app:v1", "green-1 app:v2")
			s.inFlight("app:v1", 0, 0)
			s.passes(time.Second)
			s.has("green-1 app:v2")
		}},
		{"requests that hang are waited for no longer than their limit", func(s *scenario) {
			busy(s, 3, 0)
			start := s.now
			s.until("the removal", func(bool) bool { return gone(s) })
			if took := s.now.Sub(start); took < 30*time.Second || took > 32*time.Second {
				s.t.Errorf("removed after %s, wanted 30 s", took)
			}
		}},
		{"a drain is looked at less and less often, and exactly at its limit", func(s *scenario) {
			busy(s, 3, 0)
			s.passes(10 * time.Second)
			before := s.passed
			s.passes(10 * time.Second)
			if n := s.passed - before; n < 5 || n > 25 {
				s.t.Errorf("%d looks from the 10th to the 20th second", n)
			}
			s.passes(9 * time.Second)
			s.until("the limit", func(bool) bool { return gone(s) })
			if since := s.record.Drain; since != nil && s.now.Sub(since.Since) > 31*time.Second {
				s.t.Errorf("removed %s after the drain began", s.now.Sub(since.Since))
			}
		}},
		{"upgraded connections have a limit of their own", func(s *scenario) {
			busy(s, 3, 2)
			start := s.now
			s.until("the removal", func(bool) bool { return gone(s) })
			if took := s.now.Sub(start); took < 60*time.Second || took > 64*time.Second {
				s.t.Errorf("removed after %s, wanted 60 s and the proxy's margin", took)
			}
		}},
		{"a version that comes back is given its full time when it goes again", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2", manual(spec.TimeoutAbort))
			s.settles()
			s.inFlight("app:v2", 0, 1) // somebody looks at the preview
			s.wants("app:v3")
			s.passes(5 * time.Second)
			s.is(Superseding)
			s.inFlight("app:v2", 0, 0)
			s.until("the removal", func(bool) bool { return len(s.host.all("app:v2")) == 0 })
			s.wants("app:v2")
			s.settles()
			s.is(Staged)
			s.passes(time.Hour)
			s.inFlight("app:v2", 1, 0)
			s.does(VerbAbort)
			s.passes(10 * time.Second)
			s.has("blue-1 app:v1", "green-1 app:v2")
			s.settles()
			s.has("blue-1 app:v1")
		}},
		{"what is drained when its version comes back does not stand in the way of others later", func(s *scenario) {
			busy(s, 3, 0)
			s.passes(5 * time.Second)
			s.inFlight("app:v2", 1, 0)
			s.does(VerbUndo) // takes the draining containers back
			s.until("the way back", func(bool) bool { return s.record.Stable.Colour == spec.Blue })
			start := s.now
			s.until("the removal", func(bool) bool { return len(s.host.all("app:v2")) == 0 })
			if took := s.now.Sub(start); took < 29*time.Second || took > 33*time.Second {
				s.t.Errorf("removed after %s, wanted 30 s", took)
			}
		}},
		{"a proxy that went back to it for a moment starts its time anew", func(s *scenario) {
			busy(s, 3, 0)
			s.passes(20 * time.Second)
			s.host.route = s.host.older
			s.host.settleRoute(s.now)
			s.passes(20 * time.Second)
			s.serves(spec.Green, "app:v2")
			s.has("blue-1 app:v1", "green-1 app:v2")
			s.passes(15 * time.Second)
			s.has("green-1 app:v2")
		}},
		{"a drain goes on over a restart of Teal", func(s *scenario) {
			busy(s, 3, 0)
			s.passes(20 * time.Second)
			s.tealWasAway(11 * time.Second)
			s.passes(2 * time.Second)
			s.has("green-1 app:v2")
		}},
	})
}
