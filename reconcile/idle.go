package reconcile

// idle repairs stable, starts the rollout that is wished for, ends a standby
// whose window is over and removes what nobody needs.
func (t *turn) idle() move {
	if c, ok := t.wish(); ok {
		if _, away := t.awayPlace(); !away && t.begins(&c) {
			return t.begin(c)
		}
	}
	if m := t.endStandby(); m != onward {
		return m
	}
	if m := t.sweep(); m != onward {
		return m
	}
	if t.rec.Drain != nil {
		t.rec.Drain = nil
		return again
	}
	if t.rec.Degraded != "" && t.rec.Stable != nil && t.serves(t.rec.Stable) && t.allReady(t.rec.Stable, t.replicas()) && t.synced() {
		t.rec.Degraded = ""
		return again
	}
	return stop
}

const stableReplicas = "stable must have all its replicas"

// repairStable makes the containers of stable that are gone or stopped. While
// that fails, it keeps nothing else from being done: the wish may be the remedy.
func (t *turn) repairStable() move {
	if t.rec.Phase != Idle && !t.rec.Phase.early() || t.rec.Phase == Starting {
		return onward // Starting repairs it along with its own work
	}
	t.knowStable()
	if steps := t.missing(t.rec.Stable, stableReplicas); len(steps) > 0 && !t.backingOff(StepEnsure) {
		return t.do(steps...)
	}
	return onward
}

// synced reports whether stable is what the desired state asks for.
func (t *turn) synced() bool {
	return t.resolved() && t.rec.Generation == t.in.Desired.Generation && t.rec.Phase == Idle &&
		t.rec.Stable != nil && t.rec.Stable.Revision.ID == t.wanted().ID
}

// knowStable completes a stable that was rebuilt from labels, once the desired
// state turns out to describe it; then it can be repaired.
func (t *turn) knowStable() {
	s := t.rec.Stable
	if s == nil || s.Revision.Known() || !t.resolved() || t.wanted().ID != s.Revision.ID {
		return
	}
	p := *s
	p.Revision = t.wanted()
	t.rec.Stable = &p
}

// endStandby drops the standby's mark when its window is over and stable was
// seen able to serve, or when its containers are gone.
func (t *turn) endStandby() move {
	s := t.rec.Standby
	if s == nil {
		return onward
	}
	if len(t.of(&s.Placement)) == 0 && !t.blind() {
		t.warn(ReasonStandbyEnded, "the standby's containers are gone")
		t.rec.Standby = nil
		return again
	}
	if s.Until.IsZero() {
		return onward
	}
	if t.in.Now.Before(s.Until) {
		t.lookAt(s.Until)
		return onward
	}
	if len(t.canServe(t.rec.Stable)) == 0 {
		t.lookAt(t.in.Now.Add(lookAgain))
		return onward
	}
	t.rec.Standby = nil
	return again
}

// tidy removes, beside a rollout under way, what stands for nothing: what a host
// came back with, and what gave way to a replica on its place.
func (t *turn) tidy() move {
	if p := t.rec.Phase; p != Starting && p != Verifying && p != Staged {
		return onward
	}
	t.removeIdle(filter(t.containers(), func(c Container) bool {
		return !t.keeps(t.rec.Stable, c) && !t.keeps(t.standby(), c) && !t.candidate().owns(c) && !t.spared(c)
	}), "nothing refers to it")
	if len(t.d.Steps) > 0 {
		return stop
	}
	return onward
}

// sweep removes what neither stable nor standby owns and the proxy does not
// serve: drained first, stopped then.
func (t *turn) sweep() move {
	if x := t.in.World.Test; x != nil && !x.Lost && (t.rec.Candidate == nil || x.Rollout != t.rec.Candidate.Rollout) {
		return t.do(t.remove(*x, "the test is over"))
	}
	standby := t.standby()
	return t.removeIdle(filter(t.containers(), func(c Container) bool {
		return !t.keeps(t.rec.Stable, c) && !t.keeps(standby, c) && !t.spared(c)
	}), "nothing refers to it")
}

// keeps reports whether c is one of p's wanted replicas.
func (t *turn) keeps(p *Placement, c Container) bool {
	return p.owns(c) && t.needed(p, c)
}

func (t *turn) standby() *Placement {
	if t.rec.Standby == nil {
		return nil
	}
	return &t.rec.Standby.Placement
}
