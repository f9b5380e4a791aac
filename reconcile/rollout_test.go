package reconcile_test

import (
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

func TestFirstDeployment(t *testing.T) {
	run(t, []row{
		{"it is resolved, pulled, started, verified and only then routed", func(s *scenario) {
			s.wants("app:v1")
			s.settles()
			s.did("resolve app:v1", "pull app:v1", "start blue-1 app:v1", "route blue×1")
			s.serves(spec.Blue, "app:v1")
			s.is(Idle)
			s.ended("app:v1", Succeeded)
			s.didNot("remove", "unroute", "evidence")
		}},
		{"it gets no route before it is ready", func(s *scenario) {
			s.host.runs["app:v1"] = behaviour{start: 20 * time.Second}
			s.wants("app:v1")
			s.passes(19 * time.Second)
			s.is(Verifying)
			s.didNot("route")
			s.settles()
			s.serves(spec.Blue, "app:v1")
		}},
		{"active chooses its colour", func(s *scenario) {
			s.runs("app:v1", active(spec.ActiveGreen))
			s.serves(spec.Green, "app:v1")
		}},
		{"one that never answers is removed and held, with evidence", func(s *scenario) {
			s.host.runs["app:v1"] = behaviour{sick: true}
			s.wants("app:v1")
			s.settles()
			s.did("start blue-1 app:v1", "evidence", "remove blue-1 app:v1")
			s.didNot("route")
			s.holds(ReasonUnhealthy)
			s.has()
			s.ended("app:v1", Failed)
			if e := s.record.Hold.Evidence; e == nil || len(e.Containers) != 1 || e.Containers[0].LastProbe != "GET / → 503" {
				s.t.Errorf("evidence: %+v", e)
			}
		}},
		{"the fix of one that failed is deployed", func(s *scenario) {
			s.host.runs["app:v1"] = behaviour{sick: true}
			s.wants("app:v1")
			s.settles()
			s.wants("app:v2")
			s.settles()
			s.serves(spec.Blue, "app:v2")
			s.holdsNothing()
		}},
	})
}

func TestUpdate(t *testing.T) {
	run(t, []row{
		{"the new version is built beside the old one, gets the traffic in one step, and the old one stays as standby", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2")
			s.settles()
			s.did("resolve app:v2", "pull app:v2", "start green-1 app:v2", "route green×1")
			s.didNot("remove", "unroute", "route blue")
			s.serves(spec.Green, "app:v2")
			s.has("blue-1 app:v1", "green-1 app:v2")
			if sb := s.record.Standby; sb == nil || sb.Colour != spec.Blue || sb.Revision.Image.Ref != "app:v1" {
				s.t.Errorf("standby: %+v", sb)
			}
		}},
		{"the old version serves until the new one is ready", func(s *scenario) {
			s.runs("app:v1")
			s.host.runs["app:v2"] = behaviour{start: 30 * time.Second}
			s.wants("app:v2")
			s.passes(29 * time.Second)
			s.serves(spec.Blue, "app:v1")
			s.is(Verifying)
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"the third version takes the standby's colour, once it is pulled", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			s.wants("app:v3")
			s.settles()
			s.did("pull app:v3", "remove blue-1 app:v1", "start blue-1 app:v3", "route blue×1")
			s.serves(spec.Blue, "app:v3")
			s.has("blue-1 app:v3", "green-1 app:v2")
		}},
		{"the very containers that were verified are promoted", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2")
			s.settles()
			if n := s.times("start green-1"); n != 1 {
				s.t.Errorf("started %d times", n)
			}
			if b := s.host.all("app:v2"); len(b) != 1 || s.record.Stable.Rollout != b[0].Rollout {
				s.t.Errorf("stable is of rollout %s, containers: %+v", s.record.Stable.Rollout, b)
			}
		}},
		{"the same image in a new generation is no rollout", func(s *scenario) {
			s.runs("app:v1")
			s.edits()
			s.settles()
			s.didNot("start", "pull", "route", "remove")
			if s.record.Generation != 2 {
				s.t.Errorf("observed generation %d, wanted 2", s.record.Generation)
			}
		}},
		{"another environment is another revision", func(s *scenario) {
			s.runs("app:v1")
			s.edits(func(v *spec.Service) { v.Container.Environment = map[string]string{"COLOR": "red"} })
			s.settles()
			s.did("start green-1 app:v1", "route green×1")
			s.serves(spec.Green, "app:v1")
		}},
		{"a settled world is left alone", func(s *scenario) {
			s.runs("app:v1")
			s.passes(time.Hour)
			s.didNothing()
		}},
	})
}
