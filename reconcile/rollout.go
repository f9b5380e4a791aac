package reconcile

import (
	"fmt"
	"time"
)

// candidate is the placement being rolled out, or nil.
func (t *turn) candidate() *Placement {
	if t.rec.Candidate == nil {
		return nil
	}
	return &t.rec.Candidate.Placement
}

// edit returns a copy of the candidate that is the record's from now on.
func (t *turn) edit() *Candidate {
	c := *t.rec.Candidate
	t.rec.Candidate = &c
	return &c
}

// preparing waits for dependencies and fetches the image. Nothing is taken away
// from anybody yet.
func (t *turn) preparing() move {
	c := t.rec.Candidate
	if c.Pulled {
		return t.to(Starting, startLimit)
	}
	if _, waits := t.awaits(); waits {
		return t.wait()
	}
	return t.do(Step{Kind: StepPull, Image: c.Revision.Image, Why: "rollout " + c.Rollout})
}

// awaits says which dependency has not come as far as it must.
func (t *turn) awaits() (string, bool) {
	for _, d := range t.in.Desired.Service.DependsOn {
		s := t.in.World.Dependencies[d.Service]
		if !s.Met(d.Condition) {
			return fmt.Sprintf("%s: %s (wants %s)", d.Service, s.Words, d.Condition), true
		}
	}
	return "", false
}

// starting empties the free colour and starts the candidate there.
func (t *turn) starting() move {
	c := t.rec.Candidate
	if m := t.clearColour(); m != onward {
		return m
	}
	if b := t.rec.Backoff; b != nil && !t.rec.Deadline.Equal(b.Next.Add(startLimit)) {
		t.rec.Deadline = b.Next.Add(startLimit) // time lost to the infrastructure is not the candidate's
	}
	if t.due() {
		return t.abort(Failure{Class: Verdict, Reason: ReasonStartTimeout, Message: fmt.Sprintf("not all containers started within %s", startLimit)})
	}
	if steps := t.unstarted(); len(steps) > 0 {
		if !c.Created {
			t.edit().Created = true
		}
		return t.do(append(steps, t.missing(t.rec.Stable, stableReplicas)...)...)
	}
	return t.to(Verifying, c.Health.Deadline.D())
}

// unstarted are the steps for candidate containers that never ran. One that ran
// and ended is not started again: that is for the verdict.
func (t *turn) unstarted() []Step {
	c := t.rec.Candidate
	own := t.of(&c.Placement)
	var steps []Step
	for n := 1; n <= t.replicas(); n++ {
		if !hasReplica(own, n, t.wasStarted) {
			steps = append(steps, Step{Kind: StepEnsure, Why: "rollout " + c.Rollout, Ensure: &Ensure{
				Colour: c.Colour, Replica: n, Revision: c.Revision, Generation: c.Generation, Rollout: c.Rollout,
			}})
		}
	}
	return steps
}

// wasStarted reports whether x runs or has run in this rollout.
func (t *turn) wasStarted(x Container) bool {
	switch x.State {
	case Created, Paused, Removing:
		return false
	case Exited:
		before, ok := t.rec.Candidate.Ended[x.ID]
		return !ok || !before.Equal(x.StartedAt)
	case Running, Restarting, Dead:
	}
	return true
}

// clearColour makes room for the candidate: a route that points there is taken
// away if nothing is behind it, the rollout is withdrawn if something is, and
// the containers of others are drained and removed.
func (t *turn) clearColour() move {
	c := t.rec.Candidate
	own := t.of(&c.Placement)
	others := filter(t.on(c.Colour), func(x Container) bool { return !c.owns(x) })
	if t.liveOn(c.Colour) && len(own) == 0 {
		if len(others) == 0 {
			return t.do(Step{Kind: StepUnroute, Why: fmt.Sprintf("it leads to %s, where nothing is yet", c.Colour)})
		}
		return t.withdraw()
	}
	if len(others) == 0 {
		return onward
	}
	if s := t.rec.Standby; s != nil && s.Colour == c.Colour {
		t.rec.Standby = nil
		t.note(ReasonStandbyEnded, "the standby makes room for the candidate")
	}
	if m := t.removeIdle(others, "the candidate needs its colour"); m != onward {
		return m
	}
	return t.wait()
}

// withdraw gives a rollout up without a hold: what serves is settled first.
func (t *turn) withdraw() move {
	t.warn(ReasonWithdrawn, "the proxy serves %s, which is not free then", t.rec.Candidate.Colour)
	t.rec.Candidate = nil
	return t.to(Idle, 0)
}

// verifying waits until every replica has passed its probes without a break.
func (t *turn) verifying() move {
	c := t.rec.Candidate
	if len(t.unstarted()) > 0 {
		return t.to(Starting, startLimit) // one was removed behind our back
	}
	if f := t.crashed(c.Settings.Health.Restarts); f != nil {
		return t.abort(*f)
	}
	if t.allReady(&c.Placement, t.replicas()) {
		c = t.edit()
		c.Verified, c.Replicas = t.in.Now, t.replicas()
		t.note(ReasonVerified, "all %d ready", t.replicas())
		return t.to(Staged, 0)
	}
	if t.due() && t.probedInVain() {
		return t.abort(Failure{Class: Verdict, Reason: ReasonUnhealthy, Message: t.unhealthyWords()})
	}
	t.lookReady(&c.Placement)
	return t.wait()
}

// crashed is the verdict on a candidate whose containers end.
func (t *turn) crashed(limit int) *Failure {
	for _, x := range t.of(t.candidate()) {
		switch {
		case x.Restarts-t.rec.Candidate.Restarts[x.ID] >= max(limit, 1):
			return &Failure{Class: Verdict, Reason: ReasonCrashLoop, Message: fmt.Sprintf("%s restarted %d times, last exit code %d", x.Name, x.Restarts, x.ExitCode)}
		case x.State == Exited || x.State == Dead:
			return &Failure{Class: Verdict, Reason: ReasonExited, Message: fmt.Sprintf("%s exited with %d", x.Name, x.ExitCode)}
		}
	}
	return nil
}

// probedInVain reports whether a container that is not ready had its chance:
// it does not run, or a probe of it failed since probing began. After a restart
// of Teal probing begins anew, past the deadline too.
func (t *turn) probedInVain() bool {
	c := t.rec.Candidate
	for _, x := range t.of(&c.Placement) {
		if ready(x, c.Health, t.in.Now) {
			continue
		}
		if x.State != Running || x.Probe.Attempts > x.Probe.Successes {
			return true
		}
	}
	return false
}

func (t *turn) unhealthyWords() string {
	for _, x := range t.of(t.candidate()) {
		if !ready(x, t.rec.Candidate.Health, t.in.Now) {
			return fmt.Sprintf("%s not ready after %s: %s", x.Name, t.rec.Candidate.Health.Deadline, words(x))
		}
	}
	return "not ready"
}

// words is what is known of a container's health, for people.
func words(c Container) string {
	switch {
	case c.State != Running:
		return fmt.Sprintf("%s, exit code %d", c.State, c.ExitCode)
	case c.Probe.Words == "":
		return "not probed yet"
	}
	return c.Probe.Words
}

// lookReady looks again when a replica will have been healthy for long enough.
func (t *turn) lookReady(p *Placement) {
	for _, x := range t.of(p) {
		if x.Probe.Successes > 0 && p.Health.MinHealthy > 0 {
			if at := x.Probe.Since.Add(p.Health.MinHealthy.D()); at.After(t.in.Now) {
				t.lookAt(at)
			}
		}
	}
}

// abort gives the rollout up with a verdict; going back is Aborting's work.
func (t *turn) abort(f Failure) move {
	t.edit().Verdict = &f
	t.warn(f.Reason, "%s", f.Message)
	return t.to(Aborting, 0)
}

// verified is how many replicas the candidate must still have.
func (t *turn) verified() int {
	return min(max(t.rec.Candidate.Replicas, 1), t.replicas())
}

// spoiled is the verdict on a verified candidate that is not good any more.
func (t *turn) spoiled() *Failure {
	c := t.rec.Candidate
	own := t.of(&c.Placement)
	for n := 1; n <= t.verified(); n++ {
		if !hasReplica(own, n, func(Container) bool { return true }) {
			return &Failure{Class: Verdict, Reason: ReasonUnhealthy, Message: fmt.Sprintf("replica %d is gone", n)}
		}
	}
	limit := c.Settings.Health.Restarts
	if t.rec.Phase == Confirming {
		limit = 1 // after the switch nothing may end
	}
	if f := t.crashed(limit); f != nil {
		return f
	}
	for _, x := range own {
		if x.Replica <= t.verified() && broken(x, c.Health) {
			return &Failure{Class: Verdict, Reason: ReasonUnhealthy, Message: fmt.Sprintf("%s: %s", x.Name, words(x))}
		}
	}
	return nil
}

// ended are the start times of p's containers that have ended.
func (t *turn) ended(p *Placement) map[string]time.Time {
	var out map[string]time.Time
	for _, x := range t.of(p) {
		if x.State == Exited {
			if out == nil {
				out = map[string]time.Time{}
			}
			out[x.ID] = x.StartedAt
		}
	}
	return out
}

// restarts are the present restart counts of the candidate's containers.
func (t *turn) restarts(p *Placement) map[string]int {
	var out map[string]int
	for _, x := range t.of(p) {
		if x.Restarts > 0 {
			if out == nil {
				out = map[string]int{}
			}
			out[x.ID] = x.Restarts
		}
	}
	return out
}
