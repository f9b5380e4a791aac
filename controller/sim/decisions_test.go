package sim

import (
	"fmt"
	"slices"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// saved judges a decision, right after it was stored.
func (b *book) saved(app spec.Name, before reconcile.State, d reconcile.Decision) {
	b.commands(app, before, d)
	if d.Gone {
		b.r.checked(L7)
		b.r.lost = b.r.lost || len(b.r.engine.Look(app).Containers) > 0
		if n := len(b.knowable(app)); n > 0 || !before.Desired.Pruned {
			b.r.fail(L7, "%s is gone with %d containers left, pruned=%t", app, n, before.Desired.Pruned)
		}
		return
	}
	rec, old := d.Record, before.Record
	b.r.checked(S11)
	if rec.Generation < old.Generation || rec.Generation > before.Desired.Generation {
		b.r.fail(S11, "observed generation of %s went from %d to %d, wanted is %d", app, old.Generation, rec.Generation, before.Desired.Generation)
	}
	if c := rec.Candidate; c != nil && c.Generation > rec.Generation {
		b.r.fail(S11, "a rollout of generation %d is ahead of %d", c.Generation, rec.Generation)
	}
	b.begun(app, before, d)
	b.effects(app, old, d)
	b.gate(app, old, rec)
	b.r.windows.held(app, before, d)
	b.stable(app, old, rec)
	b.standby(app, before, rec)
}

// effects: S14 nothing that only a command does without one that is answered.
func (b *book) effects(app spec.Name, old reconcile.Record, d reconcile.Decision) {
	b.r.checked(S14)
	took := false
	for _, answer := range d.Taken {
		took = took || answer == ""
	}
	was, is := old.Candidate, d.Record.Candidate
	switch {
	case took || is == nil:
	case is.Promoted && (was == nil || !was.Promoted):
		b.r.fail(S14, "%s of %s was promoted by nobody", is.Rollout, app)
	case is.Verdict != nil && is.Verdict.Reason == reconcile.ReasonAborted && (was == nil || was.Verdict == nil):
		b.r.fail(S14, "%s of %s was aborted by nobody", is.Rollout, app)
	case is.Trigger == reconcile.TriggerUndo && (was == nil || was.Rollout != is.Rollout):
		b.r.fail(S14, "%s of %s was begun by nobody", is.Rollout, app)
	}
}

// gate: S6 a switch is only begun when the candidate's test has passed and its
// gate is open.
func (b *book) gate(app spec.Name, old, rec reconcile.Record) {
	if rec.Phase != reconcile.Switching || old.Phase == reconcile.Switching || old.Phase == reconcile.Confirming {
		return
	}
	b.r.checked(S6)
	c := rec.Candidate
	gate := c.Settings.Promotion
	switch {
	case c.SkipGates:
	case c.Settings.Test != nil && c.Test != reconcile.TestPassed:
		b.r.fail(S6, "%s is to be switched before its test", app)
	case b.promoted[fmt.Sprint(app, c.Rollout)]:
	case gate.Mode == spec.PromotionManual && (gate.OnTimeout == spec.TimeoutAbort || time.Since(c.Verified) < gate.Timeout.D()):
		b.r.fail(S6, "the candidate of %s passed a closed gate", app)
	case gate.Mode == spec.PromotionAfter && time.Since(c.Verified) < gate.After.D():
		b.r.fail(S6, "the candidate of %s passed its gate too early", app)
	}
}

// stable: S3 recorded only when the proxy serves it.
func (b *book) stable(app spec.Name, old, rec reconcile.Record) {
	if rec.Stable == nil || rec.Stable.Colour == "" {
		return
	}
	if old.Stable != nil && old.Stable.Colour == rec.Stable.Colour && old.Stable.Revision.ID == rec.Stable.Revision.ID {
		return
	}
	if rec.Stable.Adopted && (old.Stable == nil || old.Stable.Adopted) {
		return // it is taken over, and gets the route next
	}
	b.keeps(app, old, rec)
	b.r.checked(S3)
	if x, ok := live(b.r.proxy.Look().Table, app); !ok || !is(x, rec.Stable) {
		b.r.fail(S3, "%s %.8s of %s was made stable, the proxy serves %s %.8s", rec.Stable.Colour, rec.Stable.Revision.ID, app, x.Colour, x.Revision)
	}
}

// keeps: S7 what was stable stays on standby when a candidate takes its place.
func (b *book) keeps(app spec.Name, old, rec reconcile.Record) {
	c, was := old.Candidate, old.Stable
	if c == nil || was == nil || c.Colour != rec.Stable.Colour || c.Revision.ID != rec.Stable.Revision.ID || was.Colour == c.Colour {
		return
	}
	b.r.checked(S7)
	kept := rec.Standby != nil && rec.Standby.Colour == was.Colour && rec.Standby.Revision.ID == was.Revision.ID
	back := rec.Candidate != nil && rec.Candidate.Colour == was.Colour
	if by := c.Settings.Standby; (by.Forever || by.For > 0) && !kept && !back && rec.Degraded == "" && b.alive(app, was) {
		b.r.fail(S7, "%s %.8s of %s is no standby after the switch", was.Colour, was.Revision.ID, app)
	}
}

// begun: no rollout begins while a host is away that a replica belongs on.
func (b *book) begun(app spec.Name, before reconcile.State, d reconcile.Decision) {
	s := before.Desired.Service
	for _, e := range d.Events {
		b.r.checked(Hosts)
		for n := range min(len(s.Hosts), s.Replicas) {
			if e.Reason == reconcile.ReasonRolloutStarted && b.r.gone[s.Hosts[n]] {
				b.r.fail(Hosts, "a rollout of %s began while host %s is away", app, s.Hosts[n])
			}
		}
	}
}

// knowable are the containers of an app without those on a host that it is not
// placed on any more and that is away: a Teal that was started since then cannot
// know of them.
func (b *book) knowable(app spec.Name) []reconcile.Container {
	hosts := b.state(app).Desired.Service.Hosts
	return slices.DeleteFunc(b.r.engine.Look(app).Containers, func(c reconcile.Container) bool {
		return b.r.gone[c.Host] && !slices.Contains(hosts, c.Host)
	})
}

// alive reports whether a placement has containers.
func (b *book) alive(app spec.Name, p *reconcile.Placement) bool {
	if p.Adopted {
		return false // it may be seen no more when the file does not name it
	}
	return slices.ContainsFunc(b.knowable(app), func(c reconcile.Container) bool {
		return c.Colour == p.Colour && c.Revision == p.Revision.ID
	})
}

// standby: S7 given up only for a candidate that is pulled, or for good reason.
func (b *book) standby(app spec.Name, before reconcile.State, rec reconcile.Record) {
	old := before.Record.Standby
	if old == nil || rec.Standby != nil && rec.Standby.Revision.ID == old.Revision.ID && rec.Standby.Colour == old.Colour {
		return
	}
	b.r.checked(S7)
	alive := b.alive(app, &old.Placement)
	over := !old.Until.IsZero() && !time.Now().Before(old.Until)
	taken := rec.Stable != nil && rec.Stable.Colour == old.Colour && rec.Stable.Revision.ID == old.Revision.ID
	needed := rec.Candidate != nil && rec.Candidate.Colour == old.Colour && (rec.Candidate.Pulled || rec.Candidate.Revision.ID == old.Revision.ID)
	if alive && !over && !taken && !needed && rec.Degraded == "" {
		b.r.fail(S7, "the standby of %s was given up at %s, its time is %s", app, time.Since(b.r.begun), old.Until.Sub(b.r.begun))
	}
}

// commands: S14 each takes effect once, and on what it names.
func (b *book) commands(app spec.Name, before reconcile.State, d reconcile.Decision) {
	for token, answer := range d.Taken {
		b.r.checked(S14)
		if b.answered[token] {
			b.r.fail(S14, "command %s was answered twice", token)
		}
		b.answered[token] = true
		i := slices.IndexFunc(before.Commands, func(c reconcile.Command) bool { return c.Token == token })
		if i < 0 {
			b.r.fail(S14, "command %s was answered and did not wait", token)
			continue
		}
		c := before.Commands[i]
		b.r.log("command %s of %s taken: %q", c.Verb, app, answer)
		if answer != "" || c.Verb != reconcile.VerbPromote && c.Verb != reconcile.VerbAbort {
			continue
		}
		if before.Record.Phase == reconcile.Idle && c.Rollout == reconcile.Waiting(before.Desired.Generation) {
			b.r.saw("command promote let begin what waited")
			continue
		}
		if was := before.Record.Candidate; was == nil || was.Rollout != c.Rollout {
			b.r.fail(S14, "%s meant %s", c.Verb, c.Rollout)
		}
		if c.Verb == reconcile.VerbPromote {
			b.promoted[fmt.Sprint(app, c.Rollout)] = true
		}
	}
}
