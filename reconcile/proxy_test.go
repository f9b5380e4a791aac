package reconcile_test

import (
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

func TestProxy(t *testing.T) {
	run(t, []row{
		{"it does not answer: nothing is created, removed or switched", func(s *scenario) {
			s.runs("app:v1")
			s.host.down = true
			s.removes("app:v1")
			s.wants("app:v2")
			s.passes(time.Hour)
			s.didNothing()
			s.host.down = false
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"it comes back with an empty table: stable is routed again", func(s *scenario) {
			s.runs("app:v1")
			s.host.route = nil
			s.settles()
			s.did("route blue×1")
			s.serves(spec.Blue, "app:v1")
		}},
		{"it comes back with the table from before the last switch: stable is routed again", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			s.host.route = s.host.older
			s.settles()
			s.did("route green×1")
			s.didNot("remove", "start")
			s.serves(spec.Green, "app:v2")
		}},
		{"it loses the switch in the bake: it is switched again, not promoted on trust", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2", bake(60))
			s.reaches(Confirming)
			s.host.route = s.host.older
			s.pass()
			s.is(Switching)
			s.told(ReasonRouteDrift, "lost the switch")
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"it says done and has not done it: nothing is promoted before it was read back", func(s *scenario) {
			s.runs("app:v1")
			s.host.deaf = 5
			s.wants("app:v2")
			s.reaches(Switching)
			s.pass()
			s.routedTo(spec.Blue, "app:v1")
			if s.record.Stable.Revision.Image.Ref != "app:v1" {
				s.t.Errorf("stable is %s", s.record.Stable.Revision.Image.Ref)
			}
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"it never does it: the switch is given up", func(s *scenario) {
			s.runs("app:v1")
			s.host.deaf = 9999
			s.wants("app:v2")
			s.reaches(Switching)
			s.now = s.now.Add(2 * time.Minute)
			s.settles()
			s.holds(ReasonSwitchFailed)
			s.serves(spec.Blue, "app:v1")
			s.has("blue-1 app:v1")
		}},
		{"it serves an empty colour: that route is taken away, and stable made again", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			s.host.route = s.host.older
			s.removes("app:v1")
			s.removes("app:v2")
			s.settles()
			s.did("unroute", "start green-1 app:v2", "route green×1")
			s.serves(spec.Green, "app:v2")
		}},
		{"it serves the standby while stable cannot come back: what serves becomes stable, degraded", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			s.host.route = s.host.older
			s.breaks("app:v2")
			s.passes(20 * time.Second)
			s.told(ReasonRouteDrift, "cannot serve yet")
			s.passes(time.Minute)
			s.routedTo(spec.Blue, "app:v1")
			s.told(ReasonDegraded, "could not serve")
		}},
		{"it serves the standby and stable comes back in time: stable is routed", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			s.host.route = s.host.older
			s.breaks("app:v2")
			s.passes(10 * time.Second)
			s.heals("app:v2")
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"no rollout begins while it serves something other than stable", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			s.host.route = s.host.older
			s.breaks("app:v2")
			s.wants("app:v3")
			s.passes(10 * time.Second)
			s.didNot("app:v3")
		}},
	})
}
