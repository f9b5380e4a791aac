package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	"teal/spec"
)

// watchEngine keeps the event stream open until ctx ends. Events are only
// wake-ups and some are lost with every break, so each connection begins with a
// full look: first subscribed, then listed.
func (c *Controller) watchEngine(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		opened := false
		err := c.opts.Engine.Watch(ctx,
			func() {
				opened = true
				c.answered(ctx, engineSide, nil)
				c.lookAtAll(ctx)
			},
			func(app spec.Name) { c.Wake(app) })
		if ctx.Err() != nil {
			return
		}
		if opened {
			failures = 0
		}
		failures++
		if err == nil {
			err = errors.New("the event stream ended")
		}
		c.log.Debug("event stream broke", "error", err, "attempts", failures)
		if !opened {
			c.answered(ctx, engineSide, err)
		}
		pause(ctx, c.opts.Limits.backoff(failures))
	}
}

// resync looks at everything every so often: the net below all other triggers.
func (c *Controller) resync(ctx context.Context) {
	for ctx.Err() == nil {
		next := c.opts.Resync.Next(time.Now())
		if next.IsZero() {
			return
		}
		for ctx.Err() == nil && time.Now().Before(next) {
			pause(ctx, min(time.Until(next), longestNap))
		}
		if ctx.Err() == nil {
			c.callSupervisor()
			c.lookAtAll(ctx)
			c.reconsider(ctx)
		}
	}
}

// lookAtAll makes every app due, and reports containers that belong to none.
func (c *Controller) lookAtAll(ctx context.Context) {
	c.queue.add(c.family.all()...)
	c.Sweep(ctx)
}

// callSupervisor asks for the proxy to be looked after, soon.
func (c *Controller) callSupervisor() {
	select {
	case c.summon <- struct{}{}:
	default:
	}
}

// supervise keeps the proxy running: at the start, at each full look, and
// whenever it did not answer, with a pause that grows while it fails.
func (c *Controller) supervise(ctx context.Context) {
	if c.opts.Supervise == nil {
		return
	}
	c.callSupervisor()
	for failures := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-c.summon:
		}
		err := c.superviseOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		c.answered(ctx, proxySide, err)
		if err == nil {
			failures = 0
			pause(ctx, c.opts.Limits.Retry) // it was just seen well
			continue
		}
		failures++
		c.callSupervisor()
		pause(ctx, c.opts.Limits.backoff(failures))
	}
}

// superviseOnce brings the proxy up, and has every app looked at if it was away.
func (c *Controller) superviseOnce(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, c.opts.Limits.Supervise)
	defer cancel()
	away := !c.health.of(proxySide).OK
	if err := c.opts.Supervise(limited); err != nil {
		return &upError{err}
	}
	if !away {
		return nil
	}
	// A process that hangs runs as well as any other.
	if _, err := c.router.read(ctx); err != nil {
		return fmt.Errorf("it runs: %w", err)
	}
	c.queue.add(c.family.all()...)
	return nil
}

// upError says what keeps the proxy from running.
type upError struct{ error }

func (e *upError) Error() string { return "bring up the proxy: " + e.error.Error() }
func (e *upError) Unwrap() error { return e.error }

// pause waits for d or for ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
