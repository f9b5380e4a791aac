package reconcile_test

import (
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

func TestStandby(t *testing.T) {
	update := func(s *scenario, st spec.Standby) {
		s.runs("app:v1", standby(st))
		s.wants("app:v2")
		s.settles()
	}
	run(t, []row{
		{"0s: the old one is removed after the switch was read back", func(s *scenario) {
			update(s, spec.Standby{})
			s.did("route green×1", "remove blue-1 app:v1")
			s.has("green-1 app:v2")
		}},
		{"10m: it lives until its time is over", func(s *scenario) {
			update(s, spec.Standby{For: seconds(600)})
			s.passes(9 * time.Minute)
			s.has("blue-1 app:v1", "green-1 app:v2")
			s.passes(2 * time.Minute)
			s.has("green-1 app:v2")
		}},
		{"forever: it lives until the next rollout", func(s *scenario) {
			update(s, spec.Standby{Forever: true})
			s.passes(1000 * time.Hour)
			s.has("blue-1 app:v1", "green-1 app:v2")
			s.wants("app:v3")
			s.settles()
			s.has("blue-1 app:v3", "green-1 app:v2")
		}},
		{"it does not expire while stable is not healthy", func(s *scenario) {
			update(s, spec.Standby{For: seconds(600)})
			s.breaks("app:v2")
			s.passes(time.Hour)
			s.has("blue-1 app:v1", "green-1 app:v2")
			s.heals("app:v2")
			s.passes(time.Minute)
			s.has("green-1 app:v2")
		}},
		{"it does not expire before stable was seen healthy after a restart of Teal", func(s *scenario) {
			update(s, spec.Standby{For: seconds(600)})
			s.tealWasAway(time.Hour)
			s.pass()
			s.didNot("remove")
			s.passes(time.Minute)
			s.has("green-1 app:v2")
		}},
		{"one that was removed by hand is forgotten", func(s *scenario) {
			update(s, spec.Standby{For: seconds(600)})
			s.removes("app:v1")
			s.settles()
			s.told(ReasonStandbyEnded, "gone")
			s.has("green-1 app:v2")
			s.refuses(VerbUndo+"x", "unknown command")
		}},
		{"a candidate that fails before it is pulled does not cost the standby", func(s *scenario) {
			update(s, spec.Standby{Forever: true})
			s.host.refuse(1, StepPull, "app:v3", Failure{Class: Permanent, Reason: ReasonImageNotFound, Message: "no such tag"})
			s.wants("app:v3")
			s.settles()
			s.holds(ReasonImageNotFound)
			s.has("blue-1 app:v1", "green-1 app:v2")
		}},
	})
}
