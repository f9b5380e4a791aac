package controller

import (
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"

	"teal/controller/api"
	"teal/reconcile"
	"teal/spec"
)

// statusParallel bounds how many apps one status request looks at at once.
const statusParallel = 8

// Status implements [api.Controller]. Every app is looked at anew; where the
// engine does not answer, what was seen last is told, and that it is old.
func (c *Controller) Status(ctx context.Context, filter spec.Name) (api.StatusList, error) {
	apps := matching(c.family.all(), filter)
	orphans := matching(c.orphans.list(), filter)
	if filter.Project != "" && len(apps)+len(orphans) == 0 {
		return api.StatusList{}, unknown(filterWords(filter))
	}
	found := make([]*reconcile.Status, len(apps))
	group, looking := errgroup.WithContext(ctx)
	group.SetLimit(statusParallel)
	for i, app := range apps {
		group.Go(func() error {
			return c.safely("describe", app, func() (err error) { found[i], err = c.describe(looking, app); return err })
		})
	}
	if err := group.Wait(); err != nil {
		return api.StatusList{}, err
	}
	out := api.StatusList{At: now(), Controller: c.controllerStatus(ctx), Apps: []reconcile.Status{}}
	for _, s := range found {
		if s != nil { // gone meanwhile
			out.Apps = append(out.Apps, *s)
		}
	}
	for _, app := range orphans {
		out.Apps = append(out.Apps, orphanStatus(app))
	}
	out.Sources = c.Sources()
	return out, nil
}

// Sources tells how the sources are, in the order they were configured.
func (c *Controller) Sources() []api.SourceStatus {
	var out []api.SourceStatus
	for _, f := range c.sources {
		out = append(out, f.status())
	}
	return out
}

// describe tells how one app is; nil if it is not known any more.
func (c *Controller) describe(ctx context.Context, app spec.Name) (*reconcile.Status, error) {
	state, known, err := c.load(app)
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, nil
	}
	world, stale := c.present(ctx, state)
	s := reconcile.Describe(c.input(state, world))
	if stale != nil {
		s.Synced = reconcile.Condition{}
		s.Synced.Reason, s.Synced.Message = c.lostWords(state.Desired.Service, stale)
	}
	return &s, nil
}

// present looks at an app now. When the engine does not answer, it returns the
// last world that was seen, and why it is old.
func (c *Controller) present(ctx context.Context, state reconcile.State) (reconcile.World, error) {
	if !c.health.of(engineSide).OK { // asking again would make everybody wait
		world := c.memory.last(state.Desired.Service.Name)
		return world, lostError{c.health.of(engineSide).Message}
	}
	saw := c.observe(ctx, state)
	if saw.engine == nil && saw.store == nil {
		return saw.world, nil
	}
	if saw.engine == nil {
		saw.engine = saw.store
	}
	c.heard(ctx, state.Desired.Service, saw.seen, saw.engine)
	world := c.memory.last(state.Desired.Service.Name)
	return world, saw.engine
}

// lostError repeats the last words of a side that does not answer.
type lostError struct{ message string }

func (e lostError) Error() string { return e.message }

func (c *Controller) controllerStatus(ctx context.Context) api.ControllerStatus {
	return api.ControllerStatus{
		ID: c.opts.ID, Version: c.opts.Version, Started: c.started.UTC(), Listen: c.opts.Listen,
		Engine: c.health.of(engineSide), Proxy: c.health.of(proxySide), Records: c.recordsStatus(), Hosts: c.hostsStatus(ctx),
	}
}

func orphanStatus(app spec.Name) reconcile.Status {
	c := reconcile.Condition{Reason: reconcile.ReasonOrphaned, Message: "containers run, but no desired state names this app; they are left alone"}
	return reconcile.Status{App: app, Kind: "orphan", Serving: c, Synced: c}
}

// Version implements [api.Controller].
func (c *Controller) Version(ctx context.Context) (api.Version, error) {
	out := api.Version{
		Version: c.opts.Version, Go: runtime.Version(), API: api.APIVersion, ID: c.opts.ID, Started: c.started.UTC(),
	}
	if c.opts.EngineVersion == nil {
		return out, nil
	}
	limited, cancel := context.WithTimeout(ctx, c.opts.Limits.Read)
	defer cancel()
	version, apiVersion, err := c.opts.EngineVersion(limited)
	if err != nil {
		c.log.Debug("engine version was not told", "error", err)
		return out, nil
	}
	out.Engine, out.EngineAPI = version, apiVersion
	return out, nil
}

// conditionCounts counts apps by condition and reason, as they were at their
// last pass, for the metrics.
func (c *Controller) conditionCounts() map[[2]string]int {
	out := map[[2]string]int{}
	for _, app := range c.family.all() {
		state, known, err := c.load(app)
		if err != nil || !known {
			continue // a scrape is no place to tell of it: the passes do
		}
		world := c.memory.last(app)
		s := reconcile.Describe(c.input(state, world))
		out[[2]string{"serving", string(reasonOf(s.Serving))}]++
		out[[2]string{"synced", string(reasonOf(s.Synced))}]++
	}
	return out
}

// reasonOf is empty for a condition that holds.
func reasonOf(c reconcile.Condition) reconcile.Reason {
	if c.OK {
		return ""
	}
	return c.Reason
}

func matching(apps []spec.Name, filter spec.Name) []spec.Name {
	var out []spec.Name
	for _, app := range apps {
		if (filter.Project == "" || filter.Project == app.Project) && (filter.Service == "" || filter.Service == app.Service) {
			out = append(out, app)
		}
	}
	return out
}

func filterWords(filter spec.Name) string {
	if filter.Service == "" {
		return "project " + filter.Project
	}
	return filter.String()
}
