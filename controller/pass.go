package controller

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// errCut says that a pass was given up before its effects' outcome was known:
// the controller stops, or a newer wish interrupted it.
var errCut = errors.New("cut short")

// look runs one pass and turns what came of it into the next due time.
func (c *Controller) look(ctx context.Context, app spec.Name, release func()) time.Time {
	begun := time.Now()
	defer c.vitals.ended(app)
	c.vitals.within(app, 0)
	var again time.Time
	err := c.safely("pass", app, func() (err error) {
		again, err = c.pass(ctx, app, release)
		return err
	})
	c.metrics.passed(time.Since(begun), err)
	switch {
	case err == nil:
		c.memory.succeeded(app)
		return again
	case errors.Is(err, errCut) || ctx.Err() != nil:
		return time.Now()
	}
	n := c.memory.failed(app)
	wait := c.opts.Limits.backoff(n)
	if _, away := errors.AsType[*awayError](err); !away { // that has its own event
		c.log.Error("pass failed", "app", app.String(), "error", err, "attempts", n, "again_in", wait)
	}
	if retry := time.Now().Add(wait); again.IsZero() || retry.Before(again) {
		return retry
	}
	return again
}

// awayError says that a side does not answer.
type awayError struct {
	side side
	err  error
}

func (e *awayError) Error() string { return words[e.side].lost + ": " + e.err.Error() }
func (e *awayError) Unwrap() error { return e.err }

// pass is the loop of the whole controller, once: observe, decide, record,
// perform, record what came of it.
func (c *Controller) pass(ctx context.Context, app spec.Name, release func()) (time.Time, error) {
	state, known, err := c.load(app)
	if err != nil {
		return time.Time{}, err
	}
	if !known {
		c.gone(app)
		return time.Time{}, nil
	}
	state.Desired.Service.Name = app
	c.vitals.within(app, c.observeLimit(state))
	saw := c.observe(ctx, state)
	if err := errors.Join(saw.engine, saw.proxy, saw.store); saw.store != nil || errors.Is(err, errDefect) {
		return time.Time{}, err
	}
	c.heard(ctx, state.Desired.Service, saw.seen, saw.engine)
	if saw.engine != nil {
		return time.Time{}, &awayError{engineSide, saw.engine}
	}
	c.proxyAnswered(ctx, state, saw)
	leapt, before := c.leap(), state.Record
	state.Record = c.onTime(app, before, leapt)
	decision := reconcile.Next(c.input(state, saw.world))
	if err := c.save(app, before, decision); err != nil {
		return time.Time{}, err
	}
	c.memory.keptTime(app, leapt)
	c.memory.saw(app, saw.world)
	if decision.Gone {
		c.gone(app)
		return time.Time{}, nil
	}
	record, err := c.carryOut(ctx, app, decision, release)
	if err != nil {
		return time.Time{}, err
	}
	c.opts.Prober.Watch(app, reconcile.Probes(record, saw.world))
	c.settle(app, state.Record, record)
	return c.due(app, decision), proxyAway(saw)
}

// input puts together what a decision rests on.
func (c *Controller) input(state reconcile.State, world reconcile.World) reconcile.Input {
	at := now()
	return reconcile.Input{
		Now: at, Record: state.Record, Desired: state.Desired, World: world,
		Commands: state.Commands, Closed: c.book.Closed(state.Desired.Service.Calendars, at), Previous: state.Previous,
	}
}

// proxyAnswered notes whether the proxy answered, if it was asked, and has it
// looked after if it did not.
func (c *Controller) proxyAnswered(ctx context.Context, state reconcile.State, saw sight) {
	if !routed(state) {
		return
	}
	c.answered(ctx, proxySide, saw.proxy)
	if saw.proxy != nil {
		c.callSupervisor()
	}
}

func proxyAway(saw sight) error {
	if saw.proxy == nil {
		return nil
	}
	return &awayError{proxySide, saw.proxy}
}

// save stores a decision in one transaction, unless it says nothing new.
func (c *Controller) save(app spec.Name, before reconcile.Record, d reconcile.Decision) error {
	if !d.Gone && len(d.Taken)+len(d.Events)+len(d.History) == 0 && reflect.DeepEqual(before, d.Record) {
		return nil
	}
	err := c.opts.Store.Save(app, d)
	c.wrote(err)
	if err != nil {
		return fmt.Errorf("save the decision on %s: %w", app, err)
	}
	c.publish(d.Events...)
	return nil
}

// same compares values as they would be kept or sent: two readings of one
// moment differ in memory, and so do no list and an empty one.
func same[T any](a, b T) bool {
	if reflect.DeepEqual(a, b) {
		return true
	}
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// carryOut performs the decision's steps and records what came of them.
func (c *Controller) carryOut(ctx context.Context, app spec.Name, d reconcile.Decision, release func()) (reconcile.Record, error) {
	if len(d.Steps) == 0 {
		return d.Record, nil
	}
	c.vitals.within(app, c.limits(d.Steps))
	outcomes, err := c.perform(ctx, app, d.Steps, release)
	c.vitals.within(app, 0)
	record := d.Record
	var events []reconcile.Event
	for _, o := range outcomes {
		var said []reconcile.Event
		record, said = reconcile.Note(record, o.step, o.outcome, now())
		events = append(events, said...)
	}
	if saveErr := c.save(app, d.Record, reconcile.Decision{Record: record, Events: events}); saveErr != nil {
		return record, saveErr
	}
	return record, err
}

// due is when to look at the app again after a pass that went well: at once if
// something was done, later and later if the same was done over and over.
func (c *Controller) due(app spec.Name, d reconcile.Decision) time.Time {
	n := c.memory.repeated(app, d.Steps)
	if len(d.Steps) == 0 {
		return d.Again
	}
	const patience = 3 // a slow engine may need the same to be asked again
	if n < patience {
		return time.Now()
	}
	return time.Now().Add(c.opts.Limits.backoff(n - patience + 1))
}

// settle wakes those that wait for app when its record has changed.
func (c *Controller) settle(app spec.Name, before, after reconcile.Record) {
	if before.Phase != after.Phase && after.Phase == reconcile.Idle || before.Standby != nil && after.Standby == nil || shortOfSpace(after) {
		c.tidyUp()
	}
	if before.Phase != after.Phase || before.Generation != after.Generation {
		c.queue.add(c.family.dependents(app)...)
	}
	c.changes.signal()
}

// gone forgets an app of which nothing is left.
func (c *Controller) gone(app spec.Name) {
	c.opts.Prober.Watch(app, nil)
	c.memory.forget(app)
	c.family.forget(app)
	c.queue.add(c.family.dependents(app)...)
	c.changes.signal()
}
