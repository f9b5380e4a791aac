package controller

import (
	"errors"
	"fmt"
	"runtime/debug"

	"teal/spec"
)

// errDefect says that a panic was survived; nothing is known of the side that
// was being asked.
var errDefect = errors.New("defect")

// safely calls f and makes a panic in it an error, logged with its stack: one
// app's defect must not stop the others. It stands at the top of every
// goroutine that works for an app.
func (c *Controller) safely(doing string, app spec.Name, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			c.metrics.panics.Inc()
			c.log.Error("panic was survived", "app", app.String(), "doing", doing, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = fmt.Errorf("%s: %w: %v", doing, errDefect, r)
		}
	}()
	return f()
}
