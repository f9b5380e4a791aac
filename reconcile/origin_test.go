package reconcile_test

import (
	"testing"

	. "teal/reconcile"
	"teal/spec"
)

func TestOrigin(t *testing.T) {
	commits := func(s *scenario, hash, image string, edits ...edit) {
		s.wants(image, edits...)
		s.desired.Origin = &spec.Origin{Commit: hash}
	}
	ended := func(s *scenario, hash string, want Result) {
		s.t.Helper()
		last := s.history[len(s.history)-1]
		if last.Origin == nil || last.Origin.Commit != hash || last.Result != want {
			s.t.Errorf("the last rollout is of %+v and %s, not of %s and %s", last.Origin, last.Result, hash, want)
		}
	}
	serves := func(s *scenario, hash string) {
		s.t.Helper()
		if o := s.record.Stable.Origin; o == nil || o.Commit != hash {
			s.t.Errorf("what serves is of %+v, not of %s", o, hash)
		}
	}
	run(t, []row{
		{"a rollout and what serves name the commit that asked for them", func(s *scenario) {
			commits(s, "a1", "app:v1")
			s.settles()
			ended(s, "a1", Succeeded)
			serves(s, "a1")
		}},
		{"an undo goes back to the commit of what is put back", func(s *scenario) {
			commits(s, "a1", "app:v1")
			s.settles()
			commits(s, "b2", "app:v2")
			s.settles()
			s.does(VerbUndo)
			s.settles()
			ended(s, "a1", Succeeded)
			serves(s, "a1")
		}},
		{"a flip by a commit names that commit", func(s *scenario) {
			commits(s, "a1", "app:v1")
			s.settles()
			commits(s, "b2", "app:v2")
			s.settles()
			commits(s, "c3", "app:v2", active(spec.ActiveBlue))
			s.settles()
			s.serves(spec.Blue, "app:v1")
			serves(s, "c3")
		}},
		{"a commit that asks for what is under way takes the rollout over", func(s *scenario) {
			commits(s, "a1", "app:v1")
			s.settles()
			commits(s, "b2", "app:v2", manual(spec.TimeoutAbort))
			s.settles()
			s.is(Staged)
			commits(s, "c3", "app:v2", manual(spec.TimeoutAbort), bake(1))
			s.settles()
			s.does(VerbPromote)
			s.settles()
			serves(s, "c3")
		}},
	})
}
