package schedule

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// Limits of the look ahead for the next time that a rollout may begin.
const (
	furthest = 5 * 366 * 24 * time.Hour
	jumps    = 500
)

// Book tells when rollouts may begin. It remembers what it has parsed; its zero
// value is ready, and it may be used by several goroutines.
type Book struct {
	mu    sync.Mutex
	spans map[spec.Range]span
}

// remembered bounds the book: nobody has as many ranges in use.
const remembered = 4096

// span parses r, once.
func (b *Book) span(r spec.Range) (span, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s, ok := b.spans[r]; ok {
		return s, nil
	}
	s, err := parseRange(r)
	if err != nil {
		return nil, err
	}
	if b.spans == nil || len(b.spans) >= remembered {
		b.spans = map[spec.Range]span{}
	}
	b.spans[r] = s
	return s, nil
}

// Closed returns why no new rollout may begin at t, and when the next one may;
// nil: it may. A range that is not understood, which acceptance refuses, lets
// nothing begin.
func (b *Book) Closed(calendars []spec.Calendar, t time.Time) *reconcile.Closure {
	if len(calendars) == 0 {
		return nil
	}
	all := make([]calendar, 0, len(calendars))
	for _, c := range calendars {
		parsed, err := b.calendar(c)
		if err != nil {
			return &reconcile.Closure{Reason: reconcile.ReasonOutsideWindow, Message: err.Error()}
		}
		all = append(all, parsed)
	}
	reason, words := why(all, t)
	if reason == "" {
		return nil
	}
	return &reconcile.Closure{Reason: reason, Message: words, Next: opens(all, t)}
}

// calendar is a parsed [spec.Calendar].
type calendar struct {
	by               string
	windows, freezes []named
}

// named is a range with its words.
type named struct {
	span
	said spec.Range
}

func (b *Book) calendar(c spec.Calendar) (calendar, error) {
	out := calendar{by: c.By}
	for _, list := range []struct {
		from []spec.Range
		to   *[]named
	}{{c.Windows, &out.windows}, {c.Freezes, &out.freezes}} {
		for _, r := range list.from {
			s, err := b.span(r)
			if err != nil {
				return out, err
			}
			*list.to = append(*list.to, named{s, r})
		}
	}
	return out, nil
}

// why says what keeps a rollout from beginning at t; a freeze is said first.
func why(all []calendar, t time.Time) (reconcile.Reason, string) {
	for _, c := range all {
		if f, _, ok := find(c.freezes, t); ok {
			words := "frozen by " + f.said.String()
			if f.said.Why != "" {
				words = fmt.Sprintf("frozen (%s) by %s", f.said.Why, f.said.String())
			}
			return reconcile.ReasonFrozen, words + c.owner()
		}
	}
	for _, c := range all {
		if _, _, ok := find(c.windows, t); !ok && len(c.windows) > 0 {
			var texts []string
			for _, w := range c.windows {
				texts = append(texts, w.said.String())
			}
			const shown = 3
			if n := len(texts); n > shown {
				texts = append(texts[:shown], fmt.Sprintf("%d more", n-shown))
			}
			return reconcile.ReasonOutsideWindow, "outside of its windows: " + strings.Join(texts, "; ") + c.owner()
		}
	}
	return "", ""
}

func (c calendar) owner() string {
	if c.by == "" {
		return ""
	}
	return " (" + c.by + ")"
}

// find returns the range that t is in, and until when.
func find(list []named, t time.Time) (named, time.Time, bool) {
	for _, n := range list {
		if until, ok := n.within(t); ok {
			return n, until, true
		}
	}
	return named{}, time.Time{}, false
}

// opens is the first moment from t on that all calendars leave open, in the zone
// of what opens last; zero: none is in sight.
func opens(all []calendar, t time.Time) time.Time {
	limit := t.Add(furthest)
	for range jumps {
		next, closed := t, false
		for _, c := range all {
			at, shut := c.after(t)
			if shut && at.IsZero() {
				return time.Time{}
			}
			if shut && at.After(next) {
				next, closed = at, true
			}
		}
		switch {
		case !closed:
			return t
		case next.After(limit):
			return time.Time{}
		}
		t = next
	}
	return time.Time{}
}

// after reports whether c is closed at t, and when it is worth looking again;
// zero: never.
func (c calendar) after(t time.Time) (time.Time, bool) {
	if _, until, frozen := find(c.freezes, t); frozen {
		return until, true
	}
	if _, _, ok := find(c.windows, t); ok || len(c.windows) == 0 {
		return time.Time{}, false
	}
	var first time.Time
	for _, w := range c.windows {
		if at := w.next(t); !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first, true
}
