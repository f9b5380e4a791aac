package reconcile

import "time"

// clockSlack is how far back the clock may be set without being noticed: less is
// how clocks are kept right.
const clockSlack = time.Second

// Shift moves everything that r says about when by d: what began, and what is
// due. It is for a clock that was set by d, so that no wait becomes longer or
// shorter by that. What engines said, as when a container started, is left alone.
func Shift(r Record, d time.Duration) Record {
	moved := func(t time.Time) time.Time {
		if t.IsZero() {
			return t
		}
		return t.Add(d)
	}
	r.PhaseSince, r.Deadline = moved(r.PhaseSince), moved(r.Deadline)
	if p := r.Stable; p != nil {
		next := *p
		next.Since = moved(p.Since)
		r.Stable = &next
	}
	if c := r.Candidate; c != nil {
		next := *c
		for _, at := range []*time.Time{&next.Since, &next.Started, &next.Accepted, &next.Verified, &next.Switched, &next.Unseen} {
			*at = moved(*at)
		}
		r.Candidate = &next
	}
	if s := r.Standby; s != nil {
		next := *s
		next.Since, next.Until = moved(s.Since), moved(s.Until)
		r.Standby = &next
	}
	if x := r.Drain; x != nil {
		next := *x
		next.Since, next.Until = moved(x.Since), moved(x.Until)
		r.Drain = &next
	}
	if h := r.Hold; h != nil {
		next := *h
		next.Since = moved(h.Since)
		r.Hold = &next
	}
	if o := r.Override; o != nil {
		next := *o
		next.Since = moved(o.Since)
		r.Override = &next
	}
	if b := r.Backoff; b != nil {
		next := *b
		next.Since, next.Next = moved(b.Since), moved(b.Next)
		r.Backoff = &next
	}
	return r
}

// steady moves the record when it says that something began in the future: the
// clock was set back while nobody looked. Nothing then waits longer than its
// whole limit from now on. A clock that was set forward meanwhile cannot be told
// from time that passed.
func (t *turn) steady() {
	if back := t.rec.newest().Sub(t.in.Now); back > clockSlack {
		t.rec = Shift(t.rec, -back)
		t.warn(ReasonClockSet, "the clock was set back, by %s or more: all that waits goes on from here", back.Round(time.Second))
	}
	// The deadline of route drift is the only one without a beginning.
	if limit := t.in.Now.Add(driftLimit); t.rec.Phase == Idle && t.rec.Deadline.After(limit) {
		t.rec.Deadline = limit
	}
}

// newest is the newest moment that r says has passed; zero if it says none.
func (r *Record) newest() time.Time {
	past := []time.Time{r.PhaseSince}
	if r.Stable != nil {
		past = append(past, r.Stable.Since)
	}
	if c := r.Candidate; c != nil {
		past = append(past, c.Started, c.Verified, c.Switched, c.Unseen)
	}
	if r.Drain != nil {
		past = append(past, r.Drain.Since)
	}
	if r.Override != nil {
		past = append(past, r.Override.Since)
	}
	if r.Backoff != nil {
		past = append(past, r.Backoff.Since)
	}
	var out time.Time
	for _, at := range past {
		if at.After(out) {
			out = at
		}
	}
	return out
}

// upFor is how long c has been running; by an engine whose clock is ahead of
// ours, or was, since the phase began.
func (t *turn) upFor(c Container) time.Duration {
	if c.StartedAt.After(t.in.Now) {
		return t.in.Now.Sub(t.rec.PhaseSince)
	}
	return t.in.Now.Sub(c.StartedAt)
}
