package controller

import (
	"context"
	"fmt"
	"sync"

	"teal/reconcile"
	"teal/spec"
)

// sight is what one look showed. With engine set the world is not to be used;
// with proxy set only Served is unknown.
type sight struct {
	world         reconcile.World
	engine, proxy error
}

// observe looks at everything that matters to an app, in parallel, each within
// its limit.
func (c *Controller) observe(ctx context.Context, state reconcile.State) sight {
	var (
		out  sight
		seen Seen
		wg   sync.WaitGroup
	)
	app := state.Desired.Service.Name
	wg.Go(func() {
		out.engine = c.safely("observe", app, func() (err error) { seen, err = c.observeEngine(ctx, app); return err })
	})
	if routed(state) {
		wg.Go(func() {
			out.proxy = c.safely("read the proxy", app, func() (err error) { out.world.Served, err = c.observeProxy(ctx, app); return err })
		})
	}
	dependencies, dependencyErr := c.observeDependencies(ctx, state.Desired.Service)
	wg.Wait()
	if out.engine == nil {
		out.engine = dependencyErr
	}
	out.world.Containers, out.world.Test, out.world.Dependencies = seen.Containers, seen.Test, dependencies
	for i := range out.world.Containers {
		out.world.Containers[i].Probe = c.opts.Prober.Probe(out.world.Containers[i].ID)
	}
	return out
}

func (c *Controller) observeEngine(ctx context.Context, app spec.Name) (Seen, error) {
	limited, cancel := context.WithTimeout(ctx, c.opts.Limits.Observe)
	defer cancel()
	seen, err := c.opts.Engine.Observe(limited, app)
	if err != nil {
		return Seen{}, fmt.Errorf("observe %s: %w", app, err)
	}
	return seen, nil
}

func (c *Controller) observeProxy(ctx context.Context, app spec.Name) (reconcile.Served, error) {
	limited, cancel := context.WithTimeout(ctx, c.opts.Limits.Read)
	defer cancel()
	snapshot, err := c.opts.Proxy.Read(limited)
	if err != nil {
		return reconcile.Served{}, fmt.Errorf("read the proxy: %w", err)
	}
	return snapshot.Served(app), nil
}

// routed reports whether the proxy has a say in an app: not for dependencies
// that never were anything else.
func routed(s reconcile.State) bool {
	r := s.Record
	return s.Desired.Service.Rollout != nil ||
		r.Stable != nil && r.Stable.Revision.Port > 0 ||
		r.Candidate != nil && r.Candidate.Revision.Port > 0 ||
		r.Standby != nil && r.Standby.Revision.Port > 0
}

// observeDependencies tells how far the services have come that s depends on.
func (c *Controller) observeDependencies(ctx context.Context, s spec.Service) (map[string]reconcile.DependencyState, error) {
	if len(s.DependsOn) == 0 {
		return nil, nil
	}
	out := map[string]reconcile.DependencyState{}
	for _, d := range s.DependsOn {
		name := spec.Name{Project: s.Name.Project, Service: d.Service}
		state, known, err := c.opts.Store.Load(name)
		if err != nil {
			return nil, fmt.Errorf("load %s: %w", name, err)
		}
		if !known {
			out[d.Service] = reconcile.DependencyState{Words: "not known"}
			continue
		}
		seen, err := c.observeEngine(ctx, name)
		if err != nil {
			return nil, err
		}
		for i := range seen.Containers {
			seen.Containers[i].Probe = c.opts.Prober.Probe(seen.Containers[i].ID)
		}
		out[d.Service] = dependencyState(state, seen.Containers)
	}
	return out, nil
}
