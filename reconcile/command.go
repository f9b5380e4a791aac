package reconcile

import "fmt"

// commands deals with every command once. What cannot be done now is answered
// with the reason and dropped: a command is never kept for a later rollout.
func (t *turn) commands() move {
	changed := onward
	for _, c := range t.in.Commands {
		if _, done := t.d.Taken[c.Token]; done {
			continue
		}
		before := t.rec.Phase
		t.d.Taken[c.Token] = t.command(c)
		if t.d.Taken[c.Token] == "" || t.rec.Phase != before {
			changed = again
		}
	}
	return changed
}

// refuseAll answers the commands of an app that is being removed.
func (t *turn) refuseAll() move {
	for _, c := range t.in.Commands {
		t.d.Taken[c.Token] = "the app is being removed"
	}
	return onward
}

// command carries c out and returns why not, if it cannot.
func (t *turn) command(c Command) string {
	if why := Refusal(t.in, t.rec, c); why != "" {
		return why
	}
	switch c.Verb {
	case VerbPromote:
		if t.rec.Phase == Idle {
			t.admit(c)
			return ""
		}
		cand := *t.rec.Candidate
		cand.Promoted = true
		t.rec.Candidate = &cand
		t.note(ReasonAwaitPromotion, "promoted by %s", by(c))
	case VerbAbort:
		t.abort(Failure{Class: Verdict, Reason: ReasonAborted, Message: "aborted by " + by(c)})
	case VerbUndo:
		return t.undo(c)
	case VerbRetry:
		t.rec.Hold, t.rec.Override, t.rec.Backoff = nil, nil, nil
		t.note(ReasonHeld, "released by %s", by(c))
	}
	return ""
}

func by(c Command) string {
	if c.By == "" {
		return "an operator"
	}
	return c.By
}

// Refusal says why c cannot be done to an app with record rec, in words for its
// sender; empty means it can.
func Refusal(in Input, rec Record, c Command) string {
	if c.Verb == VerbPromote && c.Rollout == Waiting(in.Desired.Generation) && (&turn{in: in, rec: rec}).waits() {
		return ""
	}
	if c.Rollout != "" && (rec.Candidate == nil || rec.Candidate.Rollout != c.Rollout) {
		if c.Verb == VerbPromote || c.Verb == VerbAbort {
			return fmt.Sprintf("rollout %s is not under way any more", c.Rollout)
		}
	}
	switch c.Verb {
	case VerbPromote:
		return refusePromote(rec)
	case VerbAbort:
		return refuseAbort(rec)
	case VerbUndo:
		return refuseUndo(in, rec)
	case VerbRetry:
		if rec.Hold == nil && rec.Override == nil && rec.Backoff == nil {
			return "nothing is held, overridden or backing off"
		}
		return ""
	}
	return fmt.Sprintf("unknown command %q", c.Verb)
}

func refusePromote(rec Record) string {
	switch {
	case rec.Phase != Staged:
		return "no rollout is staged; it is " + rec.Phase.Words()
	case rec.Candidate.Pinned:
		return fmt.Sprintf("active pins %s; set active to %s or auto in the file", rec.Candidate.Colour.Other(), rec.Candidate.Colour)
	case rec.Candidate.Promoted:
		return "it is promoted already"
	}
	return ""
}

func refuseAbort(rec Record) string {
	switch rec.Phase {
	case Idle:
		return "no rollout is under way"
	case Aborting, Superseding:
		return "the rollout is being taken back already"
	case Preparing, Starting, Verifying, Staged, Switching, Confirming:
	}
	return ""
}

func refuseUndo(in Input, rec Record) string {
	service := in.Desired.Service
	t := &turn{in: in, rec: rec}
	a, away := t.awayPlace()
	switch {
	case rec.Phase != Idle:
		return fmt.Sprintf("rollout %s is under way; abort it instead", rec.Candidate.Rollout)
	case service.Rollout == nil && len(service.Adopt) > 0:
		return usesAdopted(service.Adopt[0])
	case away:
		return a.String() + "; nothing is rolled out meanwhile"
	case rec.Stable == nil:
		return "nothing is stable yet"
	case rec.Generation != in.Desired.Generation:
		return fmt.Sprintf("generation %d is newer and about to be taken in", in.Desired.Generation)
	case rec.Standby == nil && in.Previous == nil:
		return "no earlier revision is known"
	case rec.Standby == nil && !in.Previous.Revision.Known():
		return "the earlier revision is known by its labels only and cannot be made again"
	}
	return ""
}

// undo begins the way back: to the standby if it is there, else to the earlier
// revision of history. It returns why not, if the standby turns out to be broken
// and history cannot help.
func (t *turn) undo(c Command) string {
	if t.rec.Standby != nil && t.alive(&t.rec.Standby.Placement) {
		t.note(ReasonUndone, "undo asked for by %s", by(c))
		t.begin(Candidate{Placement: t.rec.Standby.Placement, Trigger: TriggerUndo, SkipGates: true})
		return ""
	}
	if t.in.Previous == nil || !t.in.Previous.Revision.Known() {
		return "the standby is not healthy and no earlier revision is known that can be made again"
	}
	t.note(ReasonUndone, "undo asked for by %s", by(c))
	p := *t.in.Previous
	if t.rec.Stable.Colour != "" {
		p.Colour = t.free()
	}
	t.begin(Candidate{Placement: p, Trigger: TriggerUndo, SkipGates: true})
	return ""
}
