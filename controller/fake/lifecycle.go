package fake

import (
	"time"

	"teal/reconcile"
)

// advance makes c what it has become by now.
func (e *Engine) advance(c *container, now time.Time) {
	for {
		next, ok := c.nextEvent()
		if !ok || next.After(now) {
			return
		}
		if c.State == reconcile.Restarting {
			c.State, c.StartedAt, c.ahead = reconcile.Running, next, 0
			c.Restarts++
			continue
		}
		code := 1
		if c.test {
			code = c.behaviour.Test
		}
		e.exit(c, next, code)
	}
}

// nextEvent is when c changes by itself.
func (c *container) nextEvent() (time.Time, bool) {
	switch {
	case c.State == reconcile.Restarting:
		return c.gone, true
	case c.State == reconcile.Running && c.behaviour.Exits > 0:
		return c.began().Add(c.behaviour.Exits), true
	}
	return time.Time{}, false
}

// exit ends c's process; the engine starts it again if it is told to.
func (e *Engine) exit(c *container, at time.Time, code int) {
	c.State, c.ExitCode = reconcile.Exited, code
	if c.restarts {
		c.State, c.gone = reconcile.Restarting, at.Add(restartDelay<<min(c.exitCount, 6))
	}
	c.exitCount++
}

// HealthyAt reports whether the container with the given id would pass a probe
// at t: never unless it runs.
func (e *Engine) HealthyAt(id string, t time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.byID(id)
	if c == nil {
		return false
	}
	e.advance(c, stamp())
	return c.State == reconcile.Running && !e.dark(c) && !t.Before(c.began()) && c.behaviour.healthyAt(c.began(), t)
}

// run returns the present run of a container: when it is said to have started,
// when it began and how it goes. ok is false if it does not run.
func (e *Engine) run(id string) (told, began time.Time, b Behaviour, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.byID(id)
	if c == nil {
		return time.Time{}, time.Time{}, Behaviour{}, false
	}
	e.advance(c, stamp())
	return c.StartedAt, c.began(), c.behaviour, c.State == reconcile.Running && !e.dark(c)
}

// Passed reports whether the container at address would pass a probe now, or
// would have done at a moment within the given span before.
func (e *Engine) Passed(address string, within time.Duration) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := stamp()
	for _, c := range e.containers {
		if c.Address != address || address == "" {
			continue
		}
		e.advance(c, now)
		if c.State != reconcile.Running || e.dark(c) {
			return within > 0 && (c.State == reconcile.Exited || c.State == reconcile.Restarting || e.dark(c))
		}
		return c.behaviour.healthyAt(c.began(), now) || c.behaviour.healthyAt(c.began(), now.Add(-within))
	}
	return false
}
