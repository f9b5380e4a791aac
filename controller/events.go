package controller

import (
	"context"
	"fmt"

	"teal/controller/api"
	"teal/reconcile"
	"teal/spec"
)

// Events implements [api.Controller].
func (c *Controller) Events(_ context.Context, q api.EventQuery) (api.EventPage, error) {
	limit := min(max(q.Limit, 1), api.MaxEvents)
	ask := q.App
	if ask.Service == "" {
		ask = spec.Name{} // the store knows apps, not projects
	}
	page := api.EventPage{Events: []reconcile.Event{}, Last: q.After}
	for len(page.Events) < limit {
		events, last, err := c.opts.Store.Events(ask, page.Last, limit-len(page.Events))
		if err != nil {
			return api.EventPage{}, fmt.Errorf("read events: %w", err)
		}
		if last <= page.Last {
			page.Last = last // lower when the store was rebuilt: numbers begin anew
			return page, nil
		}
		page.Last = last
		for _, e := range events {
			if q.App.Project == "" || e.App.Project == q.App.Project {
				page.Events = append(page.Events, e)
			}
		}
	}
	further, _, err := c.opts.Store.Events(ask, page.Last, 1)
	if err != nil {
		return api.EventPage{}, fmt.Errorf("read events: %w", err)
	}
	page.More = len(further) > 0
	return page, nil
}

// Note stores events that are not the controller's own, and tells of them as of
// any other.
func (c *Controller) Note(events ...reconcile.Event) { c.note(events...) }

// History implements [api.Controller].
func (c *Controller) History(_ context.Context, app spec.Name, limit int) (api.HistoryList, error) {
	_, known, err := c.opts.Store.Load(app)
	if err != nil {
		return api.HistoryList{}, fmt.Errorf("load %s: %w", app, err)
	}
	rollouts, err := c.opts.Store.History(app, min(max(limit, 1), api.MaxLimit))
	if err != nil {
		return api.HistoryList{}, fmt.Errorf("read the history of %s: %w", app, err)
	}
	if !known && len(rollouts) == 0 {
		return api.HistoryList{}, unknown(app.String())
	}
	out := make([]reconcile.Rollout, len(rollouts))
	for i, r := range rollouts {
		// The records keep what it takes to start an earlier revision again, its
		// passwords too; nobody is told them.
		r.Revision.Container, r.Health = r.Revision.Container.Shown(), r.Health.Shown()
		out[i] = r
	}
	return api.HistoryList{Rollouts: out}, nil
}
