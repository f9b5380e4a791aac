package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"teal/controller/api"
	"teal/controller/source"
)

// Pulled is a source that is pulled from somewhere else, by its own schedule.
type Pulled interface {
	Source
	// State tells how it stands.
	State() source.State
	// Sync looks now, unless a look has ended that began at since or later, and
	// returns once what was found was offered.
	Sync(ctx context.Context, since time.Time) error
}

// Sync implements [api.Controller].
func (c *Controller) Sync(ctx context.Context, req api.SyncRequest) (api.SyncResult, error) {
	found, err := c.pulled(req.Source)
	if err != nil {
		return api.SyncResult{}, err
	}
	out := api.SyncResult{Since: req.Since}
	if out.Since.IsZero() {
		out.Since = time.Now()
	}
	waits := make([]bool, len(found))
	var group errgroup.Group
	for i, f := range found {
		group.Go(func() error {
			p, ok := f.source.(Pulled)
			// Why it failed is in its status.
			waits[i] = ok && isContext(p.Sync(ctx, out.Since))
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return out, err
	}
	for i, f := range found {
		out.Sources = append(out.Sources, f.status())
		out.Waiting = out.Waiting || waits[i]
	}
	return out, nil
}

func isContext(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// pulled returns the source of a name, or all that are pulled.
func (c *Controller) pulled(name string) ([]*feed, error) {
	var out []*feed
	var names []string
	for _, f := range c.sources {
		if n := f.name(); n != "" {
			names = append(names, n)
			if name == "" || name == n {
				out = append(out, f)
			}
		}
	}
	if len(out) > 0 {
		return out, nil
	}
	hint := "name one in the configuration: sources:"
	if len(names) > 0 {
		slices.Sort(names)
		hint = "there are: " + strings.Join(names, ", ")
	}
	if name == "" {
		return nil, &api.Error{Reason: api.ReasonNotNow, Message: "no source is pulled from anywhere", Hint: hint}
	}
	return nil, &api.Error{Reason: api.ReasonUnknownSource, Message: fmt.Sprintf("there is no source %s", name), Hint: hint}
}
