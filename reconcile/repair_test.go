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
		Staged: func(s *scenario) { s.wants("app:v2", manual(spec.TimeoutAbort)) },
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
		{"stable that was taken off the proxy's network is put back", func(s *scenario) {
			s.runs("app:v1")
			s.host.all("app:v1")[0].Address = ""
			s.forget()
			s.passes(40 * time.Second)
			s.did("start blue-1 app:v1")
			s.serves(spec.Blue, "app:v1")
			s.settles()
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
