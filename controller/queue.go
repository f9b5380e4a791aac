package controller

import (
	"context"
	"fmt"
	"sync"
	"time"

	"teal/spec"
)

// longestNap bounds how long the queue sleeps towards a due time, so that a
// wall clock that was set forward is noticed.
const longestNap = time.Minute

// queue holds the names of apps to look at: each at most once, in the order in
// which they became due, and never one whose pass is still running. A name that
// is added during its pass is due again right after it.
type queue struct {
	mu    sync.Mutex
	apps  map[spec.Name]*entry
	ready []spec.Name   // first in, first out
	free  bool          // somebody waits for an app to be due
	since time.Time     // since when free and ready contradict each other, or earlier
	wake  chan struct{} // holds one token when something may have become due
}

// entry is one app that is due, will be due, or is being looked at.
type entry struct {
	due     time.Time // zero: no due time
	ready   bool      // stands in queue.ready
	running bool
	dirty   bool // added while running
}

func newQueue() *queue {
	return &queue{apps: map[spec.Name]*entry{}, wake: make(chan struct{}, 1)}
}

// add makes apps due now.
func (q *queue) add(apps ...spec.Name) {
	q.mu.Lock()
	for _, app := range apps {
		q.push(app, q.entry(app))
	}
	q.mu.Unlock()
	q.poke()
}

// take returns an app that is due at now and marks it running. Without one it
// returns the next due time, or zero.
func (q *queue) take(now time.Time) (app spec.Name, ok bool, next time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	next = q.promote(now)
	if len(q.ready) == 0 {
		return spec.Name{}, false, next
	}
	app = q.ready[0]
	q.ready = q.ready[1:]
	e := q.apps[app]
	e.ready, e.running, e.dirty, e.due = false, true, false, time.Time{}
	return app, true, time.Time{}
}

// done ends app's pass; again replaces its due time (zero: none).
func (q *queue) done(app spec.Name, again time.Time) {
	q.mu.Lock()
	e := q.entry(app)
	e.running = false
	e.due = again
	switch {
	case e.dirty:
		q.push(app, e)
	case again.IsZero():
		delete(q.apps, app)
	}
	q.mu.Unlock()
	q.poke()
}

// stuck returns why the queue does not move: an app has long been due while
// somebody waits for one.
func (q *queue) stuck(now time.Time) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.free || len(q.ready) == 0 || now.Sub(q.since) <= slack {
		return nil
	}
	return fmt.Errorf("%s has been due for %s and is not looked at", q.ready[0], now.Sub(q.since).Round(time.Second))
}

// waiting notes whether somebody waits for an app to be due.
func (q *queue) waiting(free bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.free, q.since = free, time.Now()
}

// length returns how many apps wait for their pass now.
func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.ready)
}

// next waits until an app is due and returns it; false when ctx ended.
func (q *queue) next(ctx context.Context) (spec.Name, bool) {
	for ctx.Err() == nil {
		app, ok, due := q.take(time.Now())
		if ok {
			return app, true
		}
		q.nap(ctx, due)
	}
	return spec.Name{}, false
}

// nap waits for a wake-up, for due, or for ctx.
func (q *queue) nap(ctx context.Context, due time.Time) {
	var timeout <-chan time.Time
	if !due.IsZero() {
		timer := time.NewTimer(min(max(time.Until(due), 0), longestNap))
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-ctx.Done():
	case <-q.wake:
	case <-timeout:
	}
}

// push puts app at the end of the ready ones, or marks it dirty while it runs.
func (q *queue) push(app spec.Name, e *entry) {
	switch {
	case e.running:
		e.dirty = true
	case !e.ready:
		if e.ready = true; len(q.ready) == 0 {
			q.since = time.Now()
		}
		q.ready = append(q.ready, app)
	}
}

// promote moves what is due at now to the ready ones, the longest due first,
// and returns the next due time that is left, or zero.
func (q *queue) promote(now time.Time) time.Time {
	for {
		var app spec.Name
		var first *entry
		for name, e := range q.apps {
			if e.ready || e.running || e.due.IsZero() {
				continue
			}
			if first == nil || e.due.Before(first.due) || e.due.Equal(first.due) && name.String() < app.String() {
				app, first = name, e
			}
		}
		if first == nil {
			return time.Time{}
		}
		if first.due.After(now) {
			return first.due
		}
		q.push(app, first)
	}
}

func (q *queue) entry(app spec.Name) *entry {
	e := q.apps[app]
	if e == nil {
		e = &entry{}
		q.apps[app] = e
	}
	return e
}

func (q *queue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// run calls look for every due app, at most parallel at once, until ctx ends;
// then it waits for those that run. look may call release to give up its place
// while it waits for something slow; what it returns is the next due time.
func (q *queue) run(ctx context.Context, parallel int, look func(app spec.Name, release func()) time.Time) {
	places := make(chan struct{}, parallel)
	var running sync.WaitGroup
	defer running.Wait()
	for {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return
		}
		q.waiting(true)
		app, ok := q.next(ctx)
		q.waiting(false)
		if !ok {
			return
		}
		release := sync.OnceFunc(func() { <-places })
		running.Go(func() {
			again := look(app, release)
			q.done(app, again)
			release()
		})
	}
}
