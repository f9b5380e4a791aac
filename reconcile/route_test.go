package reconcile_test

import (
	"testing"

	. "teal/reconcile"
	"teal/spec"
)

func TestRouteSettings(t *testing.T) {
	for _, c := range []struct {
		what string
		edit edit
		ok   func(*Route) bool
	}{
		{"host", func(v *spec.Service) { v.Rollout.Route.Host = "api.example.com" }, func(r *Route) bool { return r.Host == "api.example.com" }},
		{"path", func(v *spec.Service) { v.Rollout.Route.Path = "/api" }, func(r *Route) bool { return r.Path == "/api" }},
		{"body limit", func(v *spec.Service) { v.Rollout.Route.MaxBody = 1 << 20 }, func(r *Route) bool { return r.MaxBody == 1<<20 }},
		{"hold", func(v *spec.Service) { v.Rollout.Route.Hold = seconds(3) }, func(r *Route) bool { return r.Hold == seconds(3) }},
		{"time-out", func(v *spec.Service) { v.Rollout.Route.Timeout = seconds(3) }, func(r *Route) bool { return r.Timeout == seconds(3) }},
		{"drain", func(v *spec.Service) { v.Rollout.Drain.Upgraded = seconds(3) }, func(r *Route) bool { return r.Drain.Upgraded == seconds(3) }},
	} {
		t.Run("the "+c.what+" alone changes the route and nothing else", func(t *testing.T) {
			s := newApp(t)
			s.runs("app:v1")
			s.edits(c.edit)
			s.settles()
			if !c.ok(s.host.route) {
				t.Errorf("the route is %+v", s.host.route)
			}
			s.did("route blue×1")
			s.didNot("start", "remove", "pull", "unroute")
			if n := s.times("route"); n != 1 || s.record.Rollouts != 1 {
				t.Errorf("%d routes, %d rollouts", n, s.record.Rollouts)
			}
		})
	}
	run(t, []row{
		{"the port is part of the revision: another port is a rollout", func(s *scenario) {
			s.runs("app:v1")
			s.edits(func(v *spec.Service) { v.Rollout.Route.Port, v.Rollout.Health.Port = 9090, 9090 })
			s.settles()
			s.did("start green-1 app:v1", "route green×1")
			s.serves(spec.Green, "app:v1")
		}},
		{"the preview has the host and the token that are wanted", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2", active(spec.ActiveBlue), func(v *spec.Service) {
				v.Rollout.Route.Preview = spec.Preview{Host: "next.example.com", Token: "secret"}
			})
			s.settles()
			if p := s.host.route.Preview; p != (Preview{Colour: spec.Green, Host: "next.example.com", Token: "secret"}) {
				s.t.Errorf("preview: %+v", p)
			}
		}},
	})
}
