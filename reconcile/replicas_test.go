package reconcile_test

import (
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

func TestReplicas(t *testing.T) {
	run(t, []row{
		{"two replicas are started by one decision and both get traffic", func(s *scenario) {
			s.wants("app:v1", replicas(2))
			s.until("the start", func(bool) bool { return s.times("start") > 0 })
			if n := s.times("start"); n != 2 {
				s.t.Errorf("%d started together, wanted 2", n)
			}
			s.settles()
			s.did("start blue-1 app:v1", "start blue-2 app:v1", "route blue×2")
			s.didNot("route blue×1")
		}},
		{"one that is not ready keeps the other from being switched to", func(s *scenario) {
			s.runs("app:v1", replicas(2))
			s.wants("app:v2")
			s.reaches(Verifying)
			s.host.all("app:v2")[1].breaks(s.now)
			s.settles()
			s.didNot("route green")
			s.holds(ReasonUnhealthy)
			s.serves(spec.Blue, "app:v1")
			s.has("blue-1 app:v1", "blue-2 app:v1")
		}},
		{"scaling up starts replicas in place, without a rollout, and routes them once ready", func(s *scenario) {
			s.runs("app:v1")
			s.host.runs["app:v1"] = behaviour{start: 5 * time.Second}
			s.edits(replicas(3))
			s.settles()
			s.did("start blue-2 app:v1", "start blue-3 app:v1", "route blue×3")
			s.didNot("pull", "green", "remove", "route blue×1")
			s.serves(spec.Blue, "app:v1")
			if s.record.Rollouts != 1 {
				s.t.Errorf("%d rollouts, wanted the first only", s.record.Rollouts)
			}
		}},
		{"scaling down takes a replica out of the route, gives it its drain time, and then removes it", func(s *scenario) {
			s.runs("app:v1", replicas(2))
			s.edits(replicas(1))
			s.passes(5 * time.Second)
			s.did("route blue×1")
			s.didNot("remove")
			s.settles()
			s.did("route blue×1", "remove blue-2 app:v1")
			s.didNot("start", "green")
			s.has("blue-1 app:v1")
		}},
		{"scaling down twice gives each replica its drain time", func(s *scenario) {
			s.runs("app:v1", replicas(3))
			s.edits(replicas(2))
			s.passes(20 * time.Second)
			s.edits(replicas(1))
			s.passes(20 * time.Second)
			s.did("route blue×2", "route blue×1")
			s.didNot("remove blue-2")
			s.settles()
			s.has("blue-1 app:v1")
		}},
		{"an update right after scaling down gives the old colour its whole drain time", func(s *scenario) {
			s.runs("app:v1", replicas(2), standby(spec.Standby{}))
			s.edits(replicas(1))
			s.passes(20 * time.Second)
			s.inFlight("app:v1", 3, 0)
			s.wants("app:v2")
			s.passes(25 * time.Second)
			s.did("route green×1")
			s.didNot("remove blue-1")
			s.settles()
			s.has("green-1 app:v2")
		}},
		{"scaling down takes the standby's extra replicas, too", func(s *scenario) {
			s.runs("app:v1", replicas(2))
			s.runs("app:v2")
			s.edits(replicas(1))
			s.settles()
			s.has("blue-1 app:v1", "green-1 app:v2")
		}},
		{"scaling up while a candidate is verified starts what it lacks", func(s *scenario) {
			s.runs("app:v1")
			s.host.runs["app:v2"] = behaviour{start: 10 * time.Second}
			s.wants("app:v2")
			s.passes(5 * time.Second)
			s.edits(replicas(2))
			s.settles()
			s.did("start green-1 app:v2", "start green-2 app:v2", "route green×2")
			s.didNot("route green×1")
		}},
		{"scaling down while a candidate is verified promotes the wanted number", func(s *scenario) {
			s.runs("app:v1", replicas(2))
			s.host.runs["app:v2"] = behaviour{start: 10 * time.Second}
			s.wants("app:v2")
			s.passes(5 * time.Second)
			s.edits(replicas(1))
			s.settles()
			s.serves(spec.Green, "app:v2")
			s.has("blue-1 app:v1", "green-1 app:v2")
		}},
		{"scaling up during the bake is not a fault of the candidate", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2", bake(60))
			s.reaches(Confirming)
			s.edits(replicas(2))
			s.settles()
			s.serves(spec.Green, "app:v2")
			s.has("blue-1 app:v1", "green-1 app:v2", "green-2 app:v2")
		}},
		{"scaling up while the image cannot be resolved is not a fault of a staged candidate", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2", manual(spec.TimeoutAbort))
			s.settles()
			s.host.refuse(3, StepResolve, "app:v2", Failure{Class: Infra, Reason: ReasonRegistryUnavailable})
			s.edits(replicas(2))
			s.settles()
			s.is(Staged)
			s.has("blue-1 app:v1", "blue-2 app:v1", "green-1 app:v2", "green-2 app:v2")
		}},
		{"a broken replica leaves the route and comes back to it", func(s *scenario) {
			s.runs("app:v1", replicas(2))
			s.host.all("app:v1")[1].breaks(s.now)
			s.passes(10 * time.Second)
			s.did("route blue×1")
			s.didNot("remove")
			s.heals("app:v1")
			s.passes(10 * time.Second)
			s.did("route blue×1", "route blue×2")
		}},
		{"the last ready replica stays in the route even when it breaks", func(s *scenario) {
			s.runs("app:v1")
			s.breaks("app:v1")
			s.passes(time.Minute)
			s.didNothing()
			s.routedTo(spec.Blue, "app:v1")
		}},
	})
}
