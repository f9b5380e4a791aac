package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"teal/controller/fake"
	"teal/reconcile"
	"teal/spec"
)

var faultWords = map[fake.Fault]string{
	fake.Refused: "refused", fake.Unanswered: "unanswered", fake.AnswerLost: "answer lost", fake.HalfDone: "half done",
}

// saw counts that something of interest happened.
func (r *run) saw(what ...string) { r.seen[strings.Join(what, " ")]++ }

// cover counts what a stored decision shows to have happened.
func (r *run) cover(app spec.Name, before reconcile.State, d reconcile.Decision) {
	r.commandsTaken(before, d)
	for _, h := range d.History {
		r.saw("rollout", string(h.Trigger), string(h.Result))
	}
	for _, e := range d.Events {
		r.saw("event", string(e.Reason))
	}
	if d.Gone {
		r.saw("record gone")
		return
	}
	old, rec := before.Record, d.Record
	kind := "app"
	if before.Desired.Service.Rollout == nil {
		kind = "dependency"
	}
	if old.Phase != rec.Phase {
		r.saw("phase of", kind, old.Phase.Words(), "→", rec.Phase.Words())
	}
	if rec.Hold != nil && old.Hold == nil {
		r.saw("hold", string(rec.Hold.Reason))
	}
	if rec.Hold == nil && old.Hold != nil {
		r.saw("hold released by", released(before, d))
	}
	if rec.Backoff != nil && (old.Backoff == nil || old.Backoff.Attempts < rec.Backoff.Attempts) {
		r.saw("back-off of", string(rec.Backoff.Step))
	}
	if c := rec.Candidate; c != nil && c.Verdict != nil && (old.Candidate == nil || old.Candidate.Verdict == nil) {
		r.saw("verdict", string(c.Verdict.Reason), "in", old.Phase.Words())
	}
	r.coverRoles(app, old, rec)
}

// released is what a hold ended by.
func released(before reconcile.State, d reconcile.Decision) string {
	for _, c := range before.Commands {
		if answer, ok := d.Taken[c.Token]; ok && answer == "" && c.Verb == reconcile.VerbRetry {
			return "retry"
		}
	}
	return "a generation"
}

func (r *run) commandsTaken(before reconcile.State, d reconcile.Decision) {
	for _, c := range before.Commands {
		answer, ok := d.Taken[c.Token]
		switch {
		case !ok:
		case answer == "":
			r.saw("command", string(c.Verb), "took effect in", before.Record.Phase.Words())
		default:
			r.saw("command", string(c.Verb), "was refused")
		}
	}
}

// coverRoles counts what became of standby, drain, override and stable.
func (r *run) coverRoles(app spec.Name, old, rec reconcile.Record) {
	switch {
	case old.Standby == nil && rec.Standby != nil:
		r.saw("standby kept")
	case old.Standby == nil || rec.Standby != nil:
	case rec.Candidate != nil && rec.Candidate.Colour == old.Standby.Colour && rec.Candidate.Revision.ID == old.Standby.Revision.ID:
		r.saw("standby taken back")
	case rec.Candidate != nil:
		r.saw("standby made room")
	case len(r.engine.Look(app).Containers) == 0:
		r.saw("standby lost")
	default:
		r.saw("standby ended")
	}
	if old.Drain == nil && rec.Drain != nil {
		r.saw("drain waited for")
	}
	if old.Override == nil && rec.Override != nil {
		r.saw("override")
	}
	if old.Degraded == "" && rec.Degraded != "" {
		r.saw("degraded")
	}
	if old.Candidate != nil && rec.Candidate != nil && old.Candidate.Rollout == rec.Candidate.Rollout && old.Candidate.Generation < rec.Candidate.Generation {
		r.saw("candidate adopts a newer generation in", old.Phase.Words())
	}
}

// table prints counts for people, sorted.
func table[K ~string](counts map[K]int) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&b, "%10d  %s\n", counts[k], k)
	}
	return b.String()
}

// complete wants every rule to have been checked and every interesting thing to
// have happened: what is never reached is not tested.
func (c *totals) complete(t *testing.T) {
	t.Helper()
	for _, rule := range rules {
		if c.checks[rule] == 0 {
			t.Errorf("%s was never checked", rule)
		}
	}
	for _, what := range interesting {
		if c.seen[what] == 0 {
			t.Errorf("it never happened: %s", what)
		}
	}
}
