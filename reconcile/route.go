package reconcile

import (
	"slices"
	"strings"

	"teal/spec"
)

// live returns the backend that gets traffic, as the proxy reported it.
func (t *turn) live() (Backend, bool) {
	if t.in.World.Served.Route == nil {
		return Backend{}, false
	}
	for _, b := range t.in.World.Served.Route.Backends {
		if b.Weight > 0 {
			return b, true
		}
	}
	return Backend{}, false
}

// liveOn reports whether the proxy sends traffic to colour c.
func (t *turn) liveOn(c spec.Colour) bool {
	b, ok := t.live()
	return ok && b.Colour == c
}

// serves reports whether the proxy sends all traffic to p, to targets that are
// containers of p, or may be where not all hosts answer.
func (t *turn) serves(p *Placement) bool {
	b, ok := t.live()
	if !ok || p == nil || b.Colour != p.Colour || b.Revision != p.Revision.ID || b.Weight != 100 {
		return false
	}
	if slices.ContainsFunc(t.of(p), func(c Container) bool { return slices.Contains(b.Targets, c.Address) }) {
		return true
	}
	return len(t.unknown(p)) > 0 && len(t.canServe(p)) == 0
}

// canServe returns the addresses of p's containers that are seen ready now.
func (t *turn) canServe(p *Placement) []string {
	var out []string
	for _, c := range t.of(p) {
		if c.Address != "" && t.needed(p, c) && ready(c, p.Health, t.in.Now) {
			out = append(out, c.Address)
		}
	}
	slices.Sort(out)
	return out
}

// targets returns what p's backend should list: what is ready, and what is
// listed already and not known to be broken. Right after a restart of Teal
// nothing has been probed, and that is no reason to change a route; what is not
// seen because its host does not answer stays until something is seen ready.
func (t *turn) targets(p *Placement) []string {
	out := t.canServe(p)
	if len(out) == 0 {
		out = t.unknown(p)
	}
	for _, c := range t.of(p) {
		if c.Address == "" || !t.needed(p, c) || slices.Contains(out, c.Address) {
			continue
		}
		if !broken(c, p.Health) && t.listed(p, c.Address) {
			out = append(out, c.Address)
		}
	}
	slices.Sort(out)
	return out
}

// unknown are the targets that the proxy has for p and that nothing seen has: on
// a host that does not answer, of which nothing is remembered.
func (t *turn) unknown(p *Placement) []string {
	b, ok := t.live()
	if !ok || !t.blind() || b.Colour != p.Colour || b.Revision != p.Revision.ID {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(b.Targets), func(address string) bool {
		return slices.ContainsFunc(t.containers(), func(c Container) bool { return c.Address == address })
	})
}

// listed reports whether the proxy has address among p's targets.
func (t *turn) listed(p *Placement, address string) bool {
	r := t.in.World.Served.Route
	return r != nil && slices.ContainsFunc(r.Backends, func(b Backend) bool {
		return b.Colour == p.Colour && b.Revision == p.Revision.ID && slices.Contains(b.Targets, address)
	})
}

// routeTo is the route with all traffic on live and, if given, a preview of
// staged.
func (t *turn) routeTo(live, staged *Placement) *Route {
	r := t.in.Desired.Service.Rollout
	out := &Route{
		App: t.rec.Name, Host: r.Route.Host, Path: r.Route.Path,
		Drain: r.Drain, Hold: r.Route.Hold, MaxBody: r.Route.MaxBody, Timeout: r.Route.Timeout,
		Backends: []Backend{t.backend(live, 100)},
	}
	if staged != nil {
		if b := t.backend(staged, 0); len(b.Targets) > 0 {
			out.Backends = append(out.Backends, b)
			out.Preview = Preview{Colour: staged.Colour, Host: r.Route.Preview.Host, Token: r.Route.Preview.Token}
		}
	}
	slices.SortFunc(out.Backends, func(a, b Backend) int { return strings.Compare(string(a.Colour), string(b.Colour)) })
	return out
}

func (t *turn) backend(p *Placement, weight int) Backend {
	return Backend{Colour: p.Colour, Revision: p.Revision.ID, Weight: weight, Targets: t.targets(p)}
}

// Equal reports whether two routes serve the same.
func (r *Route) Equal(o *Route) bool {
	if r == nil || o == nil {
		return r == o
	}
	same := r.App == o.App && r.Host == o.Host && r.Path == o.Path && r.Preview == o.Preview &&
		r.Drain == o.Drain && r.Hold == o.Hold && r.MaxBody == o.MaxBody && r.Timeout == o.Timeout
	return same && slices.EqualFunc(r.Backends, o.Backends, func(a, b Backend) bool {
		return a.Colour == b.Colour && a.Revision == b.Revision && a.Weight == b.Weight && slices.Equal(a.Targets, b.Targets)
	})
}

// route makes the proxy serve live, unless it does so already. Without a single
// ready target nothing is sent there; what is served stays.
func (t *turn) route(live, staged *Placement, why string) move {
	if len(t.canServe(live)) == 0 && !t.serves(live) {
		return onward
	}
	want := t.routeTo(live, staged)
	if len(t.backendOf(want, live).Targets) == 0 || want.Equal(t.in.World.Served.Route) {
		return onward
	}
	return t.do(Step{Kind: StepRoute, Route: want, Why: why})
}

func (t *turn) backendOf(r *Route, p *Placement) Backend {
	for _, b := range r.Backends {
		if b.Colour == p.Colour {
			return b
		}
	}
	return Backend{}
}

// inFlight is what a revision on a colour still has to finish.
func (t *turn) inFlight(c spec.Colour, revision string) int {
	n := 0
	for _, x := range t.in.World.Served.Traffic {
		if x.Colour == c && x.Revision == revision {
			n += x.InFlight + x.Upgraded
		}
	}
	return n
}

// traffic returns the counts of a placement.
func (t *turn) traffic(p *Placement) Count {
	for _, x := range t.in.World.Served.Traffic {
		if x.Colour == p.Colour && x.Revision == p.Revision.ID {
			return Count{Requests: x.Requests, Failures: x.Failures}
		}
	}
	return Count{}
}
