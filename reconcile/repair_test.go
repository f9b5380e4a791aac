package reconcile_test

import (
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

// TestRepair takes stable away by hand, in every phase in which it serves.
func TestRepair(t *testing.T) {
	for phase, come := range map[Phase]func(*scenario){
		Idle: func(*scenario) {},
		Preparing: func(s *scenario) {
			s.host.refuse(99, StepPull, "app:v2", slowRegistry)
			s.wants("app:v2")
		},
		Starting: func(s *scenario) {
			s.host.refuse(99, StepEnsure, "app:v2", Failure{Class: Infra, Reason: ReasonEngineRefused})
			s.wants("app:v2")
		},
		Verifying: func(s *scenario) {
			s.host.runs["app:v2"] = behaviour{start: 50 * time.Second}
			s.wants("app:v2")
		},
		Staged: func(s *scenario) { s.wants("app:v2", manual(day, spec.TimeoutAbort)) },
	} {
		for how, do := range map[string]func(*scenario){
			"removed": func(s *scenario) { s.removes("app:v1") },
			"stopped": func(s *scenario) { s.stops("app:v1") },
		} {
			t.Run("stable "+how+" by hand in "+phase.Words()+" comes back and serves", func(t *testing.T) {
				s := newApp(t)
				s.runs("app:v1")
				come(s)
				s.reaches(phase)
				s.forget()
				do(s)
				s.passes(40 * time.Second)
				s.did("start blue-1 app:v1")
				s.serves(spec.Blue, "app:v1")
				s.is(phase)
			})
		}
	}
	run(t, []row{
		{"both colours are broken: nothing is removed, and what heals serves", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			s.breaks("app:v1")
			s.breaks("app:v2")
			s.passes(5 * time.Minute)
			s.didNothing()
			s.has("blue-1 app:v1", "green-1 app:v2")
			if st := s.status(); st.Serving.OK || st.Serving.Reason != ReasonNotReady {
				s.t.Errorf("serving: %+v", st.Serving)
			}
		}},
		{"a broken stable does not keep the fix from being deployed", func(s *scenario) {
			s.runs("app:v1")
			s.breaks("app:v1")
			s.passes(time.Minute)
			s.wants("app:v2")
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"a stable that cannot be started does not keep the fix from being deployed", func(s *scenario) {
			s.runs("app:v1")
			s.host.refuse(999, StepEnsure, "app:v1", Failure{Class: Permanent, Reason: ReasonEngineRefused, Message: "no such device"})
			s.removes("app:v1")
			s.passes(time.Minute)
			s.wants("app:v2")
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"stable is gone while its rollout is being taken back: it comes back", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2", bake(60))
			s.reaches(Confirming)
			s.removes("app:v1")
			s.does(VerbAbort)
			s.settles()
			s.did("start blue-1 app:v1", "route blue×1")
			s.serves(spec.Blue, "app:v1")
		}},
	})
}

func TestDatabaseLost(t *testing.T) {
	lost := func(s *scenario) { s.record, s.history = Record{}, nil }
	run(t, []row{
		{"what serves is stable again, and no container is touched", func(s *scenario) {
			s.runs("app:v1", standby(spec.Standby{}))
			s.runs("app:v2")
			lost(s)
			s.settles()
			s.didNot("start", "remove", "route", "pull")
			s.serves(spec.Green, "app:v2")
			s.told(ReasonDegraded, "found serving")
		}},
		{"the file describes it: it is known in full and can be repaired", func(s *scenario) {
			s.runs("app:v1")
			lost(s)
			s.settles()
			s.removes("app:v1")
			s.settles()
			s.did("start blue-1 app:v1")
			s.serves(spec.Blue, "app:v1")
		}},
		{"the file wants another version: that is rolled out beside it", func(s *scenario) {
			s.runs("app:v1")
			lost(s)
			s.wants("app:v2")
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"a standby is not known any more and is removed, after stable was settled", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			lost(s)
			s.settles()
			s.has("green-1 app:v2")
		}},
		{"the proxy's table is lost, too: the running container is taken for the candidate", func(s *scenario) {
			s.runs("app:v1", active(spec.ActiveAuto))
			s.runs("app:v2")
			lost(s)
			s.host.route = nil
			s.settles()
			s.serves(spec.Green, "app:v2")
			s.didNot("start green-1")
		}},
		{"a version known by its labels only cannot be undone to", func(s *scenario) {
			s.runs("app:v1")
			lost(s)
			s.wants("app:v2", standby(spec.Standby{}))
			s.settles()
			s.refuses(VerbUndo, "no earlier revision is known")
		}},
	})
}

func TestPrune(t *testing.T) {
	run(t, []row{
		{"the route goes first, then open requests end, then the containers, then the record", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			s.inFlight("app:v2", 1, 0)
			s.desired.Pruned = true
			s.passes(10 * time.Second)
			s.did("unroute", "remove blue-1 app:v1")
			s.didNot("remove green-1 app:v2")
			s.inFlight("app:v2", 0, 0)
			s.passes(time.Minute)
			s.did("unroute", "remove blue-1 app:v1", "remove green-1 app:v2")
			s.has()
			if !s.gone {
				s.t.Errorf("it is not gone")
			}
		}},
		{"it ends a rollout under way", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2", tested(seconds(300)))
			s.host.testExit = -1
			s.until("the test", func(bool) bool { return s.host.test != nil })
			s.desired.Pruned = true
			s.passes(2 * time.Minute)
			s.has()
			if !s.gone || s.host.test != nil {
				s.t.Errorf("gone: %v, test: %v", s.gone, s.host.test)
			}
		}},
		{"nothing is removed while the proxy does not answer", func(s *scenario) {
			s.runs("app:v1")
			s.desired.Pruned = true
			s.host.down = true
			s.passes(time.Hour)
			s.didNothing()
		}},
		{"commands are refused", func(s *scenario) {
			s.runs("app:v1")
			s.desired.Pruned = true
			s.refuses(VerbUndo, "being removed")
		}},
		{"an orphan is kept and repaired", func(s *scenario) {
			s.runs("app:v1")
			s.desired.Orphaned = true
			s.removes("app:v1")
			s.settles()
			s.serves(spec.Blue, "app:v1")
			if c := s.status().Synced; c.Reason != ReasonOrphaned {
				s.t.Errorf("synced: %+v", c)
			}
		}},
	})
}

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
