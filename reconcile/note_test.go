package reconcile_test

import (
	"reflect"
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

// TestNote says what the record keeps of each outcome of each step.
func TestNote(t *testing.T) {
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	img := Image{Ref: "app:v2", Digest: "sha256:2"}
	rev := Revision{ID: "r2", Image: img, Container: spec.Container{Image: "app:v2"}}
	in := func(p Phase) Record {
		c := &Candidate{Placement: Placement{Colour: spec.Green, Revision: rev, Generation: 2, Rollout: "r-2"}}
		return Record{Name: spec.Name{Project: "shop", Service: "web"}, Generation: 2, Phase: p, Candidate: c}
	}
	ensure := func(r Revision, c spec.Colour) Step {
		return Step{Kind: StepEnsure, Ensure: &Ensure{Colour: c, Revision: r, Replica: 1}}
	}
	infra := &Failure{Class: Infra, Reason: ReasonEngineUnavailable, Message: "away"}
	permanent := &Failure{Class: Permanent, Reason: ReasonEngineRefused, Message: "invalid"}
	for _, c := range []struct {
		says string
		rec  Record
		step Step
		out  Outcome
		ok   func(Record) bool
	}{
		{
			"a resolved image is kept with the generation it was resolved for",
			Record{Generation: 1},
			Step{Kind: StepResolve, Generation: 2, Image: Image{Ref: "app:v2"}},
			Outcome{Image: img},
			func(r Record) bool { return r.Image == img && r.ImageGeneration == 2 && r.Generation == 1 },
		},
		{
			"an image that cannot be resolved holds its generation and acknowledges it",
			Record{Generation: 1},
			Step{Kind: StepResolve, Generation: 2, Image: Image{Ref: "app:v2"}},
			Outcome{Failure: permanent},
			func(r Record) bool {
				return r.Generation == 2 && r.Hold != nil && r.Hold.Generation == 2 && r.Hold.Image == "app:v2"
			},
		},
		{
			"a registry that is away holds nothing",
			Record{Generation: 1},
			Step{Kind: StepResolve, Generation: 2},
			Outcome{Failure: infra},
			func(r Record) bool { return r.Hold == nil && r.Backoff != nil && r.Generation == 1 },
		},
		{
			"a pulled image is remembered", in(Preparing),
			Step{Kind: StepPull, Image: img},
			Outcome{},
			func(r Record) bool { return r.Candidate.Pulled },
		},
		{
			"an image pulled for an earlier candidate is not the present one's", in(Preparing),
			Step{Kind: StepPull, Image: Image{Ref: "app:v1"}},
			Outcome{},
			func(r Record) bool { return !r.Candidate.Pulled },
		},
		{
			"a permanent failure of a pull aborts", in(Preparing),
			Step{Kind: StepPull, Image: img},
			Outcome{Failure: permanent},
			func(r Record) bool { return r.Phase == Aborting && r.Candidate.Verdict.Reason == ReasonEngineRefused },
		},
		{
			"a permanent failure of the candidate's container aborts", in(Starting), ensure(rev, spec.Green),
			Outcome{Failure: permanent},
			func(r Record) bool { return r.Phase == Aborting },
		},
		{
			"a permanent failure of stable's container is waited out: it stays wanted", in(Starting), ensure(rev, spec.Blue),
			Outcome{Failure: permanent},
			func(r Record) bool { return r.Phase == Starting && r.Backoff != nil },
		},
		{
			"a permanent failure while it is taken back is waited out", in(Superseding), ensure(rev, spec.Green),
			Outcome{Failure: permanent},
			func(r Record) bool { return r.Phase == Superseding && r.Backoff != nil },
		},
		{
			"a permanent failure of the test aborts", in(Staged),
			Step{Kind: StepTest, Test: &TestRun{}},
			Outcome{Failure: permanent},
			func(r Record) bool { return r.Phase == Aborting },
		},
		{
			"a proxy that refuses for good is waited out", in(Switching),
			Step{Kind: StepRoute, Route: &Route{}},
			Outcome{Failure: permanent},
			func(r Record) bool { return r.Phase == Switching && r.Backoff != nil },
		},
		{
			"evidence is kept with the words of the last probe", in(Aborting),
			Step{Kind: StepEvidence, LastProbes: map[string]string{"a": "GET / → 503"}},
			Outcome{Evidence: &Evidence{At: now, Containers: []ContainerEvidence{{Name: "a", ExitCode: 137}}}},
			func(r Record) bool {
				e := r.Candidate.Evidence
				return e != nil && e.Containers[0].LastProbe == "GET / → 503" && e.Containers[0].ExitCode == 137
			},
		},
		{
			"evidence that cannot be had does not keep the abort from ending", in(Aborting),
			Step{Kind: StepEvidence},
			Outcome{Failure: infra},
			func(r Record) bool { return r.Candidate.Evidence != nil && r.Backoff == nil },
		},
		{
			"success ends the wait of its own kind of step",
			Record{Backoff: &Backoff{Step: StepPull, Attempts: 3}},
			Step{Kind: StepPull},
			Outcome{},
			func(r Record) bool { return r.Backoff == nil },
		},
		{
			"success of another kind of step does not",
			Record{Backoff: &Backoff{Step: StepPull, Attempts: 3}},
			Step{Kind: StepRoute, Route: &Route{}},
			Outcome{},
			func(r Record) bool { return r.Backoff != nil },
		},
		{
			"a failure of another kind of step begins to count anew",
			Record{Backoff: &Backoff{Step: StepPull, Attempts: 3}},
			Step{Kind: StepRoute, Route: &Route{}},
			Outcome{Failure: infra},
			func(r Record) bool { return r.Backoff.Step == StepRoute && r.Backoff.Attempts == 1 },
		},
		{
			"what can be seen again is not noted", in(Starting), ensure(rev, spec.Green),
			Outcome{},
			func(r Record) bool { return reflect.DeepEqual(r, in(Starting)) },
		},
	} {
		t.Run(c.says, func(t *testing.T) {
			before := dump(c.rec)
			got, events := Note(c.rec, c.step, c.out, now)
			if !c.ok(got) {
				t.Errorf("record: %s", dump(got))
			}
			if dump(c.rec) != before {
				t.Errorf("Note changed the record it was given")
			}
			if c.out.Failure != nil && len(events) == 0 {
				t.Errorf("no event tells of the failure")
			}
		})
	}
}
