package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// claim is what an app's desired state says about the route it may have.
type claim struct {
	Wanted bool // false: the app is to have no route
	Host   string
	Path   string
}

// router owns the proxy's table: every change reads it, changes one route,
// counts on, applies, and reads back.
type router struct {
	proxy  Proxy
	limit  time.Duration
	claims func(spec.Name) (claim, error)
	turn   chan struct{} // a mutex that can be waited for with a context
}

func newRouter(proxy Proxy, limit time.Duration, claims func(spec.Name) (claim, error)) *router {
	return &router{proxy: proxy, limit: limit, claims: claims, turn: make(chan struct{}, 1)}
}

// change makes the proxy serve step's route for its app, or none.
func (r *router) change(ctx context.Context, s reconcile.Step) reconcile.Outcome {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return proxyFailure(fmt.Errorf("wait for the proxy's table: %w", ctx.Err()))
	}
	snapshot, err := r.read(ctx)
	if err != nil {
		return proxyFailure(err)
	}
	if serves(snapshot, s) {
		return reconcile.Outcome{}
	}
	next := snapshot.Table.Without(s.App)
	if s.Route != nil {
		if next, err = r.makeRoom(next, *s.Route); err != nil {
			return proxyFailure(err)
		}
		next = next.With(*s.Route)
	}
	next.Seq = snapshot.Table.Seq + 1
	if err := r.apply(ctx, next); err != nil {
		return proxyFailure(err)
	}
	return r.readBack(ctx, s)
}

// readBack believes only what the proxy says it serves.
func (r *router) readBack(ctx context.Context, s reconcile.Step) reconcile.Outcome {
	snapshot, err := r.read(ctx)
	if err != nil {
		return proxyFailure(err)
	}
	if !serves(snapshot, s) {
		return proxyFailure(&reconcile.Failure{
			Class: reconcile.Infra, Reason: reconcile.ReasonProxyRefused, Message: "the proxy took the table and serves another",
		})
	}
	return reconcile.Outcome{}
}

func (r *router) read(ctx context.Context) (reconcile.Snapshot, error) {
	limited, cancel := context.WithTimeout(ctx, r.limit)
	defer cancel()
	return r.proxy.Read(limited)
}

func (r *router) apply(ctx context.Context, t reconcile.Table) error {
	limited, cancel := context.WithTimeout(ctx, r.limit)
	defer cancel()
	return r.proxy.Apply(limited, t)
}

// serves reports whether the proxy serves what the step wants.
func serves(s reconcile.Snapshot, step reconcile.Step) bool {
	have := s.Served(step.App).Route
	if have == nil || step.Route == nil {
		return have == nil && step.Route == nil
	}
	return same(*have, *step.Route)
}

// makeRoom takes host and path of route from whoever has them in t and is to
// have them no longer: an app that is gone or going loses its route, one whose
// route is elsewhere by now is moved there in the same table. So two apps can
// swap their routes, and one can be renamed, without a moment in between.
func (r *router) makeRoom(t reconcile.Table, route reconcile.Route) (reconcile.Table, error) {
	taken := route
	for range t.Routes { // each turn settles at least one route
		i := holder(t, taken)
		if i < 0 {
			return t, nil
		}
		other := t.Routes[i]
		c, err := r.claims(other.App)
		if err != nil {
			return t, err
		}
		if !c.Wanted {
			return t.Without(other.App), nil
		}
		if c.Host == other.Host && c.Path == other.Path {
			return t, &reconcile.Failure{
				Class: reconcile.Infra, Reason: reconcile.ReasonProxyRefused,
				Message: fmt.Sprintf("host %s, path %s is served for %s", other.Host, other.Path, other.App),
			}
		}
		other.Host, other.Path = c.Host, c.Path
		t, taken = t.With(other), other
	}
	return t, nil
}

// holder returns the index of another app's route with the host and path of r,
// or -1.
func holder(t reconcile.Table, r reconcile.Route) int {
	for i, other := range t.Routes {
		if other.App != r.App && other.Host == r.Host && other.Path == r.Path {
			return i
		}
	}
	return -1
}

// proxyFailure makes an error an outcome; a failure that the driver classified
// stays as it is.
func proxyFailure(err error) reconcile.Outcome {
	if f, ok := errors.AsType[*reconcile.Failure](err); ok {
		return reconcile.Outcome{Failure: f}
	}
	return reconcile.Outcome{Failure: &reconcile.Failure{
		Class: reconcile.Infra, Reason: reconcile.ReasonProxyUnavailable, Message: err.Error(),
	}}
}

// claim looks up what route an app is to have.
func (c *Controller) claim(app spec.Name) (claim, error) {
	state, known, err := c.opts.Store.Load(app)
	if err != nil {
		return claim{}, fmt.Errorf("load %s: %w", app, err)
	}
	rollout := state.Desired.Service.Rollout
	if !known || state.Desired.Pruned || rollout == nil {
		return claim{}, nil
	}
	return claim{Wanted: true, Host: rollout.Route.Host, Path: rollout.Route.Path}, nil
}
