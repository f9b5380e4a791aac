package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"teal/reconcile"
	"teal/spec"
)

// ImageUpdate asks for another image of an app than its file names.
type ImageUpdate struct {
	App      spec.Name
	From, To string // images; From is what was wanted when it was decided
	Why      string // for people
}

// ErrMovedOn says that an image update came too late, or at a bad time: it is to
// be decided again.
var ErrMovedOn = errors.New("what is wanted of the app has changed")

// UpdateImage makes an image update the newest wish for its app. It stays while
// the file names the image that it named now: see [spec.Service.Updated].
func (c *Controller) UpdateImage(ctx context.Context, u ImageUpdate) error {
	c.accepting.Lock()
	defer c.accepting.Unlock()
	before, err := c.desired()
	if err != nil {
		return err
	}
	if d, known := before[u.App]; !known || d.Orphaned || d.Service.Container.Image != u.From {
		return fmt.Errorf("update %s: %w", u.App, ErrMovedOn)
	}
	for app, d := range before {
		if app.Project == u.App.Project && d.Pruned {
			return fmt.Errorf("update %s while %s is removed: %w", u.App, app, ErrMovedOn)
		}
	}
	all, err := c.opts.Store.Projects()
	if err != nil {
		return fmt.Errorf("list projects: %w", err)
	}
	i := slices.IndexFunc(all, func(p spec.Project) bool { return p.Name == u.App.Project })
	if i < 0 {
		return fmt.Errorf("update %s: %w", u.App, ErrMovedOn)
	}
	p := withUpdates(all[i], before)
	for i, s := range p.Services {
		if s.Name == u.App {
			p.Services[i] = s.Update(u.To)
		}
	}
	_, err = c.acceptNow(ctx, offer{project: p, by: u.Why}, before)
	return err
}

// withUpdates is a project with the newer images that image policies put in the
// place of those that its files name.
func withUpdates(p spec.Project, before map[spec.Name]reconcile.Desired) spec.Project {
	p.Services = slices.Clone(p.Services)
	for i, s := range p.Services {
		if d, known := before[s.Name]; known && !d.Pruned {
			p.Services[i] = s.Updated(d.Service)
		}
	}
	return p
}
