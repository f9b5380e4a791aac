package reconcile_test

import (
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

// clockIsSet sets the wall clock: the world goes on as it was, and only what it
// is called changes.
func (s *scenario) clockIsSet(by time.Duration) {
	s.now = s.now.Add(by)
	move := func(at *time.Time) {
		if !at.IsZero() {
			*at = at.Add(by)
		}
	}
	for _, b := range s.host.boxes {
		for _, at := range []*time.Time{&b.begun, &b.good, &b.bad, &b.probed, &b.unlisted, &b.Probe.Since} {
			move(at)
		}
	}
}

// seen is a clock that was set while the controller ran: it knows by how much.
func (s *scenario) clockIsSeenSet(by time.Duration) {
	s.clockIsSet(by)
	s.record = stored(Shift(s.record, by))
}

const hour = time.Hour

func TestClockSet(t *testing.T) {
	window := standby(spec.Standby{For: seconds(600)})
	sick := func(s *scenario) {
		s.runs("app:v1")
		s.host.runs["app:v2"] = behaviour{start: hour * 24}
		s.wants("app:v2")
		s.reaches(Verifying)
	}
	run(t, []row{
		{"back while Teal was away: a standby goes at most its whole window later", func(s *scenario) {
			s.runs("app:v1", window)
			s.runs("app:v2")
			s.clockIsSet(-hour)
			s.passes(595 * time.Second)
			s.has("blue-1 app:v1", "green-1 app:v2")
			s.passes(10 * time.Second)
			s.has("green-1 app:v2")
			s.told(ReasonClockSet, "set back")
		}},
		{"forward while Teal runs: a standby keeps its whole window", func(s *scenario) {
			s.runs("app:v1", window)
			s.runs("app:v2")
			s.clockIsSeenSet(hour)
			s.passes(590 * time.Second)
			s.has("blue-1 app:v1", "green-1 app:v2")
			s.passes(15 * time.Second)
			s.has("green-1 app:v2")
		}},
		{"forward while Teal runs: a candidate keeps its time to become healthy", func(s *scenario) {
			sick(s)
			s.clockIsSeenSet(hour)
			s.passes(50 * time.Second)
			s.is(Verifying)
			s.passes(15 * time.Second)
			s.holds(ReasonUnhealthy)
		}},
		{"back while Teal was away: a candidate is given up after its time, not an hour later", func(s *scenario) {
			sick(s)
			s.clockIsSet(-hour)
			s.passes(70 * time.Second)
			s.holds(ReasonUnhealthy)
		}},
		{"back while Teal was away: a back-off does not last an hour", func(s *scenario) {
			s.runs("app:v1")
			s.host.refuse(1, StepPull, "", Failure{Class: Infra, Reason: ReasonRegistryUnavailable, Message: "503"})
			s.wants("app:v2")
			s.reaches(Preparing)
			s.passes(time.Second)
			s.clockIsSet(-hour)
			s.passes(15 * time.Second)
			s.serves(spec.Green, "app:v2")
		}},
		{"back while the route drifts: the limit of that holds from now on", func(s *scenario) {
			s.runs("app:v1", window)
			s.runs("app:v2")
			s.host.route = s.host.older
			s.breaks("app:v2")
			s.passes(2 * time.Second)
			s.clockIsSet(-hour)
			s.passes(40 * time.Second)
			s.told(ReasonDegraded, "could not serve any more")
		}},
		{"back by less than a second is no matter", func(s *scenario) {
			s.runs("app:v1", window)
			s.runs("app:v2")
			s.clockIsSet(-900 * time.Millisecond)
			s.pass()
			s.didNothing()
		}},
		{"a settled app notices once, and does nothing", func(s *scenario) {
			s.runs("app:v1")
			s.clockIsSet(-hour)
			s.pass()
			s.forget()
			s.pass()
			s.didNothing()
		}},
	})
}
