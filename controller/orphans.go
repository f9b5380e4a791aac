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

// Sweep looks at what belongs to no known app, as Run does at every full look.
// Containers are reported, with one event when they are first seen, and left
// alone. A route that leads nowhere, as a proxy can have that came back with an
// old table, is taken away.
func (c *Controller) Sweep(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, c.opts.Limits.Observe)
	defer cancel()
	running, err := c.opts.Engine.Apps(limited)
	if err != nil {
		c.answered(ctx, engineSide, fmt.Errorf("list apps: %w", err))
		return
	}
	all := c.allAnswer(ctx)
	if all { // otherwise an app may have containers that are not seen
		c.sweepRoutes(ctx, running)
	}
	maps.DeleteFunc(running, func(app spec.Name, _ int64) bool { return c.known(app) })
	if !all {
		for _, app := range c.orphans.list() { // it may only be out of sight
			if !c.known(app) {
				running[app] = 0
			}
		}
	}
	names := slices.SortedFunc(maps.Keys(running), byName)
	for _, app := range c.orphans.replace(names) {
		c.note(reconcile.Event{
			At: now(), App: app, Warning: true, Reason: reconcile.ReasonOrphaned,
			Message: "containers of this app run, but no desired state names it; they are left alone",
		})
	}
}

// sweepRoutes takes away the routes of apps that are neither known nor have
// containers.
func (c *Controller) sweepRoutes(ctx context.Context, running map[spec.Name]int64) {
	snapshot, err := c.router.read(ctx)
	if err != nil {
		c.answered(ctx, proxySide, err)
		return
	}
	for _, route := range snapshot.Table.Routes {
		if _, runs := running[route.App]; runs || c.known(route.App) {
			continue
		}
		step := reconcile.Step{Kind: reconcile.StepUnroute, App: route.App, Why: "the app is not known and has no containers"}
		if out := c.router.change(ctx, step); out.Failure != nil {
			c.log.Warn("route was not removed", "app", route.App.String(), "error", out.Failure)
			continue
		}
		c.note(reconcile.Event{
			At: now(), App: route.App, Reason: reconcile.ReasonRouteDrift,
			Message: "the proxy had a route for an app that is not known and has no containers; it was removed",
		})
	}
}

// known asks the store itself: what was accepted a moment ago counts.
func (c *Controller) known(app spec.Name) bool {
	_, known, err := c.opts.Store.Load(app)
	return known || err != nil
}
