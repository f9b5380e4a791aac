package reconcile_test

import (
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

// runDependencies shows each sentence for a service without x-teal.
func runDependencies(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.says, func(t *testing.T) { r.does(newDependency(t)) })
	}
}

func checked(v *spec.Service) {
	v.Container.Healthcheck = &spec.Healthcheck{Test: []string{"CMD", "/ping"}, Interval: seconds(1), Retries: 3}
}

func job(v *spec.Service) { v.Job, v.Container.Restart = true, "no" }

func TestDependency(t *testing.T) {
	runDependencies(t, []row{
		{"it is pulled and started, without colour or route", func(s *scenario) {
			s.wants("db:v1")
			s.settles()
			s.did("resolve db:v1", "pull db:v1", "start 1 db:v1")
			s.didNot("route")
			s.has("1 db:v1")
			s.ended("db:v1", Succeeded)
		}},
		{"a change pulls first, then stops the old one, and removes it only when the new one is up", func(s *scenario) {
			s.runs("db:v1", checked)
			s.host.runs["db:v2"] = behaviour{start: 5 * time.Second}
			s.wants("db:v2")
			s.passes(4 * time.Second)
			s.did("pull db:v2", "stop 1 db:v1", "start 1 db:v2")
			s.has("1 db:v1 exited", "1 db:v2")
			s.settles()
			s.did("start 1 db:v2", "remove 1 db:v1")
			s.has("1 db:v2")
		}},
		{"the new one fails: it is removed with evidence, and the old one started again", func(s *scenario) {
			s.runs("db:v1", checked)
			s.host.runs["db:v2"] = behaviour{ends: true, code: 1, start: time.Second}
			s.wants("db:v2")
			s.settles()
			s.did("stop 1 db:v1", "start 1 db:v2", "evidence", "remove 1 db:v2", "start 1 db:v1")
			s.has("1 db:v1")
			s.holds(ReasonExited)
			s.ended("db:v2", Failed)
		}},
		{"the new one never gets healthy: the old one is started again after the deadline", func(s *scenario) {
			s.runs("db:v1", checked)
			s.host.runs["db:v2"] = behaviour{sick: true}
			s.wants("db:v2")
			s.settles()
			s.has("1 db:v1")
			s.holds(ReasonUnhealthy)
		}},
		{"the new one restarts again and again: the old one is started again", func(s *scenario) {
			s.runs("db:v1")
			s.host.runs["db:v2"] = behaviour{loops: true, code: 2}
			s.wants("db:v2")
			s.settles()
			s.has("1 db:v1")
			s.holds(ReasonCrashLoop)
		}},
		{"an image that cannot be pulled never stops the old one", func(s *scenario) {
			s.runs("db:v1")
			s.host.refuse(9, StepPull, "db:v2", Failure{Class: Permanent, Reason: ReasonImageDenied, Message: "denied"})
			s.wants("db:v2")
			s.settles()
			s.didNot("stop", "remove", "start")
			s.holds(ReasonImageDenied)
			s.has("1 db:v1")
		}},
		{"a new one that cannot be created brings the old one back", func(s *scenario) {
			s.runs("db:v1")
			s.host.refuse(9, StepEnsure, "db:v2", Failure{Class: Permanent, Reason: ReasonNameTaken, Message: "taken"})
			s.wants("db:v2")
			s.settles()
			s.did("stop 1 db:v1", "start 1 db:v1")
			s.has("1 db:v1")
		}},
		{"a port that stays taken for its time limit brings the old one back", func(s *scenario) {
			s.runs("db:v1")
			s.host.refuse(99, StepEnsure, "db:v2", Failure{Class: Infra, Reason: ReasonPortTaken, Message: "taken"})
			s.wants("db:v2")
			s.settles()
			s.has("1 db:v1")
			s.holds(ReasonPortTaken)
		}},
		{"with a healthcheck it is up when healthy; without, when it ran for a moment", func(s *scenario) {
			s.host.runs["db:v1"] = behaviour{start: 20 * time.Second}
			s.wants("db:v1", checked)
			s.passes(15 * time.Second)
			s.is(Verifying)
			s.settles()
			s.is(Idle)
			s.wants("db:v2", func(v *spec.Service) { v.Container.Healthcheck = nil })
			s.settles()
			s.has("1 db:v2")
		}},
		{"it is repaired in place", func(s *scenario) {
			s.runs("db:v1")
			s.stops("db:v1")
			s.settles()
			s.has("1 db:v1")
			s.removes("db:v1")
			s.settles()
			s.did("start 1 db:v1", "start 1 db:v1")
			s.didNot("pull")
		}},
		{"one that says it is not to be restarted is left as it ended", func(s *scenario) {
			s.runs("db:v1", func(v *spec.Service) { v.Container.Restart = "no" })
			s.stops("db:v1")
			s.passes(time.Hour)
			s.didNothing()
			s.has("1 db:v1 exited")
		}},
		{"it is scaled in place", func(s *scenario) {
			s.runs("db:v1")
			s.edits(replicas(3))
			s.settles()
			s.has("1 db:v1", "2 db:v1", "3 db:v1")
			s.edits(replicas(1))
			s.settles()
			s.has("1 db:v1")
			if s.record.Rollouts != 1 {
				s.t.Errorf("%d rollouts", s.record.Rollouts)
			}
		}},
		{"it does not wait for a proxy", func(s *scenario) {
			s.host.down = true
			s.runs("db:v1")
			s.has("1 db:v1")
		}},
		{"the database is lost: what runs is stable again", func(s *scenario) {
			s.runs("db:v1")
			s.record = Record{}
			s.settles()
			s.didNot("start", "stop", "remove", "pull")
			s.removes("db:v1")
			s.settles()
			s.has("1 db:v1")
		}},
		{"undo goes back to the version before", func(s *scenario) {
			s.runs("db:v1")
			s.runs("db:v2")
			s.does(VerbUndo)
			s.settles()
			s.has("1 db:v1")
			s.wants("db:v3")
			s.settles()
			s.has("1 db:v3")
		}},
		{"a newer wish during a change: only the newest is started", func(s *scenario) {
			s.runs("db:v1", checked)
			s.host.runs["db:v2"] = behaviour{start: 20 * time.Second}
			s.wants("db:v2")
			s.passes(5 * time.Second)
			s.wants("db:v3")
			s.wants("db:v4")
			s.settles()
			s.has("1 db:v4")
			s.didNot("start 1 db:v3")
			s.ended("db:v2", Superseded)
		}},
		{"it is pruned", func(s *scenario) {
			s.runs("db:v1")
			s.desired.Pruned = true
			s.settles()
			s.has()
			if !s.gone {
				s.t.Errorf("it is not gone")
			}
		}},
		{"a killed pass between stop and start is taken up again", func(s *scenario) {
			s.runs("db:v1")
			s.wants("db:v2")
			s.until("the stop", func(bool) bool { return s.times("stop") > 0 })
			s.tealWasAway(time.Hour)
			s.settles()
			s.has("1 db:v2")
		}},
	})
}

func TestJob(t *testing.T) {
	runDependencies(t, []row{
		{"it is done when it ends well, and is not started again", func(s *scenario) {
			s.host.runs["migrate:v1"] = behaviour{ends: true, start: 10 * time.Second}
			s.wants("migrate:v1", job)
			s.passes(5 * time.Second)
			s.is(Verifying)
			s.settles()
			s.is(Idle)
			s.ended("migrate:v1", Succeeded)
			s.passes(time.Hour)
			if n := s.times("start"); n != 1 {
				s.t.Errorf("started %d times", n)
			}
			if c := s.status().Serving; !c.OK {
				s.t.Errorf("serving: %+v", c)
			}
		}},
		{"it fails: it is held, not repeated", func(s *scenario) {
			s.host.runs["migrate:v1"] = behaviour{ends: true, code: 3, start: time.Second}
			s.wants("migrate:v1", job)
			s.passes(time.Hour)
			s.holds(ReasonExited)
			if n := s.times("start"); n != 1 {
				s.t.Errorf("started %d times", n)
			}
		}},
		{"a new version runs once more", func(s *scenario) {
			s.host.runs["migrate:v1"] = behaviour{ends: true, start: time.Second}
			s.host.runs["migrate:v2"] = behaviour{ends: true, start: time.Second}
			s.runs("migrate:v1", job)
			s.wants("migrate:v2")
			s.settles()
			s.did("start 1 migrate:v2", "remove 1 migrate:v1")
		}},
		{"one that hangs is given up after its hour", func(s *scenario) {
			s.wants("migrate:v1", job)
			s.reaches(Verifying)
			s.now = s.now.Add(59 * time.Minute)
			s.pass()
			s.is(Verifying)
			s.now = s.now.Add(2 * time.Minute)
			s.settles()
			s.holds(ReasonUnhealthy)
		}},
	})
}
