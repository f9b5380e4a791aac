package reconcile_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	. "teal/reconcile"
	"teal/spec"
)

// draw makes random input: any record that could ever have been written, any
// world, any wish. They need not fit together.
type draw struct {
	*rapid.T
	now time.Time
	app bool
}

func (d draw) yes(what string) bool     { return rapid.Bool().Draw(d.T, what) }
func (d draw) n(what string, m int) int { return rapid.IntRange(0, m).Draw(d.T, what) }

// at is a time near the present one, or none.
func (d draw) at(what string) time.Time {
	if d.yes(what + " is set") {
		return d.now.Add(time.Duration(d.n(what, 7200)-3600) * time.Second)
	}
	return time.Time{}
}

func (d draw) colour(what string) spec.Colour {
	if !d.app {
		return ""
	}
	return rapid.SampledFrom([]spec.Colour{spec.Blue, spec.Green}).Draw(d.T, what)
}

func (d draw) revision(what string) Revision {
	if d.n(what+" is forgotten", 9) == 0 {
		return Revision{ID: "forgotten!"}
	}
	return revisionOf(d.service(what))
}

// service is a wish: of three images, with few settings.
func (d draw) service(what string) spec.Service {
	s := newApp(d.T).desired.Service
	s.Container.Image = fmt.Sprint("app:v", d.n(what, 2)+1)
	s.Replicas = d.n(what+" replicas", 3)
	if !d.app {
		s.Rollout = nil
		s.Job = d.yes("job")
		s.Container.Restart = rapid.SampledFrom([]string{"no", "always", "on-failure:3"}).Draw(d.T, "restart")
		return s
	}
	r := s.Rollout
	r.Active = rapid.SampledFrom([]spec.Active{spec.ActiveAuto, spec.ActiveBlue, spec.ActiveGreen}).Draw(d.T, "active")
	r.Promotion = rapid.SampledFrom([]spec.Promotion{
		{Mode: spec.PromotionAuto},
		{Mode: spec.PromotionAfter, After: seconds(60)},
		{Mode: spec.PromotionManual, Timeout: seconds(60), OnTimeout: spec.TimeoutAbort},
		{Mode: spec.PromotionManual, Timeout: seconds(60), OnTimeout: spec.TimeoutPromote},
		{Mode: spec.PromotionManual},
	}).Draw(d.T, "promotion")
	r.Bake.For = seconds(d.n("bake", 2) * 60)
	r.Standby = spec.Standby{For: seconds(d.n("standby", 2) * 60), Forever: d.yes("forever")}
	if d.yes("test") {
		r.Test = &spec.Test{Command: []string{"smoke"}, Timeout: seconds(60)}
	}
	return s
}

func revisionOf(s spec.Service) Revision {
	img, port := Image{Ref: s.Container.Image, Digest: "sha256:" + s.Container.Image}, 0
	if s.Rollout != nil {
		port = s.Rollout.Route.Port
	}
	return Revision{ID: spec.RevisionID(s.Container, port, img.Digest), Image: img, Container: s.Container, Port: port}
}

func (d draw) placement(what string) Placement {
	p := Placement{Colour: d.colour(what), Revision: d.revision(what), Generation: int64(d.n(what+" generation", 4)), Rollout: "r-1"}
	if d.app {
		p.Health = newApp(d.T).desired.Service.Rollout.Health
	}
	return p
}

func (d draw) record() Record {
	r := Record{Generation: int64(d.n("observed", 4)), ImageGeneration: int64(d.n("resolved", 4)), Deadline: d.at("deadline"), Rollouts: 3}
	r.Image = d.revision("image").Image
	phases := []Phase{Idle, Preparing, Starting, Verifying, Aborting, Superseding}
	if d.app {
		phases = append(phases, Staged, Switching, Confirming)
	}
	r.Phase = rapid.SampledFrom(phases).Draw(d.T, "phase")
	if r.Phase != Idle {
		r.Candidate = d.candidate(r.Phase)
	}
	if d.yes("stable") {
		p := d.placement("stable")
		r.Stable = &p
	}
	if d.app && d.yes("standby") {
		r.Standby = &Standby{Placement: d.placement("standby"), Until: d.at("standby until")}
	}
	if d.yes("drain") {
		r.Drain = &Drain{Colour: d.colour("drain"), Revision: d.revision("drain").ID, Since: d.now.Add(-time.Minute)}
	}
	if d.yes("hold") {
		r.Hold = &Hold{Generation: int64(d.n("held", 4)), Revision: d.revision("held").ID, Rollout: "r-1"}
	}
	if d.yes("override") {
		r.Override = &Override{Generation: int64(d.n("overridden", 4))}
	}
	if d.yes("backoff") {
		kinds := []StepKind{StepResolve, StepPull, StepEnsure, StepRemove, StepRoute, StepUnroute, StepTest}
		r.Backoff = &Backoff{Attempts: d.n("attempts", 12), Next: d.at("next"), Step: rapid.SampledFrom(kinds).Draw(d.T, "failed")}
	}
	return r
}

func (d draw) candidate(p Phase) *Candidate {
	c := &Candidate{
		Placement: d.placement("candidate"), Trigger: rapid.SampledFrom([]Trigger{TriggerChange, TriggerActive, TriggerUndo}).Draw(d.T, "trigger"),
		Pulled: d.yes("pulled"), Created: d.yes("created"), SkipGates: d.yes("skips"), Pinned: d.yes("pinned"), Promoted: d.yes("promoted"),
		Test: rapid.SampledFrom([]TestResult{"", TestPassed}).Draw(d.T, "result"), Verified: d.at("verified"), Switched: d.at("switched"),
		Replicas: d.n("verified replicas", 3),
	}
	if d.app {
		c.Settings = *d.service("settings").Rollout
	}
	if p == Aborting {
		c.Verdict = &Failure{Class: Verdict, Reason: ReasonUnhealthy, Message: "bad"}
	}
	return c
}

func (d draw) world() World {
	w := World{Served: Served{Known: d.n("known", 5) > 0}}
	for i := range d.n("containers", 5) {
		w.Containers = append(w.Containers, d.container(i))
	}
	if d.app && d.yes("testing") {
		c := d.container(9)
		c.Rollout = rapid.SampledFrom([]string{"r-1", "r-2"}).Draw(d.T, "tested")
		w.Test = &c
	}
	if d.app && w.Served.Known && d.yes("routed") {
		w.Served.Route = &Route{Host: "*", Path: "/", Backends: []Backend{{
			Colour: d.colour("live"), Revision: d.revision("live").ID, Weight: 100, Targets: []string{fmt.Sprintf("10.9.0.%d:8080", d.n("target", 4))},
		}}}
	}
	for i := range d.n("traffic", 2) {
		w.Served.Traffic = append(w.Served.Traffic, Traffic{
			Colour: d.colour("counted"), Revision: d.revision("counted").ID, InFlight: d.n("open", 2), Upgraded: d.n("upgraded", 2),
			Requests: int64(100 * i), Failures: int64(d.n("failures", 50)),
		})
	}
	return w
}

func (d draw) container(i int) Container {
	states := []ContainerState{Created, Running, Running, Running, Paused, Restarting, Removing, Exited, Dead}
	rev := d.revision("container")
	c := Container{
		ID: fmt.Sprint("c", i), Name: fmt.Sprint("c", i), Colour: d.colour("container"), Replica: d.n("replica", 3), Revision: rev.ID,
		State: rapid.SampledFrom(states).Draw(d.T, "state"), ExitCode: d.n("exit", 1), Restarts: d.n("restarts", 4), StartedAt: d.at("started"),
		Health: rapid.SampledFrom([]EngineHealth{HealthNone, HealthStarting, HealthHealthy, HealthUnhealthy}).Draw(d.T, "checked"),
	}
	if d.app {
		c.Address = fmt.Sprintf("10.9.0.%d:8080", i)
	}
	if n := d.n("probes", 5); d.yes("healthy") {
		c.Probe = Probe{Attempts: n, Successes: n, Since: d.now.Add(-time.Hour)}
	} else {
		c.Probe = Probe{Attempts: n, Failures: n}
	}
	return c
}

func (d draw) input() Input {
	in := Input{Now: d.now, Record: d.record(), World: d.world()}
	in.Desired = Desired{Generation: int64(d.n("generation", 4)), Service: d.service("wish"), Orphaned: d.yes("orphaned"), Pruned: d.n("pruned", 9) == 0}
	if d.yes("closed") {
		in.Closed = &Closure{Reason: ReasonFrozen, Message: "frozen", Next: d.now.Add(time.Duration(d.n("opens", 3)-1) * time.Hour)}
	}
	for i := range d.n("commands", 2) {
		in.Commands = append(in.Commands, Command{
			Token: fmt.Sprint("t", i), Rollout: rapid.SampledFrom([]string{"", "r-1", "r-7", Waiting(in.Desired.Generation)}).Draw(d.T, "meant"),
			Verb: rapid.SampledFrom([]Verb{VerbPromote, VerbAbort, VerbUndo, VerbRetry, "dance"}).Draw(d.T, "verb"),
		})
	}
	if d.yes("previous") {
		p := d.placement("previous")
		in.Previous = &p
	}
	return in
}

// TestNextOnAnyInput: it never panics, gives the same answer twice, changes
// nothing it was given, answers every command, and a pass that was recorded and
// killed is taken up where it was.
func TestNextOnAnyInput(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw{t, time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), rapid.Bool().Draw(t, "app")}
		in := d.input()
		before := dump(in)
		got := Next(in)
		if !reflect.DeepEqual(got, Next(in)) {
			t.Errorf("two answers to one input")
		}
		Describe(in)
		Probes(in.Record, in.World)
		if dump(in) != before {
			t.Errorf("its input was changed")
		}
		for _, c := range in.Commands {
			if _, ok := got.Taken[c.Token]; !ok {
				t.Errorf("%s was not answered", c.Verb)
			}
		}
		if !got.Again.IsZero() && !got.Again.After(in.Now) {
			t.Errorf("it wants to look again in the past")
		}
		if (got.Record.Phase == Idle) != (got.Record.Candidate == nil) {
			t.Errorf("phase %s with candidate %v", got.Record.Phase.Words(), got.Record.Candidate)
		}
		in.Record, in.Commands = got.Record, nil
		repeat := Next(in)
		if !in.Desired.Pruned && dump(words(repeat.Steps)) != dump(words(got.Steps)) {
			t.Errorf("recorded and killed before its effects, it goes on with %q, not %q", words(repeat.Steps), words(got.Steps))
		}
	})
}

func words(steps []Step) (out []string) {
	for _, s := range steps {
		out = append(out, s.String()+" "+s.Container)
	}
	return out
}
