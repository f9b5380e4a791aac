package controller

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"teal/reconcile"
	"teal/spec"
)

// orphans are apps that have containers of ours and no desired state. They are
// reported and never touched: the file that wanted them may only be late.
type orphans struct {
	mu    sync.Mutex
	names []spec.Name
}

// list returns the orphans of the last full look, sorted.
func (o *orphans) list() []spec.Name {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.names)
}

// replace keeps the new list and returns what was not in the old one.
func (o *orphans) replace(names []spec.Name) (fresh []spec.Name) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, n := range names {
		if !slices.Contains(o.names, n) {
			fresh = append(fresh, n)
		}
	}
	o.names = names
	return fresh
}

// findOrphans asks the engine for apps that nobody wants, with one event each
// when they are first seen.
func (c *Controller) findOrphans(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, c.opts.Limits.Observe)
	defer cancel()
	running, err := c.opts.Engine.Apps(limited)
	if err != nil {
		c.answered(ctx, engineSide, fmt.Errorf("list apps: %w", err))
		return
	}
	maps.DeleteFunc(running, func(app spec.Name, _ int64) bool { return c.family.knows(app) })
	names := slices.SortedFunc(maps.Keys(running), byName)
	for _, app := range c.orphans.replace(names) {
		c.note(reconcile.Event{
			At: now(), App: app, Warning: true, Reason: reconcile.ReasonOrphaned,
			Message: "containers of this app run, but no desired state names it; they are left alone",
		})
	}
}
