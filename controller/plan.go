package controller

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"teal/controller/api"
	"teal/reconcile"
	"teal/spec"
)

// Limits of a plan.
const (
	longestPlan     = 200 // steps of one app
	planResolutions = 8   // images looked up at once
)

// Plan implements [api.Controller]. Registries are asked what images stand for;
// nothing else is touched.
func (c *Controller) Plan(ctx context.Context, req api.PlanRequest) (api.PlanResult, error) {
	before, err := c.desired()
	if err != nil {
		return api.PlanResult{}, err
	}
	wishes := before
	if req.Project != nil {
		o := offer{project: withUpdates(*req.Project, before), prune: req.Prune}
		if err := c.check(o, before); err != nil {
			return api.PlanResult{}, err
		}
		wishes = hypothetical(o, before)
	}
	apps := slices.SortedFunc(maps.Keys(wishes), byName)
	plans := make([]api.AppPlan, len(apps))
	group, looking := errgroup.WithContext(ctx)
	group.SetLimit(planResolutions)
	for i, app := range apps {
		group.Go(func() error {
			return c.safely("plan", app, func() (err error) { plans[i], err = c.planApp(looking, app, wishes[app], before); return err })
		})
	}
	if err := group.Wait(); err != nil {
		return api.PlanResult{}, err
	}
	return api.PlanResult{Apps: plans}, nil
}

// hypothetical is what the desired states of the project's apps would be.
func hypothetical(o offer, before map[spec.Name]reconcile.Desired) map[spec.Name]reconcile.Desired {
	out := map[spec.Name]reconcile.Desired{}
	for _, s := range o.project.Services {
		d, known := before[s.Name]
		if !known || d.Orphaned || d.Pruned || !same(d.Service, s) {
			d.Generation++
			d.Accepted = now()
		}
		d.Service, d.Orphaned, d.Pruned = s, false, false
		out[s.Name] = d
	}
	for app, d := range before {
		if _, named := out[app]; named || app.Project != o.project.Name {
			continue
		}
		if o.prune && !d.Pruned {
			d.Generation++
			d.Pruned = true
		}
		d.Orphaned = !d.Pruned
		out[app] = d
	}
	return out
}

// planApp says what would be done for one app under wish.
func (c *Controller) planApp(ctx context.Context, app spec.Name, wish reconcile.Desired, before map[spec.Name]reconcile.Desired) (api.AppPlan, error) {
	old, known := before[app]
	plan := api.AppPlan{
		App: app, Kind: kind(wish.Service), Generation: wish.Generation, Orphaned: wish.Orphaned, Pruned: wish.Pruned,
		Changed: !known || wish.Generation != old.Generation,
	}
	if known && plan.Changed {
		plan.Changes = changesBetween(old.Service, wish.Service)
	}
	state, _, err := c.load(app)
	if err != nil {
		return plan, err
	}
	state.Desired, state.Commands = wish, nil
	state.Desired.Service = c.placed(wish.Service)
	state.Desired.Service.Name = app
	world, err := c.planWorld(ctx, state)
	if err != nil {
		return plan, err
	}
	in := c.input(state, world)
	if why := c.resolve(ctx, &in); why != "" {
		plan.Blocked = why
		return plan, nil
	}
	plan.Entries = entries(wish.Service, reconcile.Forecast(in, longestPlan))
	if s := reconcile.Describe(in); len(plan.Entries) == 0 && !s.Synced.OK {
		plan.Blocked = s.Synced.Message
	}
	return plan, nil
}

// planWorld observes what a plan starts from.
func (c *Controller) planWorld(ctx context.Context, state reconcile.State) (reconcile.World, error) {
	seen, err := c.observeEngine(ctx, state.Desired.Service)
	if err != nil {
		return reconcile.World{}, c.unavailable(state.Desired.Service, err)
	}
	world := reconcile.World{Containers: seen.Containers, Test: seen.Test, Away: seen.Away}
	for i := range world.Containers {
		world.Containers[i].Probe = c.opts.Prober.Probe(world.Containers[i].ID)
	}
	if !routed(state) {
		return world, nil
	}
	if world.Served, err = c.observeProxy(ctx, state.Desired.Service.Name); err != nil {
		return reconcile.World{}, &api.Error{
			Reason: api.ReasonUnavailable, Message: "the proxy does not answer: " + err.Error(), Hint: "teal doctor",
		}
	}
	return world, nil
}

// resolve asks what the wanted image stands for, as the first pass would, and
// puts the answer where the forecast looks for it. It returns why not, in words.
func (c *Controller) resolve(ctx context.Context, in *reconcile.Input) string {
	d := reconcile.Next(*in)
	for _, s := range d.Steps {
		if s.Kind != reconcile.StepResolve {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, c.opts.Limits.Effect)
		out := c.opts.Engine.Perform(limited, s)
		cancel()
		if out.Failure != nil {
			return out.Failure.Message
		}
		in.Record, _ = reconcile.Note(d.Record, s, out, in.Now)
	}
	return ""
}

// entries tells steps in words, with what is waited for in between.
func entries(s spec.Service, steps []reconcile.Step) []api.PlanEntry {
	var out []api.PlanEntry
	created := false
	for i, step := range steps {
		if created && step.Kind != reconcile.StepEnsure {
			out = append(out, waits(s, step.Kind)...)
			created = false
		}
		created = created || step.Kind == reconcile.StepEnsure
		out = append(out, api.PlanEntry{Kind: api.PlanStep, Step: step.Kind, Text: step.String(), Why: step.Why})
		if last := i == len(steps)-1; last && created {
			out = append(out, waits(s, "")...)
		}
	}
	return out
}

// waits is what happens between new containers and the step after them.
func waits(s spec.Service, next reconcile.StepKind) []api.PlanEntry {
	if s.Rollout == nil {
		return []api.PlanEntry{{Kind: api.PlanWait, Text: "wait until it is up and, with a healthcheck, healthy"}}
	}
	out := []api.PlanEntry{{
		Kind: api.PlanWait, Text: fmt.Sprintf("wait until %d of %d are ready", s.Replicas, s.Replicas), Limit: s.Rollout.Health.Deadline,
	}}
	if next == reconcile.StepTest {
		return out
	}
	switch p := s.Rollout.Promotion; p.Mode {
	case spec.PromotionManual:
		out = append(out, api.PlanEntry{Kind: api.PlanGate, Text: "wait for teal promote " + s.Name.String(), Limit: p.Timeout})
	case spec.PromotionAfter:
		out = append(out, api.PlanEntry{Kind: api.PlanGate, Text: "wait before the switch", Limit: p.After})
	case spec.PromotionAuto:
	}
	return out
}
