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
	for _, c := range cs {
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
		return t.waitUntil(t.in.Now.Add(drainLook))
	}
	return onward
}

// hasTraffic reports whether the proxy sends new requests to c.
func (t *turn) hasTraffic(c Container) bool {
	b, ok := t.live()
	return ok && (slices.Contains(b.Targets, c.Address) || t.listsRevision(b, c) && c.Replica <= t.replicas())
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
	switch same := d != nil && d.Colour == c.Colour && d.Revision == c.Revision; {
	case d == nil, same && replica < d.Replica, !same && !t.exists(d):
		d = &Drain{
			Colour: c.Colour, Revision: c.Revision, Replica: replica, Since: t.in.Now,
			Until: t.in.Now.Add(max(limits.Requests, limits.Upgraded).D()),
		}
		t.rec.Drain = d
	}
	if d.Colour != c.Colour || d.Revision != c.Revision {
		return true // one after the other
	}
	// the proxy closes upgraded connections at their limit: wait to see it done
	return plain && t.in.Now.Before(d.Since.Add(limits.Requests.D())) ||
		upgraded && t.in.Now.Before(d.Since.Add(limits.Upgraded.D()+upgradedMargin))
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
	return slices.ContainsFunc(t.in.World.Containers, func(c Container) bool {
		return c.Colour == d.Colour && c.Revision == d.Revision
	})
}

// remove is the step that stops and removes c.
func (t *turn) remove(c Container, why string) Step {
	return Step{Kind: StepRemove, Container: c.ID, Label: c.Name, Grace: t.grace(c), Why: why}
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
	if x := t.in.World.Test; x != nil {
		return t.do(t.remove(*x, "its app is being removed"))
	}
	if m := t.removeIdle(t.in.World.Containers, "its app is being removed"); m != onward {
		return m
	}
	if len(t.in.World.Containers) == 0 {
		t.note(ReasonRemoved, "nothing is left of it")
		t.d.Gone = true
	}
	return stop
}

const (
	// drainLook is how often a drain is looked at: the proxy counts, it does
	// not call.
	drainLook = 250 * time.Millisecond
	// upgradedMargin is what the proxy may take over the limit to close
	// upgraded connections.
	upgradedMargin = 2 * time.Second
)
