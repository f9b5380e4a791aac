package reconcile

import (
	"fmt"
	"slices"

	"teal/spec"
)

// takeOver makes a container that was there before Teal stable, when nothing of
// ours serves: it gets the route, and what is wished for goes to the other
// colour. One that the operator made anew stands for the one before.
func (t *turn) takeOver() move {
	s := t.rec.Stable
	if t.rec.Phase != Idle || s != nil && (!s.Adopted || t.blind() || len(t.of(s)) > 0) {
		return onward
	}
	c, ok := t.toTakeOver()
	if !ok || s != nil && c.Colour != s.Colour {
		return onward
	}
	t.rec.Stable = t.found(c)
	t.note(ReasonAdopted, "%s was there before and is taken as stable, %s", c.Name, c.Colour)
	return again
}

// toTakeOver is the container to take over, if there is one and nothing of ours
// has its traffic.
func (t *turn) toTakeOver() (Container, bool) {
	b, ok := t.live()
	if ok && (t.blind() || slices.ContainsFunc(t.on(b.Colour), func(c Container) bool { return !c.Foreign })) {
		return Container{}, false
	}
	for _, c := range t.containers() {
		if c.Foreign && up(c) {
			return c, true
		}
	}
	return Container{}, false
}

// spared reports whether c was there before Teal and no rollout of ours has
// replaced it yet.
func (t *turn) spared(c Container) bool {
	return c.Foreign && (t.rec.Stable == nil || t.rec.Stable.Adopted)
}

// useAdopted makes the container that was there before Teal what a dependency
// consists of. Nothing is ever done about it.
func (t *turn) useAdopted() move {
	if t.rec.Phase != Idle {
		t.note(ReasonSuperseded, "%s", usesAdopted(t.in.Desired.Service.Adopt[0]))
		t.finish(Superseded)
		t.rec.Candidate, t.rec.Phase, t.rec.PhaseSince, t.rec.Deadline = nil, Idle, t.in.Now, noTime
		return again
	}
	if t.rec.Generation < t.in.Desired.Generation {
		t.acknowledge()
		t.rec.Backoff = nil
		return again
	}
	i := slices.IndexFunc(t.in.World.Containers, func(c Container) bool { return c.Foreign })
	if i < 0 {
		return stop
	}
	c := t.in.World.Containers[i]
	if s := t.rec.Stable; s == nil || s.Revision.ID != c.Revision || !s.Adopted {
		t.rec.Stable = t.found(c)
		t.note(ReasonAdopted, "%s was there before and is used as it is", c.Name)
	}
	return stop
}

// usesAdopted says why nothing is done about a dependency.
func usesAdopted(a spec.Adopted) string {
	return fmt.Sprintf("an existing container %s is used; take x-teal-adopt out to let Teal run it", a.Container)
}

// adoptsDependency reports whether a dependency is a container of before Teal.
func (t *turn) adoptsDependency() bool {
	s := t.in.Desired.Service
	return s.Rollout == nil && len(s.Adopt) > 0
}

// adoptedCondition is Synced for a dependency that is a container of before Teal.
func (t *turn) adoptedCondition() Condition {
	if words := t.waitsForHost(); words != "" {
		return Condition{Reason: ReasonHostAway, Message: words}
	}
	return Condition{OK: t.rec.Stable != nil && t.rec.Stable.Adopted, Reason: ReasonAdopted, Message: usesAdopted(t.in.Desired.Service.Adopt[0])}
}
