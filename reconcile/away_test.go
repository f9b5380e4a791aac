package reconcile_test

import (
	"strings"
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

// loses takes host b away, and what runs there stops answering if dark is set.
func (s *scenario) loses(dark bool) {
	s.host.away = "b"
	for _, b := range s.host.boxes {
		if dark && b.Host == s.host.away {
			b.breaks(s.now)
		}
	}
}

// isBack brings it back.
func (s *scenario) isBack() {
	for _, b := range s.host.boxes {
		if b.Host == s.host.away {
			b.good, b.bad = s.now, time.Time{}
		}
	}
	s.host.away, s.host.forgotten = "", false
}

// waitsFor checks that status says which host is waited for.
func (s *scenario) waitsFor(host string) {
	s.t.Helper()
	if c := s.status().Synced; c.OK || c.Reason != ReasonHostAway || !strings.Contains(c.Message, host) {
		s.t.Errorf("synced: %+v, wanted %q", c, host)
	}
}

func TestHostAway(t *testing.T) {
	run(t, []row{
		{"it still serves: nothing happens, and status names it", func(s *scenario) {
			s.runs("app:v1", on("a", "b"))
			s.loses(false)
			s.passes(time.Hour)
			s.didNothing()
			s.waitsFor("host b does not answer: no route to host")
			if st := s.status(); len(st.Away) != 1 || len(st.Containers) != 2 || !st.Containers[1].Lost || !st.Serving.OK {
				s.t.Errorf("status: %+v", st)
			}
		}},
		{"what runs there fails its probes: it leaves the route, and comes back to it with the host", func(s *scenario) {
			s.runs("app:v1", on("a", "b"))
			s.loses(true)
			s.passes(time.Hour)
			s.did("route blue×1")
			s.didNot("start", "remove", "stop")
			s.isBack()
			s.settles()
			s.did("route blue×1", "route blue×2")
			s.didNot("start", "remove", "green")
		}},
		{"the last target stays, even if it fails", func(s *scenario) {
			s.runs("app:v1", on("a", "b"))
			s.host.all("app:v1")[0].breaks(s.now)
			s.passes(time.Minute)
			s.forget()
			s.loses(true)
			s.passes(time.Hour)
			s.didNot("unroute", "remove")
			s.routedTo(spec.Blue, "app:v1")
		}},
		{"Teal is restarted meanwhile and remembers nothing: what is listed stays until something is ready", func(s *scenario) {
			s.runs("app:v1", on("a", "b"))
			s.runs("app:v2", standby(spec.Standby{Forever: true}))
			s.loses(false)
			s.host.forgotten = true
			s.tealWasAway(time.Second)
			s.pass()
			s.didNothing()
			s.passes(time.Hour)
			s.didNot("start", "remove", "unroute", "blue")
			if s.record.Standby == nil {
				s.t.Errorf("the standby was given up")
			}
			s.isBack()
			s.settles()
			s.did("route green×2")
			s.has("blue-1 app:v1 at a", "blue-2 app:v1 at b", "green-1 app:v2 at a", "green-2 app:v2 at b")
		}},
		{"the app is on that host alone and Teal is restarted: nothing is done", func(s *scenario) {
			s.runs("app:v1", on("b"))
			s.loses(false)
			s.host.forgotten = true
			s.tealWasAway(time.Hour)
			s.passes(time.Hour)
			s.didNothing()
			s.isBack()
			s.settles()
			s.didNothing()
		}},
		{"no rollout begins, and it begins when the host is back", func(s *scenario) {
			s.runs("app:v1", on("a", "b"))
			s.loses(false)
			s.wants("app:v2")
			s.passes(time.Hour)
			s.didNot("pull", "start", "route")
			s.is(Idle)
			s.waitsFor("host b")
			s.refuses(VerbUndo, "host b does not answer")
			s.isBack()
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"a rollout that fetches waits", func(s *scenario) {
			s.runs("app:v1", on("a", "b"))
			s.host.deps["db"] = DependencyState{}
			s.wants("app:v2", func(v *spec.Service) { v.DependsOn = []spec.Dependency{{Service: "db", Condition: spec.Started}} })
			s.reaches(Preparing)
			s.loses(false)
			s.host.deps["db"] = DependencyState{Started: true}
			s.passes(time.Hour)
			s.is(Preparing)
			s.didNot("pull")
			s.isBack()
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"one that starts is given up after its time without a hold, and is begun again", func(s *scenario) {
			s.runs("app:v1", on("a", "b"))
			s.host.refuse(1, StepEnsure, "app:v2 at b", Failure{Class: Infra, Reason: ReasonHostAway, Message: "host b: no route to host"})
			s.wants("app:v2")
			s.reaches(Starting)
			s.pass()
			s.loses(false)
			s.passes(9 * time.Minute)
			s.is(Starting)
			s.waitsFor("host b")
			s.passes(5 * time.Minute)
			s.is(Idle)
			s.holdsNothing()
			s.ended("app:v2", Failed)
			s.told(ReasonHostAway, "host b does not answer")
			s.has("blue-1 app:v1 at a", "blue-2 app:v1 at b")
			s.isBack()
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"one that is verified is given up at its deadline; what is left there is removed when the host is back", func(s *scenario) {
			s.runs("app:v1", on("a", "b"))
			s.host.runs["app:v2"] = behaviour{start: 20 * time.Second}
			s.wants("app:v2")
			s.passes(5 * time.Second)
			s.loses(true)
			s.passes(2 * time.Minute)
			s.is(Idle)
			s.told(ReasonHostAway, "host b")
			s.has("blue-1 app:v1 at a", "blue-2 app:v1 at b", "green-2 app:v2 at b")
			s.wants("app:v3")
			s.passes(time.Minute)
			s.forget()
			s.isBack()
			s.settles()
			s.did("remove green-2 app:v2 at b", "start green-1 app:v3 at a")
			s.serves(spec.Green, "app:v3")
			s.has("blue-1 app:v1 at a", "blue-2 app:v1 at b", "green-1 app:v3 at a", "green-2 app:v3 at b")
		}},
		{"one whose probes pass all the same goes on to its end", func(s *scenario) {
			s.runs("app:v1", on("a", "b"))
			s.host.runs["app:v2"] = behaviour{start: 20 * time.Second}
			s.wants("app:v2")
			s.passes(5 * time.Second)
			s.loses(false)
			s.passes(2 * time.Minute)
			s.serves(spec.Green, "app:v2")
		}},
		{"its candidate breaks in the bake with the host: back, and nothing is held", func(s *scenario) {
			s.runs("app:v1", on("a", "b"))
			s.wants("app:v2", bake(60))
			s.reaches(Confirming)
			s.loses(true)
			s.passes(time.Minute)
			s.is(Idle)
			s.did("route green×2", "route blue×1")
			s.ended("app:v2", RolledBack)
			s.holdsNothing()
			s.isBack()
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"staged and not seen any more after a restart of Teal: it waits, and is given up after its time", func(s *scenario) {
			s.runs("app:v1", on("a", "b"))
			s.wants("app:v2", manual(spec.TimeoutAbort))
			s.settles()
			s.loses(false)
			s.host.forgotten = true
			s.does(VerbPromote)
			s.passes(9 * time.Minute)
			s.is(Staged)
			s.passes(2 * time.Minute)
			s.is(Idle)
			s.holdsNothing()
			s.ended("app:v2", Failed)
		}},
		{"it is taken out of the list: what is wished for goes on without it, and what it has is removed when it is back", func(s *scenario) {
			s.runs("app:v1", on("a", "b"))
			s.loses(true)
			s.wants("app:v2", on("a", "c"), standby(spec.Standby{}))
			s.settles()
			s.serves(spec.Green, "app:v2")
			s.has("green-1 app:v2 at a", "green-2 app:v2 at c", "blue-2 app:v1 at b")
			s.isBack()
			s.settles()
			s.has("green-1 app:v2 at a", "green-2 app:v2 at c")
		}},
		{"the standby is not given up because it is not seen, and ends in its time", func(s *scenario) {
			s.runs("app:v1", on("b"))
			s.runs("app:v2", on("a", "b"))
			s.loses(false)
			s.host.forgotten = true
			s.passes(time.Minute)
			if s.record.Standby == nil {
				s.t.Errorf("the standby was given up")
			}
			s.passes(time.Hour)
			s.isBack()
			s.settles()
			s.has("green-1 app:v2 at a", "green-2 app:v2 at b")
		}},
		{"an app that is pruned is not gone before all its hosts were seen", func(s *scenario) {
			s.runs("app:v1", on("a", "b"))
			s.loses(false)
			s.host.forgotten = true
			s.desired.Pruned = true
			s.passes(time.Hour)
			if s.gone {
				s.t.Errorf("it is gone")
			}
			s.has("blue-2 app:v1 at b")
			s.isBack()
			s.settles()
			if s.has(); !s.gone {
				s.t.Errorf("it is not gone")
			}
		}},
		{"the database is lost meanwhile: what serves elsewhere is stable again", func(s *scenario) {
			s.runs("app:v1", on("a", "b"))
			s.loses(false)
			s.host.forgotten = true
			s.record, s.history = Record{}, nil
			s.passes(time.Hour)
			s.didNot("start", "remove", "unroute")
			s.isBack()
			s.settles()
			s.serves(spec.Blue, "app:v1")
			s.has("blue-1 app:v1 at a", "blue-2 app:v1 at b")
		}},
	})
	runDependencies(t, []row{
		{"a dependency there is left as it is", func(s *scenario) {
			s.runs("db:v1", on("b"))
			s.loses(false)
			s.wants("db:v2")
			s.passes(time.Hour)
			s.didNothing()
			s.waitsFor("host b")
			s.isBack()
			s.settles()
			s.has("1 db:v2 at b")
		}},
		{"one whose host goes away in the middle of a change is finished when it is back", func(s *scenario) {
			s.runs("db:v1", on("b"), checked)
			s.host.runs["db:v2"] = behaviour{start: 30 * time.Second}
			s.wants("db:v2")
			s.passes(5 * time.Second)
			s.loses(false)
			s.host.forgotten = true
			s.forget()
			s.passes(time.Hour)
			s.didNothing()
			s.isBack()
			s.settles()
			s.has("1 db:v2 at b")
		}},
	})
}
