package reconcile_test

import (
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

func TestActive(t *testing.T) {
	pinned := func(s *scenario) {
		s.t.Helper()
		s.runs("app:v1")
		s.wants("app:v2", active(spec.ActiveBlue))
		s.settles()
		s.is(Staged)
	}
	run(t, []row{
		{"a pin stages the new version and waits for ever", func(s *scenario) {
			pinned(s)
			s.did("start green-1 app:v2", "route blue×1 preview green×1")
			if !s.last.Again.IsZero() {
				s.t.Errorf("it looks again at %s, wanted only after an event", s.last.Again)
			}
			s.passes(1000 * time.Hour)
			s.is(Staged)
			s.serves(spec.Blue, "app:v1")
		}},
		{"setting active to the staged colour switches at once and skips gate and bake", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2", active(spec.ActiveBlue), manual(spec.TimeoutAbort), bake(600))
			s.settles()
			s.is(Staged)
			s.forget()
			start := s.now
			s.edits(active(spec.ActiveGreen))
			s.settles()
			s.serves(spec.Green, "app:v2")
			s.didNot("start", "pull", "remove")
			if took := s.record.Stable.Since.Sub(start); took > time.Second {
				s.t.Errorf("stable after %s", took)
			}
		}},
		{"setting active to auto opens the pin, but not the gate", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2", active(spec.ActiveBlue), manual(spec.TimeoutAbort))
			s.settles()
			s.edits(active(spec.ActiveAuto))
			s.settles()
			s.is(Staged)
			s.does(VerbPromote)
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"flipping back is instant, and holds the version that was left", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			s.edits(active(spec.ActiveBlue))
			start := s.now
			s.settles()
			s.serves(spec.Blue, "app:v1")
			s.didNot("start", "pull", "remove")
			s.holds(ReasonPinnedAway)
			if took := s.record.Stable.Since.Sub(start); took > time.Second {
				s.t.Errorf("stable after %s", took)
			}
			s.passes(5 * time.Minute)
			s.serves(spec.Blue, "app:v1")
		}},
		{"flipping back and forth is instant both ways", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			for range 3 {
				s.edits(active(spec.ActiveBlue))
				s.settles()
				s.serves(spec.Blue, "app:v1")
				s.edits(active(spec.ActiveGreen))
				s.settles()
				s.serves(spec.Green, "app:v2")
			}
			s.didNot("start", "pull", "remove")
		}},
		{"flipping skips gate and bake, the health check never", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			s.breaks("app:v1")
			s.passes(10 * time.Second)
			s.edits(active(spec.ActiveBlue), manual(spec.TimeoutAbort))
			s.pass()
			s.pass()
			s.routedTo(spec.Green, "app:v2")
			s.didNot("route blue")
		}},
		{"auto after a flip takes the newer version again", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			s.edits(active(spec.ActiveBlue))
			s.settles()
			s.edits(active(spec.ActiveAuto))
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"naming an empty colour builds the wanted version there and leaves the live one alone meanwhile", func(s *scenario) {
			s.runs("app:v1")
			s.host.runs["app:v1"] = behaviour{start: 20 * time.Second}
			s.edits(active(spec.ActiveGreen))
			s.passes(10 * time.Second)
			s.serves(spec.Blue, "app:v1")
			s.did("start green-1 app:v1")
			s.settles()
			s.serves(spec.Green, "app:v1")
			s.holdsNothing()
		}},
		{"image and the empty colour edited together go there together", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2", active(spec.ActiveGreen))
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"another edit while a flip is under way does not change where it goes", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			s.edits(active(spec.ActiveBlue))
			s.reaches(Switching)
			s.edits(func(v *spec.Service) { v.Rollout.Drain.Requests = seconds(5) })
			s.settles()
			s.serves(spec.Blue, "app:v1")
			s.has("blue-1 app:v1", "green-1 app:v2")
		}},
		{"another edit while a flip waits for its probes does not change where it goes", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			s.edits(active(spec.ActiveBlue))
			s.pass()
			s.tealWasAway(0)
			s.reaches(Verifying)
			s.edits(func(v *spec.Service) { v.Rollout.Drain.Requests = seconds(5) })
			s.settles()
			s.serves(spec.Blue, "app:v1")
			s.has("blue-1 app:v1", "green-1 app:v2")
		}},
		{"a newer image while a flip waits for its probes is staged after it, as the pin says", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			s.edits(active(spec.ActiveBlue))
			s.pass()
			s.tealWasAway(0)
			s.reaches(Verifying)
			s.wants("app:v3")
			s.settles()
			s.serves(spec.Blue, "app:v1")
			s.has("blue-1 app:v1", "green-1 app:v3")
			s.is(Staged)
		}},
		{"an edit that changes nothing does not open the gate of a colour that active names", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2", active(spec.ActiveGreen), manual(spec.TimeoutAbort))
			s.settles()
			s.is(Staged)
			s.edits()
			s.settles()
			s.is(Staged)
			s.serves(spec.Blue, "app:v1")
		}},
		{"a pinned candidate gives way to a newer one", func(s *scenario) {
			pinned(s)
			s.wants("app:v3")
			s.settles()
			s.is(Staged)
			s.has("blue-1 app:v1", "green-1 app:v3")
			s.ended("app:v2", Superseded)
		}},
		{"pinned back to what is stable: the candidate is taken away", func(s *scenario) {
			pinned(s)
			s.wants("app:v1")
			s.settles()
			s.is(Idle)
			s.has("blue-1 app:v1")
			s.holdsNothing()
		}},
		{"scaling while staged scales the candidate, too, and verifies it again", func(s *scenario) {
			pinned(s)
			s.edits(replicas(2))
			s.settles()
			s.has("blue-1 app:v1", "blue-2 app:v1", "green-1 app:v2", "green-2 app:v2")
			s.is(Staged)
		}},
	})
}
