package reconcile

import (
	"slices"
	"time"

	"teal/spec"
)

// removeIdle removes containers that the proxy was seen not to serve, once
// their requests have ended or had their time. Those it serves are left alone.
// It goes on to the next rung when nothing can be done about any of them.
func (t *turn) removeIdle(cs []Container, why string) move {
	var steps []Step
	busy := false
	for _, c := range going(cs) {
		switch {
		case t.hasTraffic(c):
		case t.draining(c):
			busy = true
		default:
			steps = append(steps, t.remove(c, why))
		}
	}
	if len(steps) > 0 {
		return t.do(steps...)
	}
	if busy {
		return t.waitForDrain()
	}
	return onward
}

// waitForDrain looks again soon at first, and less often the longer a drain
// takes: after 20 s once a second, so that connections which stay open for an
// hour do not cost a look at everything four times a second.
func (t *turn) waitForDrain() move {
	since, limits := t.rec.Drain.Since, t.drainLimits()
	t.lookAt(since.Add(limits.Requests.D()))
	t.lookAt(since.Add(limits.Upgraded.D() + upgradedMargin))
	return t.waitUntil(t.in.Now.Add(min(max(t.in.Now.Sub(since)/20, drainLook), lastDrainLook)))
}

// hasTraffic reports whether the proxy sends new requests to c.
func (t *turn) hasTraffic(c Container) bool {
	b, ok := t.live()
	return ok && (slices.Contains(b.Targets, c.Address) || t.listsRevision(b, c) && t.needed(t.placementOf(c), c))
}

// placementOf is the placement of the record that c belongs to, or what its
// labels say.
func (t *turn) placementOf(c Container) *Placement {
	for _, p := range []*Placement{t.rec.Stable, t.candidate(), t.standby()} {
		if p.owns(c) {
			return p
		}
	}
	return t.found(c)
}

func (t *turn) listsRevision(b Backend, c Container) bool {
	return b.Colour == c.Colour && b.Revision == c.Revision
}

// draining reports whether c still has to finish requests, and notes when that
// began.
func (t *turn) draining(c Container) bool {
	plain, upgraded := t.open(c)
	if !plain && !upgraded {
		return false
	}
	limits := t.drainLimits()
	d, replica := t.rec.Drain, 0
	if b, ok := t.live(); ok && t.listsRevision(b, c) {
		replica = c.Replica
	}
	same := d != nil && d.Colour == c.Colour && d.Revision == c.Revision
	if d == nil || !same && !t.exists(d) || same && !d.covers(c, replica) {
		next := &Drain{
			Colour: c.Colour, Revision: c.Revision, Replica: replica, Since: t.in.Now,
			Until: t.in.Now.Add(max(limits.Requests, limits.Upgraded).D()),
		}
		if replica > 0 && same {
			next.Containers = slices.Clone(d.Containers)
		}
		if replica > 0 {
			next.Containers = append(next.Containers, c.ID)
		}
		d = next
		t.rec.Drain = d
	}
	if d.Colour != c.Colour || d.Revision != c.Revision {
		return true // one after the other
	}
	// the proxy closes upgraded connections at their limit: wait to see it done
	return plain && t.in.Now.Before(d.Since.Add(limits.Requests.D())) ||
		upgraded && t.in.Now.Before(d.Since.Add(limits.Upgraded.D()+upgradedMargin))
}

// covers reports whether d's time counts for c: the colour serves no more, or c
// was taken out of it before.
func (d *Drain) covers(c Container, replica int) bool {
	if d.Replica == 0 || replica == 0 {
		return d.Replica == replica
	}
	return slices.Contains(d.Containers, c.ID)
}

// open reports whether c may have plain requests or upgraded connections open.
// A replica taken out of a colour that goes on serving is not counted by
// itself, and gets its full time.
func (t *turn) open(c Container) (plain, upgraded bool) {
	if b, ok := t.live(); ok && t.listsRevision(b, c) {
		return c.State == Running, false
	}
	for _, x := range t.in.World.Served.Traffic {
		if x.Colour == c.Colour && x.Revision == c.Revision {
			plain, upgraded = plain || x.InFlight > 0, upgraded || x.Upgraded > 0
		}
	}
	return plain, upgraded
}

func (t *turn) drainLimits() spec.Drain {
	if r := t.in.Desired.Service.Rollout; r != nil {
		return r.Drain
	}
	return spec.Drain{}
}

func (t *turn) exists(d *Drain) bool {
	return slices.ContainsFunc(t.containers(), func(c Container) bool {
		return !c.Lost && (d.Replica == 0 || slices.Contains(d.Containers, c.ID)) && c.Colour == d.Colour && c.Revision == d.Revision
	})
}

// remove is the step that stops and removes c. What was there before Teal is
// only stopped.
func (t *turn) remove(c Container, why string) Step {
	s := Step{Kind: StepRemove, Container: c.ID, Label: c.Name, Host: c.Host, Grace: t.grace(c), Why: why}
	if c.Foreign {
		s.Kind, s.Foreign = StepStop, true
	}
	return s
}

// grace is how long c may take to end by itself.
func (t *turn) grace(c Container) spec.Duration {
	for _, p := range []*Placement{t.rec.Stable, t.standby(), t.candidate()} {
		if p.owns(c) && p.Revision.Known() {
			return p.Revision.Container.StopGracePeriod
		}
	}
	return t.in.Desired.Service.Container.StopGracePeriod
}

// prune takes an app off the host: route, requests, containers, record.
func (t *turn) prune() move {
	if t.in.Desired.Service.Rollout != nil {
		if m := t.askProxy(); m != onward {
			return m
		}
		if t.in.World.Served.Route != nil {
			return t.do(Step{Kind: StepUnroute, Why: "the app was taken out of the desired state"})
		}
	}
	if x := t.in.World.Test; x != nil && !x.Lost {
		return t.do(t.remove(*x, "its app is being removed"))
	}
	ours := filter(t.in.World.Containers, func(c Container) bool { return !c.Foreign })
	if m := t.removeIdle(ours, "its app is being removed"); m != onward {
		return m
	}
	if len(ours) == 0 && !t.blind() {
		t.note(ReasonRemoved, "nothing is left of it")
		t.d.Gone = true
	}
	return stop
}

const (
	// drainLook is how often a drain is looked at when it has just begun: the
	// proxy counts, it does not call. lastDrainLook is how often at last.
	drainLook     = 250 * time.Millisecond
	lastDrainLook = 5 * time.Second
	// upgradedMargin is what the proxy may take over the limit to close
	// upgraded connections.
	upgradedMargin = 2 * time.Second
)
