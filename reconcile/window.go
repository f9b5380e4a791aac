package reconcile

import (
	"fmt"
	"time"
)

// Closure is why no new rollout may begin now: a deploy window is not open, or
// there is a freeze. What a rollout is about to do, repairs and every way back
// go on.
type Closure struct {
	Reason  Reason    `json:"reason"` // OutsideWindow or Frozen
	Message string    `json:"message"`
	Next    time.Time `json:"next_allowed,omitzero"` // when a rollout may begin again; zero: not in sight
	// Waits: there is a wish that waits for it.
	Waits bool `json:"waits,omitempty"`
}

// Waiting is what a command names in place of a rollout's id that begins what
// waits for a window: the generation that it is meant for.
func Waiting(generation int64) string { return fmt.Sprintf("gen-%d", generation) }

// String says when the next rollout may begin, and why none may now.
func (c *Closure) String() string {
	return fmt.Sprintf("next allowed %s, %s", c.when(), c.Message)
}

func (c *Closure) when() string {
	if c.Next.IsZero() {
		return "not in sight"
	}
	return c.Next.Format("Mon 2006-01-02 15:04 MST")
}

// closed is why the rollout c must not begin now, or open its gate by itself;
// nil: it may. A way back always may, and so may what a person asked for; and
// where nothing is stable there is nothing to be disturbed.
func (t *turn) closed(c *Candidate) *Closure {
	switch {
	case t.in.Closed == nil || t.rec.Stable == nil || t.lostStable():
		return nil
	case c.Trigger == TriggerUndo || c.SkipGates || c.Admitted || t.servedBefore(c.Revision.ID):
		return nil
	case t.rec.Admitted != 0 && t.rec.Admitted == t.in.Desired.Generation:
		return nil
	}
	return t.in.Closed
}

// servedBefore reports whether a revision is the one that was stable before the
// present one: going there is going back, as by a revert of a commit.
func (t *turn) servedBefore(revision string) bool {
	return t.rec.Standby != nil && t.rec.Standby.Revision.ID == revision ||
		t.in.Previous != nil && t.in.Previous.Revision.ID == revision
}

// lostStable reports whether stable is gone and known by its labels only: no
// repair brings it back, the wish may.
func (t *turn) lostStable() bool {
	s := t.rec.Stable
	return !s.Revision.Known() && !s.Adopted && len(t.of(s)) == 0 && !t.blind()
}

// begins reports whether the rollout c may begin now; else it is looked at again
// when it may.
func (t *turn) begins(c *Candidate) bool {
	x := t.closed(c)
	if x == nil {
		return true
	}
	t.lookAt(x.Next)
	return false
}

// postpone gives a rollout up of which nothing has been made and that cannot go
// on by itself now, while none may begin: it would go on at any time.
func (t *turn) postpone() bool {
	c := t.rec.Candidate
	if c.Created || c.Pulled || t.closed(c) == nil {
		return false
	}
	t.note(t.in.Closed.Reason, "nothing of it was made yet, so it begins anew later: %s", t.in.Closed)
	t.rec.Candidate = nil
	t.to(Idle, 0)
	return true
}

// shut reports whether the gate would open by itself now, but does not outside
// of the windows.
func (t *turn) shut() bool {
	c := t.rec.Candidate
	return t.rec.Phase == Staged && !c.Pinned && !t.gateOpen() && t.selfOpens()
}

// waits reports whether there is a wish that only waits to be let begin. It needs
// no look at the world.
func (t *turn) waits() bool {
	if t.rec.Phase != Idle || t.in.Closed == nil || t.rec.Stable == nil || !t.resolved() ||
		t.rec.Generation != t.in.Desired.Generation || t.rec.Admitted == t.rec.Generation && t.rec.Admitted != 0 ||
		t.in.Desired.Pruned || t.held() || t.overridden() || t.adoptsDependency() {
		return false
	}
	x, named := activeColour(t.in.Desired.Service.Rollout)
	if s := t.rec.Standby; named && s != nil && s.Colour == x && t.alive(&s.Placement) || t.servedBefore(t.wanted().ID) {
		return false // the way back is open
	}
	return t.rec.Stable.Revision.ID != t.wanted().ID || named && x != t.rec.Stable.Colour
}

// closure is what status says of windows and freezes; nil: rollouts may begin.
func (t *turn) closure() *Closure {
	if t.in.Closed == nil {
		return nil
	}
	c := *t.in.Closed
	c.Waits = t.waits() || t.shut()
	return &c
}

// closedCondition is Synced for a wish that waits to be let begin.
func (t *turn) closedCondition() Condition {
	return Condition{Reason: t.in.Closed.Reason, Message: fmt.Sprintf("%s waits: %s", t.in.Desired.Service.Container.Image, t.in.Closed)}
}

// admit lets what waits for a window begin now, and so the gate that it has.
func (t *turn) admit(c Command) {
	t.rec.Admitted = t.rec.Generation
	t.note(t.in.Closed.Reason, "generation %d is let begin by %s, although: %s", t.rec.Generation, by(c), t.in.Closed.Message)
}
