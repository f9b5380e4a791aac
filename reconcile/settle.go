package reconcile

import (
	"fmt"
	"slices"
)

// askProxy stops the pass while the proxy does not answer: who serves is then
// not known, and nothing may be removed, created or switched on a guess.
func (t *turn) askProxy() move {
	if !t.in.World.Served.Known {
		return t.wait()
	}
	if b, ok := t.live(); ok {
		t.rec.Drain = t.rec.Drain.without(b, t.containers())
	}
	return onward
}

// without is what is left of d when b gets traffic: nothing, if it is about b's
// revision, and not the containers that b lists. What gets traffic again has its
// full time when it goes again.
func (d *Drain) without(b Backend, all []Container) *Drain {
	if d == nil || d.Colour != b.Colour || d.Revision != b.Revision {
		return d
	}
	if d.Replica == 0 {
		return nil
	}
	serving := func(id string) bool {
		return slices.ContainsFunc(all, func(c Container) bool { return c.ID == id && slices.Contains(b.Targets, c.Address) })
	}
	if !slices.ContainsFunc(d.Containers, serving) {
		return d
	}
	left := *d
	left.Containers = slices.DeleteFunc(slices.Clone(d.Containers), serving)
	if len(left.Containers) == 0 {
		return nil
	}
	return &left
}

// rebuild adopts what serves when the record knows of no stable revision: the
// database was deleted, or a first rollout ended without one.
func (t *turn) rebuild() move {
	b, ok := t.live()
	if !ok || t.rec.Stable != nil || t.rec.Phase != Idle {
		return onward
	}
	for _, c := range t.on(b.Colour) {
		if c.Revision != b.Revision {
			continue
		}
		t.rec.Stable = t.found(c)
		t.warn(ReasonDegraded, "%s %s was found serving and is taken as stable", c.Colour, short(c.Revision))
		return again
	}
	return onward
}

// found is the placement of a container of which only the labels are known.
func (t *turn) found(c Container) *Placement {
	p := &Placement{
		Colour: c.Colour, Generation: c.Generation, Rollout: c.Rollout, Since: t.in.Now,
		Revision: Revision{ID: c.Revision, Image: Image{Ref: c.Image}}, Adopted: c.Foreign,
	}
	if r := t.in.Desired.Service.Rollout; r != nil {
		p.Health = r.Health
		if c.Foreign {
			p.Revision.Port = r.Route.Port
		}
	}
	return p
}

// settleRoute enforces what the phase wants the proxy to serve, before anything
// else. Switching, Confirming, Aborting and Superseding do so themselves.
func (t *turn) settleRoute() move {
	if t.rec.Stable == nil || t.rec.Phase != Idle && !t.rec.Phase.early() {
		return onward
	}
	var staged *Placement
	if t.rec.Phase == Staged && t.previewable() {
		staged = &t.rec.Candidate.Placement
	}
	if m := t.route(t.rec.Stable, staged, "stable serves"); m != onward {
		return m
	}
	if m := t.staleRoute(); m != onward {
		return m
	}
	if t.rec.Phase != Idle {
		return onward
	}
	return t.settleDrift()
}

// previewable reports whether a staged candidate will stay staged long enough
// to be looked at.
func (t *turn) previewable() bool {
	c := t.rec.Candidate
	return c.Settings.Test != nil && c.Test == "" || !t.gateOpen()
}

// staleRoute takes away a route to another revision on stable's colour whose
// targets are gone: nothing may be made behind it.
func (t *turn) staleRoute() move {
	b, ok := t.live()
	if !ok || b.Colour != t.rec.Stable.Colour || b.Revision == t.rec.Stable.Revision.ID {
		return onward
	}
	if slices.ContainsFunc(t.on(b.Colour), func(c Container) bool { return slices.Contains(b.Targets, c.Address) }) {
		return onward
	}
	if t.blind() && t.rec.Phase == Idle {
		return t.wait() // it may lead to a host that does not answer
	}
	if t.blind() {
		return onward // a rollout under way has its limits all the same
	}
	return t.do(Step{Kind: StepUnroute, Why: fmt.Sprintf("it leads to %s of %s, which is gone", short(b.Revision), b.Colour)})
}

// settleDrift ends the state in which the proxy serves something that is not
// stable, while no rollout is under way: unroute what is empty, give stable
// driftLimit to come back, then follow reality.
func (t *turn) settleDrift() move {
	b, ok := t.live()
	if !ok || t.serves(t.rec.Stable) || b.Colour == t.rec.Stable.Colour && b.Revision == t.rec.Stable.Revision.ID {
		t.rec.Deadline = noTime
		return onward
	}
	if len(t.on(b.Colour)) == 0 && !t.blind() {
		return t.do(Step{Kind: StepUnroute, Why: fmt.Sprintf("it leads to %s, where nothing is", b.Colour)})
	}
	if b.Colour == t.rec.Stable.Colour && !t.somebodyServes() {
		t.rec.Deadline = noTime
		return onward // another revision's entry on stable's colour: repaired once stable is ready
	}
	if t.rec.Deadline.IsZero() {
		t.rec.Deadline = t.in.Now.Add(driftLimit)
		t.warn(ReasonRouteDrift, "the proxy serves %s, stable is %s and cannot serve yet", b.Colour, t.rec.Stable.Colour)
		return again
	}
	if t.due() {
		return t.followReality(b)
	}
	if steps := t.missing(t.rec.Stable, "stable must be able to serve"); len(steps) > 0 {
		return t.do(steps...)
	}
	return t.wait()
}

// followReality makes what serves stable, degraded. A route to what a colour was
// before, with other containers there now, serves nobody and is taken away.
func (t *turn) followReality(b Backend) move {
	old := t.rec.Stable
	serving := filter(t.on(b.Colour), func(x Container) bool { return x.Revision == b.Revision })
	if len(serving) == 0 && t.blind() {
		return t.do(t.missing(old, "stable must be able to serve")...)
	}
	if len(serving) == 0 {
		return t.do(Step{Kind: StepUnroute, Why: fmt.Sprintf("it leads to what %s was before", b.Colour)})
	}
	x := serving[0]
	t.rec.Stable = t.found(x)
	if t.rec.Standby != nil && t.rec.Standby.owns(x) {
		p := t.rec.Standby.Placement
		t.rec.Stable = &p
	}
	t.rec.Standby, t.rec.Deadline = nil, noTime
	t.rec.Degraded = fmt.Sprintf("%s could not serve any more, %s did", old.Colour, b.Colour)
	t.warn(ReasonDegraded, "%s", t.rec.Degraded)
	return again
}

// missing are the steps that make p's containers run, those that do already
// left out. None is made behind a route to another revision of p's colour.
func (t *turn) missing(p *Placement, why string) []Step {
	if p == nil || p.Adopted {
		return nil
	}
	if b, ok := t.live(); ok && b.Colour == p.Colour && b.Revision != p.Revision.ID {
		return nil
	}
	own := t.of(p)
	var steps []Step
	for n := 1; n <= t.replicas(); n++ {
		if t.isAway(t.place(n)) || t.hasReplica(own, n, func(c Container) bool { return t.upOrComing(c) && !p.cutOff(c) }) {
			continue
		}
		if !p.Revision.Known() && !t.hasReplica(own, n, inAnyState) {
			continue // known by its labels only: what is gone cannot be made again
		}
		steps = append(steps, t.ensure(p, n, why))
	}
	return steps
}

// upOrComing reports whether the engine needs no word from us about c.
func (t *turn) upOrComing(c Container) bool {
	return c.State == Running || c.State == Restarting || c.State == Removing
}

// cutOff reports whether c runs where nobody reaches it: it was taken off the
// network of the proxy.
func (p *Placement) cutOff(c Container) bool {
	return p.Revision.Port != 0 && c.State == Running && c.Address == "" && !c.Lost
}

// alive reports whether p has containers and none of them is known to be broken.
func (t *turn) alive(p *Placement) bool {
	own := filter(t.of(p), func(c Container) bool { return t.needed(p, c) })
	return len(own) > 0 && !slices.ContainsFunc(own, func(c Container) bool { return broken(c, p.Health) })
}

// allReady reports whether the first so many of p's containers pass their
// probes, each on its place; of an adopted one, the only.
func (t *turn) allReady(p *Placement, replicas int) bool {
	own := t.of(p)
	if p.Adopted {
		replicas = 0
	}
	for n := 1; n <= replicas; n++ {
		if !t.hasReplica(own, n, t.goodOf(p)) {
			return false
		}
	}
	return !p.Adopted || slices.ContainsFunc(own, t.goodOf(p))
}
