package controller

import (
	"context"
	"fmt"
	"slices"

	"teal/controller/api"
	"teal/spec"
)

var _ api.Controller = (*Controller)(nil)

// Apply implements [api.Controller].
func (c *Controller) Apply(ctx context.Context, req api.ApplyRequest) (api.ApplyResult, error) {
	if err := c.notWatched(req.Project.Name); err != nil {
		return api.ApplyResult{}, err
	}
	result, err := c.accept(ctx, offer{project: req.Project, prune: req.Prune, by: req.By})
	if err == nil {
		c.reconsider(ctx)
	}
	return result, err
}

// Remove implements [api.Controller].
func (c *Controller) Remove(ctx context.Context, req api.RemoveRequest) (api.ApplyResult, error) {
	if err := c.notWatched(req.Project); err != nil {
		return api.ApplyResult{}, err
	}
	known := false
	for _, app := range c.family.all() {
		known = known || app.Project == req.Project
	}
	if !known {
		return api.ApplyResult{}, unknown("project " + req.Project)
	}
	result, err := c.accept(ctx, offer{project: spec.Project{Name: req.Project}, remove: true, by: req.By})
	if err == nil {
		c.reconsider(ctx)
	}
	return result, err
}

// notWatched refuses a project that a source describes.
func (c *Controller) notWatched(project string) error {
	for _, f := range c.sources {
		for _, in := range f.intakes() {
			if in.claims(project) {
				return watched(project, in.words())
			}
		}
	}
	return c.notOwned(project)
}

// notOwned refuses a project that was accepted from a source which has not said
// yet, after a start, what it holds.
func (c *Controller) notOwned(project string) error {
	if !slices.ContainsFunc(c.sources, func(f *feed) bool { return f.name() != "" }) {
		return nil
	}
	all, err := c.opts.Store.Projects()
	if err != nil {
		return fmt.Errorf("list projects: %w", err)
	}
	for _, p := range all {
		if p.Name != project {
			continue
		}
		if f := c.feedOf(ownerOf(p)); f != nil && f.holds(project) {
			return watched(project, f.words())
		}
	}
	return nil
}

func watched(project, where string) error {
	return &api.Error{
		Reason:  api.ReasonWatched,
		Message: "project " + project + " is watched: " + where + " says what it is",
		Hint:    "edit " + where,
	}
}

func unknown(what string) error {
	return &api.Error{Reason: api.ReasonUnknownApp, Message: what + " is not known", Hint: "teal status lists what is"}
}
