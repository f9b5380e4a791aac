package reconcile

import (
	"fmt"
	"slices"
)

// aborting takes a rollout back: traffic first, then evidence, then the
// candidate's own containers. Superseding is the same without verdict and hold.
func (t *turn) aborting() move {
	c := t.rec.Candidate
	if m := t.backToStable(); m != onward {
		return m
	}
	if t.rec.Phase == Aborting && c.Created && c.Evidence == nil {
		if own := t.lookedAt(&c.Placement); len(own) > 0 {
			return t.do(t.collect(own))
		}
	}
	if x := t.in.World.Test; x != nil && !x.Lost {
		return t.do(t.remove(*x, "its rollout is being taken back"))
	}
	own := t.of(&c.Placement)
	if m := t.removeIdle(own, "rollout "+c.Rollout+" is being taken back"); m != onward {
		return m
	}
	if t.rec.Stable == nil && t.liveOn(c.Colour) && len(own) > 0 {
		return t.keepFirst()
	}
	if len(going(own)) > 0 && (!t.due() || !t.blind()) {
		return t.wait()
	}
	return t.close() // what is left is removed when all hosts are back
}

// somebodyServes reports whether the route leads to what it says, be it not the
// candidate: an old table can lead to the standby.
func (t *turn) somebodyServes() bool {
	b, ok := t.live()
	return ok && slices.ContainsFunc(t.on(b.Colour), func(c Container) bool {
		return c.Revision == b.Revision && slices.Contains(b.Targets, c.Address)
	})
}

// lookedAt are p's containers whose host answers.
func (t *turn) lookedAt(p *Placement) []Container {
	return filter(t.of(p), func(c Container) bool { return !c.Lost })
}

// backToStable gives the traffic back to stable, if the candidate has it. When
// stable cannot serve within abortLimit, the candidate becomes stable, degraded:
// an abort must end, or a broken stable would block every fix.
func (t *turn) backToStable() move {
	c := t.rec.Candidate
	if t.rec.Stable == nil {
		return onward
	}
	if m := t.route(t.rec.Stable, nil, "rollout "+c.Rollout+" is being taken back"); m != onward {
		return m
	}
	if !t.liveOn(c.Colour) || c.Colour == t.rec.Stable.Colour {
		return onward
	}
	if t.rec.Deadline.IsZero() {
		t.rec.Deadline = t.in.Now.Add(abortLimit)
		return again
	}
	if t.due() && t.serves(&c.Placement) {
		t.adopt()
		return again
	}
	if t.due() && (t.blind() || t.somebodyServes()) {
		if steps := t.missing(t.rec.Stable, "stable must take the traffic back"); len(steps) > 0 && !t.backingOff(StepEnsure) {
			return t.do(steps...)
		}
		return onward // that is settled, or seen, once this is over
	}
	if t.due() {
		return t.do(Step{Kind: StepUnroute, Why: "it leads to what " + string(c.Colour) + " was before, and stable cannot serve"})
	}
	if steps := t.missing(t.rec.Stable, "stable must take the traffic back"); len(steps) > 0 {
		return t.do(steps...)
	}
	return t.wait()
}

// adopt makes the candidate stable because nothing else can serve, and holds
// the generation.
func (t *turn) adopt() {
	c := t.rec.Candidate
	t.rec.Degraded = fmt.Sprintf("stable %s could not take the traffic back", t.rec.Stable.Colour)
	t.warn(ReasonDegraded, "%s; %s stays", t.rec.Degraded, c.Colour)
	t.finish(Adopted)
	t.hold(c)
	t.stabilise(c)
	t.rec.Candidate = nil
	t.to(Idle, 0)
}

// keepFirst ends the taking back of a first rollout that has the traffic: there
// is nothing to go back to, so it is stable. Superseded, it was verified;
// aborted, it stays although its generation is held.
func (t *turn) keepFirst() move {
	c := t.rec.Candidate
	if t.rec.Phase == Superseding {
		t.finish(Succeeded)
	} else {
		t.rec.Degraded = fmt.Sprintf("%s, and there is nothing to go back to", c.Verdict.Message)
		t.warn(ReasonDegraded, "%s; %s stays", t.rec.Degraded, c.Colour)
		t.finish(Adopted)
		t.hold(c)
	}
	t.stabilise(c)
	t.rec.Candidate = nil
	return t.to(Idle, 0)
}

// collect is the step that keeps what is left of containers before they go.
func (t *turn) collect(cs []Container) Step {
	s := Step{Kind: StepEvidence, LastProbes: map[string]string{}, Why: "before they are removed"}
	for _, x := range cs {
		s.collect(x)
		s.LastProbes[x.Name] = words(x)
	}
	if x := t.in.World.Test; x != nil && !x.Lost {
		s.collect(*x)
	}
	return s
}

func (s *Step) collect(x Container) {
	s.Containers = append(s.Containers, x.ID)
	if x.Host == "" {
		return
	}
	if s.Located == nil {
		s.Located = map[string]string{}
	}
	s.Located[x.ID] = x.Host
}

// close ends the taking back. An abort holds the generation it belongs to, if
// that was what asked for the rollout.
func (t *turn) close() move {
	c := t.rec.Candidate
	switch {
	case t.rec.Phase == Superseding:
		t.finish(Superseded)
	case c.Switched.IsZero():
		t.finish(Failed)
	default:
		t.finish(RolledBack)
	}
	switch {
	case t.rec.Phase == Superseding:
	case c.Verdict.Class == Infra: // nothing is wrong with the revision
		t.warn(ReasonRolledBack, "%s was taken back: %s", c.Revision.Image.Ref, c.Verdict.Message)
	case c.Trigger == TriggerUndo: // a way back that failed says nothing against what is wanted
		t.warn(ReasonRolledBack, "%s could not be gone back to: %s", c.Revision.Image.Ref, c.Verdict.Message)
	default:
		t.hold(c)
		t.warn(ReasonRolledBack, "%s is held: %s", c.Revision.Image.Ref, c.Verdict.Message)
	}
	t.rec.Candidate = nil
	return t.to(Idle, 0)
}

// hold keeps the candidate's generation from being tried again. A failure of the
// infrastructure holds nothing.
func (t *turn) hold(c *Candidate) {
	if c.Generation != t.rec.Generation || c.Verdict == nil || c.Verdict.Class == Infra {
		return
	}
	t.rec.Hold = &Hold{
		Generation: c.Generation, Revision: c.Revision.ID, Image: c.Revision.Image.Ref, Rollout: c.Rollout,
		Reason: c.Verdict.Reason, Message: c.Verdict.Message, Since: t.in.Now, Evidence: c.Evidence,
	}
}
