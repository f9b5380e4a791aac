package reconcile

import "fmt"

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
	_, away := t.awayPlace()
	_, waits := t.awaits()
	switch {
	case (away || waits || t.backingOff(StepPull)) && t.postpone():
		return again
	case away || waits:
		return t.wait()
	}
	return t.do(Step{Kind: StepPull, Image: c.Revision.Image, Hosts: t.places(), Why: "rollout " + c.Rollout})
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
	steps, unseen := t.unstarted(), t.unseen()
	if b := t.rec.Backoff; b != nil && len(steps) > 0 && !t.rec.Deadline.Equal(b.Next.Add(startLimit)) {
		t.rec.Deadline = b.Next.Add(startLimit) // time lost to the infrastructure is not the candidate's
	}
	switch a, away := t.awayPlace(); {
	case len(steps) == 0 && !unseen:
		return t.to(Verifying, c.Health.Deadline.D())
	case t.due() && away:
		return t.abortAway(a)
	case t.due():
		return t.abort(Failure{Class: Verdict, Reason: ReasonStartTimeout, Message: fmt.Sprintf("not all containers started within %s", startLimit)})
	}
	if len(steps) > 0 && !c.Created {
		t.edit().Created = true
	}
	t.do(append(steps, t.missing(t.rec.Stable, stableReplicas)...)...)
	if unseen {
		return t.wait()
	}
	return stop
}

// unstarted are the steps for candidate containers that never ran. One that ran
// and ended is not started again: that is for the verdict.
func (t *turn) unstarted() []Step {
	c := t.rec.Candidate
	if c.Adopted {
		return nil
	}
	own := t.of(&c.Placement)
	var steps []Step
	for n := 1; n <= t.replicas(); n++ {
		if !t.isAway(t.place(n)) && !t.hasReplica(own, n, t.wasStarted) {
			steps = append(steps, t.ensure(&c.Placement, n, "rollout "+c.Rollout))
		}
	}
	return steps
}

// unseen reports whether a replica of the candidate is to be on a host that does
// not answer, and was not seen to have been started there.
func (t *turn) unseen() bool {
	c := t.rec.Candidate
	own := t.of(&c.Placement)
	for n := 1; n <= t.replicas() && !c.Adopted; n++ {
		if t.isAway(t.place(n)) && !t.hasReplica(own, n, t.wasStarted) {
			return true
		}
	}
	return false
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
// the containers of others are drained and removed. So is what a host still had
// of earlier times, and what is not on its place: it may hold a port there.
func (t *turn) clearColour() move {
	c := t.rec.Candidate
	own := t.of(&c.Placement)
	others := filter(t.on(c.Colour), func(x Container) bool { return !c.owns(x) })
	if b, ok := t.live(); ok && b.Colour == c.Colour && (len(own) == 0 || b.Revision != c.Revision.ID) {
		if len(others) == 0 && !t.blind() {
			return t.do(Step{Kind: StepUnroute, Why: fmt.Sprintf("it leads to %s, where nothing of it is", c.Colour)})
		}
		return t.withdraw()
	}
	if s := t.rec.Standby; s != nil && s.Colour == c.Colour && (len(others) > 0 || t.blind()) {
		t.rec.Standby = nil
		t.note(ReasonStandbyEnded, "the standby makes room for the candidate")
	}
	more := len(t.unstarted()) > 0
	left := filter(t.containers(), func(x Container) bool {
		if c.owns(x) {
			return more && !x.Foreign && t.misplaced(&c.Placement, x)
		}
		return !t.rec.Stable.owns(x) && (x.Colour == c.Colour || !t.spared(x))
	})
	if m := t.removeIdle(left, "the candidate needs its colour"); m != onward {
		return m
	}
	if len(going(others)) > 0 {
		return t.wait()
	}
	return onward
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
	if t.revive() {
		return t.to(Starting, startLimit)
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
	if a, away := t.overdue(); away {
		return t.abortAway(a)
	}
	if t.due() && t.probedInVain() {
		return t.abort(Failure{Class: Verdict, Reason: ReasonUnhealthy, Message: t.unhealthyWords()})
	}
	t.lookReady(&c.Placement)
	return t.wait()
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
