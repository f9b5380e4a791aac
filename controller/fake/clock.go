package fake

import (
	"fmt"
	"reflect"
	"time"

	"teal/reconcile"
)

// A clock that is set back by an hour makes all stamps that were written before
// an hour later than they would be, and changes nothing else: timers go on. So
// that is what the fakes do, since nobody can set the clock of a test.

// SetClockBack makes all that is stored look as if the clock had been set back
// by d, or forward, if d is negative.
func (s *Store) SetClockBack(d time.Duration) error {
	if err := s.Reopen(); err != nil { // nothing is shared between records then
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for app, r := range s.records {
		later(reflect.ValueOf(&r), d)
		s.records[app] = r
	}
	for app, w := range s.desired {
		later(reflect.ValueOf(&w), d)
		s.desired[app] = w
	}
	for app, history := range s.history {
		var out []reconcile.Rollout
		if err := again(history, &out); err != nil {
			return fmt.Errorf("history of %s: %w", app, err)
		}
		later(reflect.ValueOf(&out), d)
		s.history[app] = out
	}
	return nil
}

// SetClockBack makes the engines tell start times as if the clocks had been set
// back by d since, or forward, if d is negative.
func (e *Engine) SetClockBack(d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.settle()
	for _, c := range e.containers {
		if !c.StartedAt.IsZero() {
			c.StartedAt, c.ahead = c.StartedAt.Add(d), c.ahead+d
		}
	}
	for _, seen := range e.memory {
		for app, s := range seen {
			for i := range s.Containers {
				later(reflect.ValueOf(&s.Containers[i]), d)
			}
			if s.Test != nil {
				x := *s.Test
				later(reflect.ValueOf(&x), d)
				s.Test = &x
			}
			seen[app] = s
		}
	}
}

// began is when c's present run began, whatever the clock said.
func (c *container) began() time.Time { return c.StartedAt.Add(-c.ahead) }

// SetClockBack makes the counts tell times as if the clock had been set back by
// d since, or forward, if d is negative. The engine's is set after it.
func (p *Prober) SetClockBack(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := stamp()
	for _, targets := range p.targets {
		for _, t := range targets {
			p.count(t, now)
			t.StartedAt = t.StartedAt.Add(d)
			later(reflect.ValueOf(&t.probe), d)
		}
	}
}

var timeType = reflect.TypeFor[time.Time]()

// later adds d to every time that v leads to, but for the zero time.
func later(v reflect.Value, d time.Duration) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			later(v.Elem(), d)
		}
	case reflect.Struct:
		if at, ok := reflect.TypeAssert[time.Time](v); ok {
			if !at.IsZero() {
				v.Set(reflect.ValueOf(at.Add(d)))
			}
			return
		}
		for _, field := range v.Fields() {
			if field.CanSet() {
				later(field, d)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			later(v.Index(i), d)
		}
	case reflect.Map:
		if v.Type().Elem() != timeType {
			return
		}
		for _, k := range v.MapKeys() {
			v.SetMapIndex(k, reflect.ValueOf(v.MapIndex(k).Interface().(time.Time).Add(d)))
		}
	}
}
