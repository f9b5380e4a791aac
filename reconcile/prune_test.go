package reconcile_test

import (
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

func TestPrune(t *testing.T) {
	run(t, []row{
		{"the route goes first, then open requests end, then the containers, then the record", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			s.inFlight("app:v2", 1, 0)
			s.desired.Pruned = true
			s.passes(10 * time.Second)
			s.did("unroute", "remove blue-1 app:v1")
			s.didNot("remove green-1 app:v2")
			s.inFlight("app:v2", 0, 0)
			s.passes(time.Minute)
			s.did("unroute", "remove blue-1 app:v1", "remove green-1 app:v2")
			s.has()
			if !s.gone {
				s.t.Errorf("it is not gone")
			}
		}},
		{"it ends a rollout under way", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2", tested(seconds(300)))
			s.host.testExit = -1
			s.until("the test", func(bool) bool { return s.host.test != nil })
			s.desired.Pruned = true
			s.passes(2 * time.Minute)
			s.has()
			if !s.gone || s.host.test != nil {
				s.t.Errorf("gone: %v, test: %v", s.gone, s.host.test)
			}
		}},
		{"nothing is removed while the proxy does not answer", func(s *scenario) {
			s.runs("app:v1")
			s.desired.Pruned = true
			s.host.down = true
			s.passes(time.Hour)
			s.didNothing()
		}},
		{"commands are refused", func(s *scenario) {
			s.runs("app:v1")
			s.desired.Pruned = true
			s.refuses(VerbUndo, "being removed")
		}},
		{"an orphan is kept and repaired", func(s *scenario) {
			s.runs("app:v1")
			s.desired.Orphaned = true
			s.removes("app:v1")
			s.settles()
			s.serves(spec.Blue, "app:v1")
			if c := s.status().Synced; c.Reason != ReasonOrphaned {
				s.t.Errorf("synced: %+v", c)
			}
		}},
	})
}
