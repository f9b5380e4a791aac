package reconcile

import (
	"fmt"
	"time"

	"teal/spec"
)

// staged runs the test and waits for the gate; the candidate has no live
// traffic and can be looked at on the preview route.
func (t *turn) staged() move {
	if t.revive() {
		return t.to(Starting, startLimit)
	}
	if f := t.spoiled(); f != nil {
		return t.abort(*f)
	}
	if m := t.test(); m != onward {
		return m
	}
	if !t.gateOpen() {
		return t.atGate()
	}
	if a, away := t.missed(); away {
		return t.waitForHost(a)
	}
	if !t.stillReady(false) {
		return t.wait() // after a restart of Teal: the probes say so in a moment
	}
	return t.to(Switching, switchLimit)
}

// test runs the one-shot test, once per rollout.
func (t *turn) test() move {
	c := t.rec.Candidate
	if c.Settings.Test == nil || c.Test != "" || c.SkipGates {
		return onward
	}
	x, limit := t.in.World.Test, t.testLimit()
	switch {
	case x != nil && x.Lost && (x.Rollout != c.Rollout || !t.in.Now.Before(limit)):
		return t.waitForHost(t.blame(x.Host))
	case x != nil && x.Rollout != c.Rollout:
		return t.do(t.remove(*x, "a test of an earlier rollout"))
	case x != nil && x.State == Exited && x.ExitCode == 0:
		t.edit().Test = TestPassed
		t.note(ReasonTestPassed, "test passed against %s", c.Colour)
		return again
	case x != nil && (x.State == Exited || x.State == Dead):
		t.edit().Test = TestFailed
		return t.abort(Failure{Class: Verdict, Reason: ReasonTestFailed, Message: fmt.Sprintf("test exited with %d", x.ExitCode)})
	case !t.in.Now.Before(limit) && t.testTried():
		t.edit().Test = TestFailed
		return t.abort(Failure{Class: Verdict, Reason: ReasonTestFailed, Message: fmt.Sprintf("test not done after %s", c.Settings.Test.Timeout)})
	case x != nil && x.State == Running:
		t.lookAt(limit)
		return t.wait()
	}
	own := filter(t.of(&c.Placement), func(x Container) bool { return !x.Lost })
	if len(own) == 0 {
		return t.waitForHost(t.blame("")) // without one it would be spoiled
	}
	return t.do(Step{Kind: StepTest, Host: own[0].Host, Why: "rollout " + c.Rollout, Test: &TestRun{
		Rollout: c.Rollout, Colour: c.Colour, Revision: c.Revision, Target: own[0].Name, Test: *c.Settings.Test,
	}})
}

// testLimit is when the test must have ended: its time runs from its own start.
func (t *turn) testLimit() time.Time {
	c, x := t.rec.Candidate, t.in.World.Test
	began := c.Verified
	if x != nil && x.StartedAt.After(began) {
		began = x.StartedAt
	}
	return began.Add(c.Settings.Test.Timeout.D())
}

// testTried reports whether the test runs, or could not be started. Otherwise
// Teal was away before it came to that, and the test has all its time.
func (t *turn) testTried() bool {
	x, b := t.in.World.Test, t.rec.Backoff
	return x != nil && x.State == Running || b != nil && b.Step == StepTest
}

// gateOpen reports whether the candidate may be switched to.
func (t *turn) gateOpen() bool {
	c := t.rec.Candidate
	switch {
	case c.Pinned:
		return false
	case c.SkipGates || c.Promoted:
		return true
	}
	return c.Settings.Promotion.Mode == spec.PromotionAuto || t.selfOpens() && t.closed(c) == nil
}

// selfOpens reports whether the gate has waited long enough to open by itself,
// which it does inside of the windows.
func (t *turn) selfOpens() bool {
	c := t.rec.Candidate
	p := c.Settings.Promotion
	switch p.Mode {
	case spec.PromotionManual:
		return p.OnTimeout == spec.TimeoutPromote && t.gateDue()
	case spec.PromotionAfter:
		return !t.in.Now.Before(c.Verified.Add(p.After.D()))
	case spec.PromotionAuto:
	}
	return false
}

// gateDue reports whether a manual gate has waited as long as it may.
func (t *turn) gateDue() bool {
	c := t.rec.Candidate
	p := c.Settings.Promotion
	return p.Timeout > 0 && !t.in.Now.Before(c.Verified.Add(p.Timeout.D()))
}

// atGate waits at a closed gate, or gives up when nobody came.
func (t *turn) atGate() move {
	c := t.rec.Candidate
	p := c.Settings.Promotion
	switch {
	case c.Pinned:
		return stop // the file says so; only an edit opens it
	case t.selfOpens():
		return t.waitUntil(t.in.Closed.Next)
	case p.Mode == spec.PromotionAfter:
		return t.waitUntil(c.Verified.Add(p.After.D()))
	case t.gateDue():
		return t.abort(Failure{Class: Verdict, Reason: ReasonGateTimeout, Message: fmt.Sprintf("nobody promoted it within %s", p.Timeout)})
	}
	return t.waitUntil(c.Verified.Add(p.Timeout.D()))
}

// switching tells the proxy, and goes on only when the proxy says that it
// serves the candidate.
func (t *turn) switching() move {
	c := t.rec.Candidate
	if f := t.spoiled(); f != nil {
		return t.abort(*f)
	}
	if t.serves(&c.Placement) {
		return t.confirm()
	}
	if t.due() {
		return t.abort(Failure{Class: Verdict, Reason: ReasonSwitchFailed, Message: fmt.Sprintf("the proxy did not serve it within %s", switchLimit)})
	}
	if !t.stillReady(false) {
		return t.wait()
	}
	if m := t.route(&c.Placement, nil, "rollout "+c.Rollout); m != onward {
		t.lookAt(t.rec.Deadline)
		return m
	}
	return t.wait()
}

// confirm begins the bake: the proxy was seen to serve the candidate.
func (t *turn) confirm() move {
	c := t.edit()
	if c.Switched.IsZero() {
		c.Switched = t.in.Now
		t.note(ReasonSwitched, "all traffic on %s %s, %s after it was accepted", c.Colour, c.Revision.Image.Ref, since(c.Accepted, t.in.Now))
	}
	c.Baseline, c.Restarts = t.traffic(&c.Placement), t.restarts(&c.Placement)
	bake := c.Settings.Bake.For.D()
	if c.SkipGates {
		bake = 0
	}
	m := t.to(Confirming, 0)
	t.rec.Deadline = t.in.Now.Add(bake)
	return m
}

// confirming watches the candidate under live traffic and then makes it stable.
func (t *turn) confirming() move {
	c := t.rec.Candidate
	if !t.serves(&c.Placement) {
		t.warn(ReasonRouteDrift, "the proxy lost the switch")
		return t.to(Switching, switchLimit)
	}
	if f := t.spoiled(); f != nil {
		return t.abort(*f)
	}
	if f := t.failedBake(); f != nil {
		return t.abort(*f)
	}
	a, away := t.missed()
	switch {
	case !t.due():
		return t.wait()
	case t.stillReady(true):
		return t.promote()
	case away:
		return t.waitForHost(a)
	}
	return t.wait() // after a restart of Teal: the probes say so in a moment
}

// failedBake is the verdict on a candidate under which too many requests fail.
func (t *turn) failedBake() *Failure {
	c := t.rec.Candidate
	b, n := c.Settings.Bake, t.traffic(&c.Placement)
	requests, failures := n.Requests-c.Baseline.Requests, n.Failures-c.Baseline.Failures
	if b.MinRequests <= 0 || requests < int64(b.MinRequests) || float64(failures) <= b.MaxFailed*float64(requests) {
		return nil
	}
	return &Failure{Class: Verdict, Reason: ReasonBakeFailed, Message: fmt.Sprintf("%d of %d requests failed, %.3g %% are allowed", failures, requests, 100*b.MaxFailed)}
}

// promote is the one commit of a rollout: the very containers that were
// verified become stable, the old ones become standby.
func (t *turn) promote() move {
	c, old := t.rec.Candidate, t.rec.Stable
	t.note(ReasonPromoted, "%s %s is stable, revision %s", where(c.Colour), c.Revision.Image.Ref, short(c.Revision.ID))
	t.finish(Succeeded)
	t.stabilise(c)
	if s := c.Settings.Standby; old != nil && old.Colour != c.Colour && (s.Forever || s.For > 0) {
		t.rec.Standby = &Standby{Placement: *old}
		if !s.Forever {
			t.rec.Standby.Until = t.in.Now.Add(s.For.D())
		}
	}
	if c.Trigger != TriggerChange && old != nil && t.rec.Generation == c.Generation {
		t.stayAway(c, old)
	}
	t.rec.Candidate, t.rec.Degraded = nil, ""
	return t.to(Idle, 0)
}

// stabilise makes the candidate the stable placement.
func (t *turn) stabilise(c *Candidate) {
	p := c.Placement
	p.Since = t.in.Now
	t.rec.Stable, t.rec.Standby = &p, nil
}

// stayAway keeps the revision that was left on purpose from being promoted
// again within this generation.
func (t *turn) stayAway(c *Candidate, old *Placement) {
	if c.Trigger == TriggerUndo {
		t.rec.Override = &Override{Generation: t.rec.Generation, Since: t.in.Now}
	}
	if c.Trigger == TriggerActive && t.resolved() && old.Revision.ID == t.wanted().ID && old.Revision.ID != c.Revision.ID {
		t.rec.Hold = &Hold{
			Generation: t.rec.Generation, Revision: old.Revision.ID, Image: old.Revision.Image.Ref, Rollout: c.Rollout,
			Reason: ReasonPinnedAway, Message: fmt.Sprintf("active was set to %s", c.Colour), Since: t.in.Now,
		}
	}
}

// finish writes the rollout into history.
func (t *turn) finish(r Result) {
	c := t.rec.Candidate
	h := Rollout{
		ID: c.Rollout, App: t.rec.Name, Trigger: c.Trigger, Generation: c.Generation, Colour: c.Colour,
		Revision: c.Revision, Health: c.Health, Result: r, Failure: c.Verdict, Evidence: c.Evidence,
		Accepted: c.Accepted, Started: c.Started, Verified: c.Verified, Switched: c.Switched, Ended: t.in.Now,
		Origin: c.Origin,
	}
	if t.rec.Stable != nil {
		h.From = t.rec.Stable.Revision.ID
	}
	t.d.History = append(t.d.History, h)
}

// since is a span for people.
func since(from, to time.Time) time.Duration { return to.Sub(from).Round(time.Millisecond) }

// gateDeadline is when the gate opens or gives up by itself; zero if it does not.
func (t *turn) gateDeadline() (at time.Time) {
	c := t.rec.Candidate
	p := c.Settings.Promotion
	switch {
	case c.Pinned || c.SkipGates || c.Promoted:
	case p.Mode == spec.PromotionAfter:
		at = c.Verified.Add(p.After.D())
	case p.Mode == spec.PromotionManual && p.Timeout > 0:
		at = c.Verified.Add(p.Timeout.D())
	}
	return at
}
