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
		{"its time counts from the command, not from the old edit", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			s.passes(5 * time.Minute)
			start := s.now
			s.does(VerbUndo)
			s.settles()
			if h := s.history[len(s.history)-1]; !h.Accepted.Equal(start) || h.Trigger != TriggerUndo {
				s.t.Errorf("a rollout by %s, accepted at %s, wanted the undo at %s", h.Trigger, h.Accepted, start)
			}
		}},
		{"one that fails leaves what is wanted as it is", func(s *scenario) {
			s.runs("app:v1", noStandby)
			s.runs("app:v2")
			s.settles()
			s.host.runs["app:v1"] = behaviour{sick: true}
			s.does(VerbUndo)
			s.settles()
			s.serves(spec.Green, "app:v2")
			if s.record.Hold != nil {
				s.t.Errorf("held: %s", s.record.Hold.Message)
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
