package reconcile_test

import (
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

// was runs a container of before Teal and has the wish name it.
func (s *scenario) was(c spec.Colour) *box {
	b := &box{begun: s.now, Container: Container{
		ID: "old", Name: "was", Colour: c, Replica: 1, Revision: "adopted-old", Image: "old:v0", Foreign: true,
	}}
	if c != "" {
		b.Address = "192.0.2.1:8080"
	}
	b.start(s.now)
	s.host.boxes = append(s.host.boxes, b)
	s.desired.Service.Adopt = []spec.Adopted{{Colour: c, Container: "was", Address: b.Address}}
	return b
}

func TestAdopted(t *testing.T) {
	run(t, []row{
		{"it gets the route, and the wish goes to the other colour; it is the way back, and is stopped when that ends", func(s *scenario) {
			s.host.runs["app:v1"] = behaviour{start: 5 * time.Second}
			old := s.was(spec.Blue)
			s.wants("app:v1")
			s.settles()
			s.did("start green-1 app:v1", "route blue×1", "route green×1")
			s.didNot("stop", "remove", "blue-1")
			s.told(ReasonAdopted, "was was there before")
			s.serves(spec.Green, "app:v1")
			s.passes(11 * time.Minute)
			s.did("route green×1", "stop blue-1 old:v0")
			if n := s.times("stop"); n != 1 || old.State != Exited {
				s.t.Errorf("stopped %d times, %s", n, old.State)
			}
			s.forget()
			s.passes(time.Hour)
			s.didNothing()
			s.refuses(VerbUndo, "no earlier revision is known")
		}},
		{"on green: the wish goes to blue", func(s *scenario) {
			s.host.runs["app:v1"] = behaviour{start: 5 * time.Second}
			s.was(spec.Green)
			s.wants("app:v1")
			s.settles()
			s.did("start blue-1 app:v1", "route green×1", "route blue×1")
		}},
		{"it is the one that active names: the wish stops at Staged, and the flip switches", func(s *scenario) {
			s.host.runs["app:v1"] = behaviour{start: 5 * time.Second}
			s.was(spec.Blue)
			s.wants("app:v1", active(spec.ActiveBlue))
			s.settles()
			s.is(Staged)
			s.did("start green-1 app:v1", "route blue×1")
			s.edits(active(spec.ActiveGreen))
			s.settles()
			s.serves(spec.Green, "app:v1")
		}},
		{"undo goes back to it at once while it runs, and the next wish takes it away again", func(s *scenario) {
			s.was(spec.Blue)
			s.wants("app:v1")
			s.settles()
			s.forget()
			s.does(VerbUndo)
			s.settles()
			s.did("route blue×1")
			s.didNot("start", "stop", "remove")
			if p := s.record.Stable; p == nil || !p.Adopted {
				s.t.Errorf("stable: %+v", p)
			}
			s.wants("app:v2")
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"without a standby it is drained and stopped after the switch", func(s *scenario) {
			s.was(spec.Blue)
			s.wants("app:v1", standby(spec.Standby{}))
			s.until("the switch", func(bool) bool { return s.times("route green") > 0 })
			s.inFlight("old:v0", 1, 0)
			s.passes(10 * time.Second)
			s.didNot("stop")
			s.inFlight("old:v0", 0, 0)
			s.settles()
			s.did("route green×1", "stop blue-1 old:v0")
		}},
		{"a newer candidate needs its colour: it is stopped and stays", func(s *scenario) {
			old := s.was(spec.Blue)
			s.wants("app:v1")
			s.settles()
			s.wants("app:v2")
			s.settles()
			s.did("stop blue-1 old:v0", "start blue-1 app:v2", "route blue×1")
			s.serves(spec.Blue, "app:v2")
			if s.host.find("old") != old {
				s.t.Errorf("it was removed")
			}
		}},
		{"the first rollout fails: it goes on to serve", func(s *scenario) {
			s.was(spec.Blue)
			s.host.runs["app:v1"] = behaviour{sick: true}
			s.wants("app:v1")
			s.passes(5 * time.Minute)
			s.holds(ReasonUnhealthy)
			s.didNot("stop", "route green")
			s.routedTo(spec.Blue, "old:v0")
			s.wants("app:v2")
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"the first rollout fails in the bake: it has the traffic again", func(s *scenario) {
			s.was(spec.Blue)
			s.wants("app:v1", bake(60))
			s.reaches(Confirming)
			s.breaks("app:v1")
			s.settles()
			s.did("route green×1", "route blue×1", "remove green-1 app:v1")
			s.didNot("stop")
			s.routedTo(spec.Blue, "old:v0")
		}},
		{"it dies while it serves: nothing is started, and the wish goes through", func(s *scenario) {
			old := s.was(spec.Blue)
			s.host.runs["app:v1"] = behaviour{start: 20 * time.Second}
			s.wants("app:v1")
			s.reaches(Verifying)
			old.State, old.ExitCode = Exited, 137
			s.settles()
			s.serves(spec.Green, "app:v1")
			s.didNot("start blue", "stop", "remove")
		}},
		{"it did not run: it is as if it were not there", func(s *scenario) {
			s.was(spec.Blue).State = Exited
			s.wants("app:v1")
			s.settles()
			s.serves(spec.Blue, "app:v1")
			s.didNot("stop", "remove", "old")
		}},
		{"the operator makes it anew: it is taken over again", func(s *scenario) {
			old := s.was(spec.Blue)
			s.wants("app:v1", active(spec.ActiveBlue))
			s.settles()
			old.ID, old.Revision, old.Address = "new", "adopted-new", "192.0.2.2:8080"
			s.desired.Generation++ // the pinned rollout gives way
			s.desired.Service.Container.Image = "app:v2"
			s.settles()
			s.is(Staged)
			s.routedTo(spec.Blue, "old:v0")
		}},
		{"its health settings were wrong: an edit is enough", func(s *scenario) {
			s.was(spec.Blue)
			s.wants("app:v1", active(spec.ActiveBlue), func(v *spec.Service) { v.Rollout.Health.Successes = 1_000_000 })
			s.passes(time.Minute)
			s.didNot("route")
			s.edits(func(v *spec.Service) { v.Rollout.Health.Successes = 3 })
			s.passes(time.Minute)
			s.did("route blue×1")
		}},
		{"the database is lost: it is taken over again, whether it serves or is the way back", func(s *scenario) {
			s.was(spec.Blue)
			s.wants("app:v1", active(spec.ActiveBlue))
			s.settles()
			s.record, s.history = Record{}, nil
			s.settles()
			s.is(Staged)
			s.routedTo(spec.Blue, "old:v0")
			s.edits(active(spec.ActiveAuto))
			s.settles()
			s.serves(spec.Green, "app:v1")
			s.record, s.history = Record{}, nil
			s.settles()
			s.serves(spec.Green, "app:v1")
			s.did("stop blue-1 old:v0")
		}},
		{"the app is pruned: it is left as it is", func(s *scenario) {
			old := s.was(spec.Blue)
			s.wants("app:v1")
			s.settles()
			s.desired.Pruned = true
			s.settles()
			if !s.gone || old.State != Running {
				s.t.Errorf("gone %v, %s", s.gone, old.State)
			}
			s.didNot("stop")
		}},
		{"the file does not name it any more: it is not stopped", func(s *scenario) {
			old := s.was(spec.Blue)
			s.wants("app:v1", active(spec.ActiveBlue))
			s.settles()
			s.host.boxes = nil // it is not looked at
			s.edits(active(spec.ActiveAuto), func(v *spec.Service) { v.Adopt = nil })
			s.settles()
			s.serves(spec.Green, "app:v1")
			if s.didNot("stop"); old.State != Running {
				s.t.Errorf("it is %s", old.State)
			}
		}},
		{"it may be on a host that is away: nothing begins before that was seen", func(s *scenario) {
			s.was(spec.Blue).Host = "b"
			s.desired.Service.Adopt[0].Host = "b"
			s.loses(false)
			s.host.forgotten = true
			s.wants("app:v1", on("a"))
			s.passes(time.Hour)
			s.didNot("start")
			s.isBack()
			s.settles()
			s.serves(spec.Green, "app:v1")
		}},
	})
}

func TestAdoptedDependency(t *testing.T) {
	runDependencies(t, []row{
		{"nothing is ever done about it, whatever is wished for", func(s *scenario) {
			old := s.was("")
			s.wants("db:v1")
			s.settles()
			s.wants("db:v2")
			s.settles()
			s.didNothing()
			s.told(ReasonAdopted, "is used as it is")
			st := s.status()
			if !st.Serving.OK || !st.Synced.OK || st.Synced.Message != "an existing container was is used; take x-teal-adopt out to let Teal run it" {
				s.t.Errorf("status: %+v", st)
			}
			if s.record.Generation != 2 || s.record.Stable == nil || s.record.Stable.Revision.ID != old.Revision {
				s.t.Errorf("record: %+v", s.record)
			}
			s.refuses(VerbUndo, "an existing container was is used")
		}},
		{"it stops: Teal does not start it", func(s *scenario) {
			old := s.was("")
			s.wants("db:v1")
			s.settles()
			old.State = Exited
			s.settles()
			s.didNothing()
			if c := s.status().Serving; c.OK {
				s.t.Errorf("serving: %+v", c)
			}
		}},
		{"it is not there: status says so", func(s *scenario) {
			s.was("")
			s.host.boxes = nil
			s.wants("db:v1")
			s.settles()
			s.didNothing()
			if st := s.status(); st.Serving.Reason != ReasonNothingRuns || st.Synced.OK {
				s.t.Errorf("status: %+v", st)
			}
		}},
		{"it is made anew by hand: that one is used", func(s *scenario) {
			old := s.was("")
			s.wants("db:v1")
			s.settles()
			old.ID, old.Revision = "new", "adopted-new"
			s.settles()
			if s.record.Stable.Revision.ID != "adopted-new" {
				s.t.Errorf("stable: %+v", s.record.Stable)
			}
		}},
		{"it is taken out of the file: Teal runs its own", func(s *scenario) {
			old := s.was("")
			s.wants("db:v1")
			s.settles()
			s.host.boxes = nil // it is not looked at
			s.edits(func(v *spec.Service) { v.Adopt = nil })
			s.settles()
			s.has("1 db:v1")
			if old.State != Running {
				s.t.Errorf("it is %s", old.State)
			}
		}},
		{"it is put into the file while a change is under way: that is given up, and nothing is touched", func(s *scenario) {
			s.runs("db:v1")
			s.host.runs["db:v2"] = behaviour{start: time.Minute}
			s.wants("db:v2", checked)
			s.reaches(Verifying)
			s.was("")
			s.edits()
			s.forget()
			s.settles()
			s.is(Idle)
			s.didNothing()
			s.ended("db:v2", Superseded)
		}},
	})
}
