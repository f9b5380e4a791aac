// Package schedule says when something is due and when a rollout may begin:
// intervals and cron expressions, jitter, deploy windows and freezes. It promises
// that what it accepts comes to pass: a date that never comes is refused. All
// moments are arguments; the package reads no clock.
package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule says when something is due.
type Schedule struct {
	text string
	next func(time.Time) time.Time

	every time.Duration // of an interval; 0: it is a cron expression
}

// shortestInterval bounds schedules from below: a full look costs the engine a
// listing per app, and a git source a connection.
const shortestInterval = time.Second

// ErrSchedule is what every error of [Parse] wraps.
var ErrSchedule = errors.New("schedule not understood")

// Parse reads an interval ("30s", "@every 1m", at least one second) or a
// cron expression of five fields ("*/5 * * * *", also @hourly, @daily and their
// like), which may begin with "CRON_TZ=Area/City ". A date that never comes is
// refused.
func Parse(text string) (Schedule, error) {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" {
		return Schedule{}, fmt.Errorf("%w: it is empty; write an interval such as 30s or a cron expression such as */5 * * * *", ErrSchedule)
	}
	every, isEvery := strings.CutPrefix(trimmed, "@every ")
	if d, err := time.ParseDuration(strings.TrimSpace(every)); err == nil {
		return interval(trimmed, d)
	} else if isEvery {
		return Schedule{}, fmt.Errorf("%w: %q: %w", ErrSchedule, text, err)
	}
	parsed, err := parseCron(trimmed)
	if err != nil {
		return Schedule{}, fmt.Errorf("%w: %q: %w", ErrSchedule, text, err)
	}
	if parsed.Next(someDay).IsZero() {
		return Schedule{}, fmt.Errorf("%w: %q names a date that never comes", ErrSchedule, text)
	}
	return Schedule{text: trimmed, next: parsed.Next}, nil
}

// someDay is where to look from for a date that never comes: the parser looks
// five years ahead.
var someDay = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// interval is a schedule of equal steps.
func interval(text string, d time.Duration) (Schedule, error) {
	if d < shortestInterval {
		return Schedule{}, fmt.Errorf("%w: %q is shorter than %s", ErrSchedule, text, shortestInterval)
	}
	return Schedule{text: text, every: d, next: func(t time.Time) time.Time { return t.Add(d) }}, nil
}

// parseCron calls the library's parser, which panics on some inputs.
func parseCron(text string) (s cron.Schedule, err error) {
	defer func() {
		if r := recover(); r != nil {
			s, err = nil, fmt.Errorf("the expression is incomplete (%v)", r)
		}
	}()
	return cron.ParseStandard(text)
}

// String returns the text that was parsed.
func (s Schedule) String() string { return s.text }

// Next returns the first moment of the schedule after t; the zero Schedule has
// none and returns zero.
func (s Schedule) Next(t time.Time) time.Time {
	if s.next == nil {
		return time.Time{}
	}
	return s.next(t)
}

// IsZero reports whether s has no moments at all.
func (s Schedule) IsZero() bool { return s.next == nil }
