package controller

import (
	"time"

	"teal/reconcile"
	"teal/spec"
)

// leap is by how much the clock must be set to be noticed: less is how clocks
// are kept right.
const leap = 2 * time.Second

// leapt is how far the machine's clock was set since the controller started: the
// clock on the wall against the one that only runs. A machine that was suspended
// counts as set forward by that time.
func (c *Controller) leapt() time.Duration {
	n := time.Now()
	return n.Round(0).Sub(c.started.Round(0)) - n.Sub(c.started)
}

// onTime is app's record by the clock as it is now: when that was set since the
// last pass, all that waits goes on as if it had not been. What was set while no
// controller ran is left to the planner.
func (c *Controller) onTime(app spec.Name, r reconcile.Record, leapt time.Duration) reconcile.Record {
	set := leapt - c.memory.leapt(app, leapt)
	if set.Abs() < leap {
		return r
	}
	c.log.Warn("clock was set", "app", app.String(), "by", set.Round(time.Second))
	return reconcile.Shift(r, set)
}
