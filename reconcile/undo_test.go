package reconcile_test

import (
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

func TestUndo(t *testing.T) {
	noStandby := standby(spec.Standby{})
	run(t, []row{
		{"with a standby it takes no more than a switch", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			start := s.now
			s.does(VerbUndo)
			s.settles()
			s.serves(spec.Blue, "app:v1")
			s.didNot("start", "pull", "remove")
			if took := s.record.Stable.Since.Sub(start); took > time.Second {
				s.t.Errorf("stable after %s", took)
			}
		}},
		{"it skips gate and bake", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2", bake(60))
			s.does(VerbUndo)
			start := s.now
			s.settles()
			s.serves(spec.Blue, "app:v1")
			if took := s.record.Stable.Since.Sub(start); took > time.Second {
				s.t.Errorf("stable after %s", took)
			}
		}},
		{"without a standby it is a rollout of the earlier version from history", func(s *scenario) {
			s.runs("app:v1", noStandby)
			s.runs("app:v2")
			s.settles()
			s.has("green-1 app:v2")
			s.does(VerbUndo)
			s.settles()
			s.did("pull app:v1", "start blue-1 app:v1", "route blue×1")
			s.serves(spec.Blue, "app:v1")
		}},
		{"it is an override: the file's version is not rolled out again by itself", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			s.does(VerbUndo)
			s.passes(time.Hour)
			s.serves(spec.Blue, "app:v1")
			if o := s.record.Override; o == nil || o.Generation != 2 {
				s.t.Errorf("override: %+v", o)
			}
		}},
		{"the override ends with the next change", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			s.does(VerbUndo)
			s.settles()
			s.wants("app:v3")
			s.settles()
			s.serves(spec.Green, "app:v3")
		}},
		{"retry after undo goes back to what the file wants", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			s.does(VerbUndo)
			s.settles()
			s.does(VerbRetry)
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"undo twice goes there and back", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			s.does(VerbUndo)
			s.settles()
			s.does(VerbUndo)
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"a standby that is broken is not undone to; history is", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			s.stops("app:v1")
			s.does(VerbUndo)
			s.settles()
			s.serves(spec.Blue, "app:v1")
			s.did("start blue-1 app:v1", "route blue×1")
		}},
		{"the same by an edit: a standby that was stopped is started again, not held for it", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			s.stops("app:v1")
			s.wants("app:v1")
			s.settles()
			s.serves(spec.Blue, "app:v1")
			s.holdsNothing()
		}},
		{"one that ends again after it was started again is given up", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			s.stops("app:v1")
			s.host.runs["app:v1"] = behaviour{ends: true, code: 1}
			s.wants("app:v1")
			s.settles()
			s.serves(spec.Green, "app:v2")
			s.holds(ReasonExited)
		}},
		{"a broken standby and no history: it is refused, not silently done", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			s.history = nil
			s.stops("app:v1")
			s.refuses(VerbUndo, "the standby is not healthy and no earlier revision is known")
		}},
		{"an undo that fails leaves what serves", func(s *scenario) {
			s.runs("app:v1", noStandby)
			s.runs("app:v2")
			s.host.runs["app:v1"] = behaviour{sick: true}
			s.does(VerbUndo)
			s.settles()
			s.serves(spec.Green, "app:v2")
			s.has("green-1 app:v2")
		}},
	})
}

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
