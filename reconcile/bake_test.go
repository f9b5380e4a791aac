package reconcile_test

import (
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

func TestBake(t *testing.T) {
	baking := func(s *scenario) {
		s.t.Helper()
		s.runs("app:v1")
		s.wants("app:v2", bake(60))
		s.reaches(Confirming)
		s.forget()
	}
	counts := func(s *scenario, requests, failures int64) {
		s.host.count("app:v2", func(x *Traffic) { x.Requests, x.Failures = x.Requests+requests, x.Failures+failures })
	}
	back := func(s *scenario, r Reason) {
		s.t.Helper()
		s.settles()
		s.did("route blue×1", "evidence", "remove green-1 app:v2")
		s.serves(spec.Blue, "app:v1")
		s.holds(r)
		s.ended("app:v2", RolledBack)
	}
	run(t, []row{
		{"it passes: the candidate is stable only at its end, and the old one stays hot", func(s *scenario) {
			baking(s)
			s.routedTo(spec.Green, "app:v2")
			s.passes(55 * time.Second)
			s.is(Confirming)
			counts(s, 1000, 10)
			s.settles()
			s.serves(spec.Green, "app:v2")
			s.has("blue-1 app:v1", "green-1 app:v2")
		}},
		{"it ended while Teal was away: nothing is promoted before it was probed", func(s *scenario) {
			baking(s)
			s.breaks("app:v2")
			s.tealWasAway(time.Hour)
			back(s, ReasonUnhealthy)
		}},
		{"too many requests fail: back, and held", func(s *scenario) {
			baking(s)
			counts(s, 100, 6)
			back(s, ReasonBakeFailed)
		}},
		{"a failure among few requests is chance", func(s *scenario) {
			baking(s)
			counts(s, 19, 19)
			s.passes(10 * time.Second)
			s.is(Confirming)
		}},
		{"requests that failed before the switch do not count", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2", bake(60), manual(spec.TimeoutAbort))
			s.settles()
			counts(s, 100, 100) // on the preview
			s.does(VerbPromote)
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"it ends: back, and held", func(s *scenario) {
			baking(s)
			s.stops("app:v2")
			back(s, ReasonExited)
		}},
		{"it restarts once: back, and held", func(s *scenario) {
			baking(s)
			s.host.all("app:v2")[0].Restarts = 1
			back(s, ReasonCrashLoop)
		}},
		{"its probes fail: back, and held", func(s *scenario) {
			baking(s)
			s.breaks("app:v2")
			back(s, ReasonUnhealthy)
		}},
		{"it is removed by hand: back, and held", func(s *scenario) {
			baking(s)
			s.removes("app:v2")
			s.settles()
			s.serves(spec.Blue, "app:v1")
			s.holds(ReasonUnhealthy)
		}},
		{"an operator aborts it: back, and held", func(s *scenario) {
			baking(s)
			s.does(VerbAbort)
			back(s, ReasonAborted)
		}},
		{"it fails with requests open: those have their drain time", func(s *scenario) {
			baking(s)
			s.inFlight("app:v2", 2, 0)
			counts(s, 100, 50)
			s.passes(20 * time.Second)
			s.did("route blue×1")
			s.didNot("remove")
			s.settles()
			s.has("blue-1 app:v1")
		}},
		{"it fails and stable is broken: the candidate stays, degraded, since nothing else can serve", func(s *scenario) {
			baking(s)
			s.breaks("app:v1")
			counts(s, 100, 50)
			s.settles()
			s.routedTo(spec.Green, "app:v2")
			s.told(ReasonDegraded, "could not take the traffic back")
			s.ended("app:v2", Adopted)
		}},
		{"a first deployment that fails its bake goes on serving: there is nothing to go back to", func(s *scenario) {
			s.wants("app:v1", bake(60))
			s.reaches(Confirming)
			s.does(VerbAbort)
			s.settles()
			s.routedTo(spec.Blue, "app:v1")
			s.holds(ReasonAborted)
			s.didNot("remove")
			s.ended("app:v1", Adopted)
			s.told(ReasonDegraded, "nothing to go back to")
		}},
		{"such a one is still known in full, even when the next version is wanted by then", func(s *scenario) {
			s.wants("app:v1", bake(60))
			s.reaches(Confirming)
			s.does(VerbAbort)
			s.is(Aborting)
			s.wants("app:v2", active(spec.ActiveBlue))
			s.settles()
			s.is(Staged)
			s.removes("app:v1")
			s.settles()
			s.serves(spec.Blue, "app:v1")
		}},
	})
}
