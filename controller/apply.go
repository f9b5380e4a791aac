package controller

import (
	"context"
	"strings"

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

// notWatched refuses a project that a watched file describes.
func (c *Controller) notWatched(project string) error {
	for _, in := range c.sources {
		in.mu.Lock()
		watched := in.project == project
		in.mu.Unlock()
		if watched {
			files := strings.Join(in.source.Files(), ", ")
			return &api.Error{
				Reason:  api.ReasonWatched,
				Message: "project " + project + " is watched: " + files + " says what it is",
				Hint:    "edit " + files,
			}
		}
	}
	return nil
}

func unknown(what string) error {
	return &api.Error{Reason: api.ReasonUnknownApp, Message: what + " is not known", Hint: "teal status lists what is"}
}
