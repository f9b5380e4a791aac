package reconcile_test

import (
	"testing"

	. "teal/reconcile"
	"teal/spec"
)

// backup is what a backup keeps of an app, and restored brings it back.
type backup struct {
	desired Desired
	record  Record
	history []Rollout
}

func (s *scenario) backsUp() backup { return backup{s.desired, s.record, s.history} }

func (s *scenario) restores(b backup) {
	s.desired, s.record, s.history = b.desired, stored(FromBackup(b.record)), b.history
	s.host.forgetProbes()
	s.forget()
}

func TestBackupRestored(t *testing.T) {
	run(t, []row{
		{"nothing went on since: nothing is touched, and it is synced", func(s *scenario) {
			s.runs("app:v1")
			b := s.backsUp()
			s.restores(b)
			s.settles()
			s.didNot("start", "remove", "route", "pull")
			s.serves(spec.Blue, "app:v1")
			if st := s.status(); !st.Synced.OK || s.record.Override != nil || s.record.Restored {
				s.t.Errorf("%+v, override %+v", st.Synced, s.record.Override)
			}
		}},
		{"the world went on: what serves stays, and the wish of the past is not followed", func(s *scenario) {
			s.runs("app:v1")
			b := s.backsUp()
			s.runs("app:v2")
			s.runs("app:v3")
			s.restores(b)
			s.passes(2 * hour)
			s.didNot("route", "pull", "start")
			s.serves(spec.Blue, "app:v3")
			s.told(ReasonRestored, "generation 3 runs")
			if st := s.status(); st.Synced.OK || s.record.Ahead != 3 {
				s.t.Errorf("%+v, ahead %d", st.Synced, s.record.Ahead)
			}
		}},
		{"the world went on: the next change is followed", func(s *scenario) {
			s.runs("app:v1")
			b := s.backsUp()
			s.runs("app:v2")
			s.restores(b)
			s.settles()
			s.desired.Generation = s.record.Ahead // the store counts above it
			s.wants("app:v3")
			s.settles()
			s.serves(spec.Blue, "app:v3")
		}},
		{"the world went on: retry follows the backup's wish", func(s *scenario) {
			s.runs("app:v1")
			b := s.backsUp()
			s.runs("app:v2")
			s.restores(b)
			s.settles()
			s.does(VerbRetry)
			s.settles()
			s.serves(spec.Blue, "app:v1")
		}},
		{"taken in the middle of a rollout: the rollout is done anew", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2")
			s.reaches(Verifying)
			s.restores(s.backsUp())
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"restored in the middle of a newer rollout: that is taken away, what serves stays", func(s *scenario) {
			s.runs("app:v1")
			b := s.backsUp()
			s.wants("app:v2")
			s.reaches(Verifying)
			s.restores(b)
			s.passes(2 * hour)
			s.serves(spec.Blue, "app:v1")
			s.has("blue-1 app:v1")
		}},
		{"a hold comes back", func(s *scenario) {
			s.runs("app:v1")
			s.breaks("app:v2")
			s.host.runs["app:v2"] = behaviour{sick: true}
			s.wants("app:v2")
			s.settles()
			s.holds(ReasonUnhealthy)
			s.restores(s.backsUp())
			s.settles()
			s.holds(ReasonUnhealthy)
			s.didNot("start")
			s.serves(spec.Blue, "app:v1")
		}},
		{"onto an empty host: it is deployed", func(s *scenario) {
			s.runs("app:v1")
			b := s.backsUp()
			s.host = newHost(s.t)
			s.restores(b)
			s.settles()
			s.serves(spec.Blue, "app:v1")
		}},
		{"the ids of rollouts go on above those found", func(s *scenario) {
			s.runs("app:v1")
			b := s.backsUp()
			s.runs("app:v2")
			s.runs("app:v3")
			s.restores(b)
			s.settles()
			if s.record.Rollouts < 3 {
				s.t.Errorf("it counts from %d", s.record.Rollouts)
			}
		}},
	})
	t.Run("a dependency that went on is not taken back", func(t *testing.T) {
		s := newDependency(t)
		s.runs("db:1")
		b := s.backsUp()
		s.runs("db:2")
		s.restores(b)
		s.passes(2 * hour)
		s.didNot("start", "remove", "stop")
		if s.record.Stable == nil || s.record.Override == nil {
			t.Errorf("%+v", s.record)
		}
	})
}
