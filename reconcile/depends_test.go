package reconcile_test

import (
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

func TestDependsOn(t *testing.T) {
	on := func(c spec.Condition) edit {
		return func(v *spec.Service) { v.DependsOn = []spec.Dependency{{Service: "db", Condition: c}} }
	}
	for _, c := range []struct {
		wants   spec.Condition
		has     DependencyState
		goesOn  bool
		andThen DependencyState
	}{
		{wants: spec.Started, andThen: DependencyState{Started: true}},
		{wants: spec.Started, has: DependencyState{Started: true}, goesOn: true},
		{wants: spec.Started, has: DependencyState{Completed: true}, goesOn: true},
		{wants: spec.Healthy, has: DependencyState{Started: true, Words: "starting"}, andThen: DependencyState{Started: true, Healthy: true}},
		{wants: spec.Completed, has: DependencyState{Started: true, Healthy: true}, andThen: DependencyState{Completed: true}},
	} {
		t.Run("the candidate waits for "+string(c.wants)+" with "+dump(c.has), func(t *testing.T) {
			s := newApp(t)
			s.host.deps["db"] = c.has
			s.wants("app:v1", on(c.wants))
			s.passes(10 * time.Minute)
			if !c.goesOn {
				s.is(Preparing)
				s.didNot("pull", "start")
				if st := s.status().Synced; st.Reason != ReasonDependency {
					t.Errorf("synced: %+v", st)
				}
				s.host.deps["db"] = c.andThen
				s.settles()
			}
			s.serves(spec.Blue, "app:v1")
		})
	}
	run(t, []row{
		{"a dependency that breaks later does not stop what runs", func(s *scenario) {
			s.host.deps["db"] = DependencyState{Started: true, Healthy: true}
			s.runs("app:v1", on(spec.Healthy))
			s.host.deps["db"] = DependencyState{}
			s.passes(time.Hour)
			s.didNothing()
		}},
		{"who waits gives way to a newer wish", func(s *scenario) {
			s.wants("app:v1", on(spec.Healthy))
			s.passes(time.Minute)
			s.wants("app:v2", func(v *spec.Service) { v.DependsOn = nil })
			s.settles()
			s.serves(spec.Blue, "app:v2")
		}},
	})
}
