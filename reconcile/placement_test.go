package reconcile_test

import (
	"strings"
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

func TestPlacement(t *testing.T) {
	run(t, []row{
		{"replicas go over the hosts in turn, and a rollout is one whole", func(s *scenario) {
			s.wants("app:v1", on("a", "b"), replicas(3))
			s.settles()
			s.did("start blue-1 app:v1 at a", "start blue-2 app:v1 at b", "start blue-3 app:v1 at a", "route blue×3")
			s.didNot("route blue×1", "route blue×2")
		}},
		{"a step says where: image, container, test, evidence", func(s *scenario) {
			s.runs("app:v1", on("a", "b"), replicas(3))
			s.host.testExit = 1
			s.wants("app:v2", tested(seconds(30)))
			located, seats := map[string]string{}, map[int]int{}
			s.before = func(int) {
				for _, step := range s.last.Steps {
					switch step.Kind {
					case StepPull, StepResolve:
						if strings.Join(step.Hosts, " ") != "a b" {
							s.t.Errorf("%s on %v", step, step.Hosts)
						}
					case StepEnsure:
						seats[step.Ensure.Replica] = step.Ensure.Seat
					case StepTest:
						if step.Host != "a" {
							s.t.Errorf("the test is on %q", step.Host)
						}
					case StepEvidence:
						located = step.Located
					case StepStop, StepRemove, StepRoute, StepUnroute:
					}
				}
			}
			s.settles()
			s.holds(ReasonTestFailed)
			if len(located) != 3 || seats[1] != 0 || seats[2] != 0 || seats[3] != 1 {
				s.t.Errorf("located %v, seats %v", located, seats)
			}
		}},
		{"one host fails: all go back", func(s *scenario) {
			s.runs("app:v1", on("a", "b"))
			s.host.refuse(99, StepEnsure, "app:v2 at b", Failure{Class: Permanent, Reason: ReasonEngineRefused, Message: "no space"})
			s.wants("app:v2")
			s.settles()
			s.holds(ReasonEngineRefused)
			s.has("blue-1 app:v1 at a", "blue-2 app:v1 at b")
			s.didNot("route")
		}},
		{"another host: the replica there is ready before the one that is left is drained and removed", func(s *scenario) {
			s.runs("app:v1", on("a", "b"))
			s.host.runs["app:v1"] = behaviour{start: 5 * time.Second}
			s.edits(on("a", "c"))
			s.settles()
			s.did("start blue-2 app:v1 at c", "route blue×2", "remove blue-2 app:v1 at b")
			s.didNot("green", "route blue×1")
			s.has("blue-1 app:v1 at a", "blue-2 app:v1 at c")
		}},
		{"the hosts change their order: every replica moves, and none is missed", func(s *scenario) {
			s.runs("app:v1", on("a", "b"))
			s.edits(on("b", "a"))
			s.settles()
			s.didNot("route blue×1", "green")
			s.has("blue-1 app:v1 at b", "blue-2 app:v1 at a")
		}},
		{"a port that one on its way out still has is freed first, one after the other", func(s *scenario) {
			s.runs("app:v1", on("a", "b"))
			taken := Failure{Class: Infra, Reason: ReasonPortTaken, Message: "port is already allocated"}
			s.host.refuse(99, StepEnsure, "blue-1 app:v1 at b", taken)
			s.host.refuse(99, StepEnsure, "blue-2 app:v1 at a", taken)
			s.edits(on("b", "a"))
			s.before = func(int) {
				for _, r := range s.host.refusals {
					old := map[string]string{"b": "blue-2 app:v1 at b", "a": "blue-1 app:v1 at a"}[r.about[len(r.about)-1:]]
					if !strings.Contains(strings.Join(s.running(), ","), old) {
						r.times = 0
					}
				}
			}
			s.settles()
			s.has("blue-1 app:v1 at b", "blue-2 app:v1 at a")
			s.serves(spec.Blue, "app:v1")
		}},
		{"hosts that change while a candidate is verified: it is made where it belongs", func(s *scenario) {
			s.runs("app:v1", on("a", "b"))
			s.host.runs["app:v2"] = behaviour{start: 10 * time.Second}
			s.wants("app:v2")
			s.passes(5 * time.Second)
			s.edits(on("a", "c"), standby(spec.Standby{}))
			s.settles()
			s.serves(spec.Green, "app:v2")
			s.did("start green-2 app:v2 at b", "remove green-2 app:v2 at b", "start green-2 app:v2 at c", "route green×2")
		}},
		{"hosts that change during the bake are no fault of the candidate", func(s *scenario) {
			s.runs("app:v1", on("a", "b"), standby(spec.Standby{}))
			s.wants("app:v2", bake(60), standby(spec.Standby{}))
			s.reaches(Confirming)
			s.edits(on("a", "c"))
			s.settles()
			s.serves(spec.Green, "app:v2")
			s.has("green-1 app:v2 at a", "green-2 app:v2 at c")
		}},
	})
}

// TestSeats: a replica whose host now has others before it takes another port.
func TestSeats(t *testing.T) {
	s := newApp(t)
	publish := func(v *spec.Service) {
		v.Container.Publish = &spec.Publish{Blue: spec.PortRange{From: 8000, To: 8009}, Green: spec.PortRange{From: 8010, To: 8019}}
	}
	s.runs("app:v1", on("a", "b"), publish)
	for _, b := range s.host.boxes {
		b.Address = "10.0.0." + b.Host + ":8000"
	}
	s.host.route.Backends[0].Targets = []string{"10.0.0.a:8000", "10.0.0.b:8000"}
	s.host.settleRoute(s.now)
	s.host.refuse(99, StepEnsure, "blue-1 app:v1 at b", Failure{Class: Infra, Reason: ReasonPortTaken, Message: "port is already allocated"})
	s.before = func(int) {
		if !strings.Contains(strings.Join(s.running(), ","), "blue-2 app:v1 at b") {
			s.host.refusals[0].times = 0
		}
	}
	s.edits(on("b"), replicas(2))
	s.settles()
	s.did("route blue×1", "remove blue-2 app:v1 at b", "start blue-1 app:v1 at b", "start blue-2 app:v1 at b")
	s.has("blue-1 app:v1 at b", "blue-2 app:v1 at b")
	s.serves(spec.Blue, "app:v1")
}

// on places an app with one replica on each of these hosts.
func on(hosts ...string) edit {
	return func(v *spec.Service) { v.Hosts, v.Replicas = hosts, len(hosts) }
}
