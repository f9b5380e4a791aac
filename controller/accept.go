package controller

import (
	"context"
	"fmt"
	"strings"

	"teal/controller/api"
	"teal/controller/schedule"
	"teal/reconcile"
	"teal/spec"
)

// offer is a project that wants to become the newest wish.
type offer struct {
	project spec.Project
	prune   bool
	remove  bool // the whole project is given up
	orphan  bool // it is not named any more, and kept as it is
	by      string
}

// accept checks an offer against what else is accepted, makes it the desired
// state, and has the apps looked at that it changes. A refusal is an
// [api.Error].
func (c *Controller) accept(ctx context.Context, o offer) (api.ApplyResult, error) {
	c.accepting.Lock()
	defer c.accepting.Unlock()
	before, err := c.desired()
	if err != nil {
		return api.ApplyResult{}, err
	}
	o.project = withUpdates(o.project, before)
	return c.acceptNow(ctx, o, before)
}

// acceptNow is accept for whoever holds the lock.
func (c *Controller) acceptNow(ctx context.Context, o offer, before map[spec.Name]reconcile.Desired) (api.ApplyResult, error) {
	accepted, err := c.keep(ctx, o, before)
	if err != nil {
		return api.ApplyResult{}, err
	}
	if err := c.family.read(c.opts.Store); err != nil {
		return api.ApplyResult{}, err
	}
	result := described(accepted, o, before)
	c.announce(result, o)
	return result, nil
}

// keep checks an offer and stores it.
func (c *Controller) keep(ctx context.Context, o offer, before map[spec.Name]reconcile.Desired) ([]reconcile.Accepted, error) {
	if o.orphan {
		accepted, err := c.opts.Store.Orphan(o.project.Name)
		if err != nil {
			return nil, fmt.Errorf("orphan project %s: %w", o.project.Name, err)
		}
		return accepted, nil
	}
	if o.remove {
		accepted, err := c.opts.Store.Remove(o.project.Name, now())
		if err != nil {
			return nil, fmt.Errorf("give up project %s: %w", o.project.Name, err)
		}
		return accepted, nil
	}
	if err := c.check(o, before); err != nil {
		return nil, err
	}
	least, err := c.atLeast(ctx, o.project, before)
	if err != nil {
		return nil, err
	}
	accepted, err := c.opts.Store.Accept(o.project, o.prune, least, now())
	c.wrote(err)
	if err != nil {
		return nil, fmt.Errorf("accept project %s: %w", o.project.Name, err)
	}
	return accepted, nil
}

// check refuses what must not become the desired state.
func (c *Controller) check(o offer, before map[spec.Name]reconcile.Desired) error {
	if len(o.project.Services) == 0 {
		return &api.Error{
			Reason: api.ReasonInvalid, Message: "project " + o.project.Name + " has no services: nothing was changed",
			Hint: "teal remove " + o.project.Name + " removes a whole project",
		}
	}
	policy := c.opts.Policy
	policy.Hosts = c.hostNames()
	policy.CheckRange = schedule.Check
	policy.Dir = o.project.Source.Dir() // who may speak to the socket may name it
	if err := o.project.Validate(policy); err != nil {
		return &api.Error{Reason: api.ReasonInvalid, Message: "project " + o.project.Name + " is not acceptable", Details: problems(err)}
	}
	return checkRoutes(o, before)
}

// desired loads the accepted wish of every app.
func (c *Controller) desired() (map[spec.Name]reconcile.Desired, error) {
	apps, err := c.opts.Store.Apps()
	if err != nil {
		return nil, fmt.Errorf("list apps: %w", err)
	}
	out := make(map[spec.Name]reconcile.Desired, len(apps))
	for _, app := range apps {
		state, known, err := c.opts.Store.Load(app)
		if err != nil {
			return nil, fmt.Errorf("load %s: %w", app, err)
		}
		if known {
			out[app] = state.Desired
		}
	}
	return out, nil
}

// anyFresh reports whether p names a service that is new to the store, or comes
// from a backup and was not compared with what runs yet.
func (c *Controller) anyFresh(p spec.Project, before map[spec.Name]reconcile.Desired) (bool, error) {
	for _, s := range p.Services {
		if _, known := before[s.Name]; !known {
			return true, nil
		}
		state, _, err := c.opts.Store.Load(s.Name)
		if err != nil {
			return false, fmt.Errorf("load %s: %w", s.Name, err)
		}
		if state.Record.Restored {
			return true, nil
		}
	}
	return false, nil
}

// atLeast returns the generations that containers of services new to the store
// carry: with a lost store, counting goes on from there. Without any engine's
// answer it is not known where to begin, and nothing is accepted; of several
// hosts, those that answer must do.
func (c *Controller) atLeast(ctx context.Context, p spec.Project, before map[spec.Name]reconcile.Desired) (map[spec.Name]int64, error) {
	fresh, err := c.anyFresh(p, before)
	if err != nil || !fresh {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, c.opts.Limits.Observe)
	defer cancel()
	generations, err := c.opts.Engine.Apps(limited)
	if err != nil {
		c.answered(ctx, engineSide, err)
		return nil, &api.Error{
			Reason:  api.ReasonUnavailable,
			Message: "the Docker Engine does not answer, so it is not known what runs of the new services: " + err.Error(),
			Hint:    "teal doctor",
		}
	}
	return generations, nil
}

// described tells an acceptance in the API's words.
func described(accepted []reconcile.Accepted, o offer, before map[spec.Name]reconcile.Desired) api.ApplyResult {
	wanted := map[spec.Name]spec.Service{}
	for _, s := range o.project.Services {
		wanted[s.Name] = s
	}
	var out api.ApplyResult
	for _, a := range accepted {
		old, known := before[a.App]
		s, named := wanted[a.App]
		entry := api.Accepted{Accepted: a, Kind: kind(old.Service)}
		if named {
			entry.Kind = kind(s)
		}
		if named && known && a.Changed {
			entry.Changes = changesBetween(old.Service, s)
		}
		out.Apps = append(out.Apps, entry)
	}
	return out
}

// announce tells of what an acceptance changed, and has it looked at.
func (c *Controller) announce(r api.ApplyResult, o offer) {
	var events []reconcile.Event
	for _, a := range r.Apps {
		if !a.Changed {
			continue
		}
		c.memory.interrupt(a.App)
		c.Wake(a.App)
		events = append(events, reconcile.Event{
			At: now(), App: a.App, Reason: ReasonAccepted, Warning: a.Orphaned, Message: acceptedWords(a, o.by),
		})
	}
	c.note(events...)
}

func acceptedWords(a api.Accepted, by string) string {
	words := fmt.Sprintf("generation %d accepted", a.Generation)
	switch {
	case a.Pruned:
		words = fmt.Sprintf("generation %d: it is to be removed", a.Generation)
	case a.Orphaned:
		words = "no longer named, kept as it is; apply with prune to remove it"
	}
	if by != "" {
		words += " from " + by
	}
	var changes []string
	for _, c := range a.Changes {
		changes = append(changes, c.Key+": "+orNone(c.From)+" → "+orNone(c.To))
	}
	if len(changes) > 0 {
		words += ": " + strings.Join(changes, ", ")
	}
	return words
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

func kind(s spec.Service) string {
	if s.Rollout != nil {
		return "app"
	}
	return "dependency"
}
