package controller

import (
	"context"
	"fmt"
	"sync"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// sight is what one look showed. With engine or store set the world is not to
// be used; with proxy set only Served is unknown.
type sight struct {
	world                reconcile.World
	seen                 Seen // of the app itself
	engine, proxy, store error
}

// observe looks at everything that matters to an app, in parallel, each within
// its limit.
func (c *Controller) observe(ctx context.Context, state reconcile.State) sight {
	var (
		out          sight
		dependencies map[string]reconcile.DependencyState
		awaited      error // what the engine said of the dependencies
	)
	app := state.Desired.Service.Name
	looks := []func(){
		func() {
			out.engine = c.safely("observe", app, func() (err error) { out.seen, err = c.observeEngine(ctx, state.Desired.Service); return err })
		},
		func() {
			out.store = c.safely("observe dependencies", app, func() (err error) {
				dependencies, awaited, err = c.observeDependencies(ctx, state.Desired.Service)
				return err
			})
		},
	}
	if routed(state) {
		looks = append(looks, func() {
			out.proxy = c.safely("read the proxy", app, func() (err error) { out.world.Served, err = c.observeProxy(ctx, app); return err })
		})
	}
	c.together(looks)
	if out.engine == nil {
		out.engine = awaited
	}
	out.world.Containers, out.world.Test, out.world.Away, out.world.Dependencies = out.seen.Containers, out.seen.Test, out.seen.Away, dependencies
	for i := range out.world.Containers {
		out.world.Containers[i].Probe = c.opts.Prober.Probe(out.world.Containers[i].ID)
	}
	return out
}

// observeLimit bounds all looks for one app, also one after the other.
func (c *Controller) observeLimit(state reconcile.State) time.Duration {
	return c.opts.Limits.Read + time.Duration(1+len(state.Desired.Service.DependsOn))*c.opts.Limits.Observe
}

// together does all of fs side by side, or one after the other where the
// options ask for that, and returns when all are done.
func (c *Controller) together(fs []func()) {
	if c.opts.Parallel == 1 {
		for _, f := range fs {
			f()
		}
		return
	}
	var wg sync.WaitGroup
	for _, f := range fs {
		wg.Go(f)
	}
	wg.Wait()
}

func (c *Controller) observeEngine(ctx context.Context, s spec.Service) (Seen, error) {
	limited, cancel := context.WithTimeout(ctx, c.opts.Limits.Observe)
	defer cancel()
	seen, err := c.opts.Engine.Observe(limited, s.Name, reconcile.Look{Hosts: s.Hosts, Adopted: s.Adopt})
	if err != nil {
		return Seen{}, fmt.Errorf("observe %s: %w", s.Name, err)
	}
	return seen, nil
}

func (c *Controller) observeProxy(ctx context.Context, app spec.Name) (reconcile.Served, error) {
	limited, cancel := context.WithTimeout(ctx, c.opts.Limits.Read)
	defer cancel()
	snapshot, err := c.opts.Proxy.Read(limited)
	if err != nil {
		return reconcile.Served{}, err // the driver says what it did
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

// observeDependencies tells how far the services have come that s depends on,
// or why the engine or the store did not say.
func (c *Controller) observeDependencies(ctx context.Context, s spec.Service) (out map[string]reconcile.DependencyState, engine, store error) {
	if len(s.DependsOn) == 0 {
		return nil, nil, nil
	}
	out = map[string]reconcile.DependencyState{}
	for _, d := range s.DependsOn {
		name := spec.Name{Project: s.Name.Project, Service: d.Service}
		state, known, err := c.load(name)
		if err != nil {
			return nil, nil, err
		}
		if !known {
			out[d.Service] = reconcile.DependencyState{Words: "not known"}
			continue
		}
		seen, err := c.observeEngine(ctx, state.Desired.Service)
		if err != nil && !c.several() {
			return nil, err, nil
		}
		if err != nil { // s may be elsewhere, and must not wait for this host
			_, why := c.lostWords(state.Desired.Service, err)
			out[d.Service] = reconcile.DependencyState{Words: why}
			continue
		}
		for i := range seen.Containers {
			seen.Containers[i].Probe = c.opts.Prober.Probe(seen.Containers[i].ID)
		}
		out[d.Service] = dependencyState(state, seen)
	}
	return out, nil, nil
}
