package controller

import (
	"context"
	"reflect"
	"sync"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// memory is what the controller knows of apps beyond their records. Losing it
// costs nothing but a little patience: it holds back-offs, the last world for
// the status, and how to interrupt a slow effect.
type memory struct {
	mu   sync.Mutex
	apps map[spec.Name]*remembered
}

type remembered struct {
	failures  int // of passes, in a row
	steps     []reconcile.Step
	repeats   int // passes in a row that decided the very same steps
	world     reconcile.World
	leapt     *time.Duration     // how far the clock had been set at the last pass; nil: there was none
	interrupt context.CancelFunc // of an effect that may be given up; nil: none
}

func (m *memory) with(app spec.Name, f func(*remembered)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.apps == nil {
		m.apps = map[spec.Name]*remembered{}
	}
	r := m.apps[app]
	if r == nil {
		r = &remembered{}
		m.apps[app] = r
	}
	f(r)
}

func (m *memory) forget(app spec.Name) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.apps, app)
}

// failed counts a failed pass and returns how many there were in a row.
func (m *memory) failed(app spec.Name) (n int) {
	m.with(app, func(r *remembered) { r.failures++; n = r.failures })
	return n
}

// leapt returns how far the clock had been set at app's last stored pass; now, if
// there was none.
func (m *memory) leapt(app spec.Name, now time.Duration) (then time.Duration) {
	m.with(app, func(r *remembered) {
		if r.leapt == nil {
			r.leapt = &now
		}
		then = *r.leapt
	})
	return then
}

// keptTime notes how far the clock had been set at a pass that is stored. Small
// steps add up until they count.
func (m *memory) keptTime(app spec.Name, now time.Duration) {
	m.with(app, func(r *remembered) {
		if r.leapt == nil || (now-*r.leapt).Abs() >= leap {
			r.leapt = &now
		}
	})
}

// succeeded ends a run of failures.
func (m *memory) succeeded(app spec.Name) {
	m.with(app, func(r *remembered) { r.failures = 0 })
}

// repeated counts how often the same steps were decided in a row.
func (m *memory) repeated(app spec.Name, steps []reconcile.Step) (n int) {
	m.with(app, func(r *remembered) {
		if len(steps) > 0 && reflect.DeepEqual(r.steps, steps) {
			r.repeats++
		} else {
			r.repeats = 0
		}
		r.steps, n = steps, r.repeats
	})
	return n
}

// saw keeps the last world for the status.
func (m *memory) saw(app spec.Name, w reconcile.World) {
	m.with(app, func(r *remembered) { r.world = w })
}

// last returns the last world seen of app, an empty one if there is none.
func (m *memory) last(app spec.Name) (w reconcile.World) {
	m.with(app, func(r *remembered) { w = r.world })
	return w
}

// interruptible returns a context for effects that a newer wish may cut short.
func (m *memory) interruptible(ctx context.Context, app spec.Name) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	m.with(app, func(r *remembered) { r.interrupt = cancel })
	return ctx, func() {
		m.with(app, func(r *remembered) { r.interrupt = nil })
		cancel()
	}
}

// interrupt cuts short what may be: an operator or a newer wish has spoken.
func (m *memory) interrupt(apps ...spec.Name) {
	for _, app := range apps {
		m.with(app, func(r *remembered) {
			if r.interrupt != nil {
				r.interrupt()
			}
		})
	}
}
