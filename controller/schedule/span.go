package schedule

import (
	"time"

	"github.com/robfig/cron/v3"
)

// span is time that comes once or again and again.
type span interface {
	// within reports whether t is part of it, and when that part ends; zero: never.
	within(t time.Time) (until time.Time, ok bool)
	// next is when a part of it begins after t; zero: not any more.
	next(t time.Time) time.Time
}

// once is from one moment to another, which is not part of it. Either may be
// zero: since ever, for ever.
type once struct{ from, to time.Time }

func (o once) within(t time.Time) (time.Time, bool) {
	return o.to, !t.Before(o.from) && (o.to.IsZero() || t.Before(o.to))
}

func (o once) next(t time.Time) time.Time {
	if o.from.After(t) {
		return o.from
	}
	return time.Time{}
}

// recurring begins whenever a cron expression says, and lasts a fixed time: of
// the clock's hands, not of the wall's. Where the clock is put forward, a
// beginning that is left out does not come; where it is put back, one that comes
// twice begins twice.
type recurring struct {
	begins cron.Schedule
	lasts  time.Duration
}

func (r recurring) within(t time.Time) (time.Time, bool) {
	begun := r.begins.Next(t.Add(-r.lasts)) // the first whose end is after t
	if begun.IsZero() || begun.After(t) {
		return time.Time{}, false
	}
	return begun.Add(r.lasts), true
}

func (r recurring) next(t time.Time) time.Time { return r.begins.Next(t) }

// weekly is a time of day on days of the week, as the clock on the wall there
// shows it. An end that is not after the beginning is on the day after. A
// beginning that a change of the clock leaves out is as much later, and one that
// comes twice counts once.
type weekly struct {
	days       [7]bool
	begin, end int // minutes since midnight; end at most 24 h
	zone       *time.Location
}

// part is what of w belongs to the day so many days after t's.
func (w weekly) part(t time.Time, after int) (from, to time.Time, ok bool) {
	y, m, d := t.In(w.zone).Date()
	d += after
	from = time.Date(y, m, d, 0, w.begin, 0, 0, w.zone)
	if w.end <= w.begin {
		to = time.Date(y, m, d+1, 0, w.end, 0, 0, w.zone)
	} else {
		to = time.Date(y, m, d, 0, w.end, 0, 0, w.zone)
	}
	return from, to, w.days[time.Date(y, m, d, 12, 0, 0, 0, w.zone).Weekday()] && from.Before(to)
}

func (w weekly) within(t time.Time) (time.Time, bool) {
	for after := -1; after <= 0; after++ {
		if from, to, ok := w.part(t, after); ok && !t.Before(from) && t.Before(to) {
			return to, true
		}
	}
	return time.Time{}, false
}

func (w weekly) next(t time.Time) time.Time {
	for after := 0; after <= 14; after++ {
		if from, _, ok := w.part(t, after); ok && from.After(t) {
			return from
		}
	}
	return time.Time{}
}
