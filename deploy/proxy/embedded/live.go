package embedded

import (
	"math/rand/v2"
	"slices"
	"strings"

	"teal/deploy/proxy/internal/table"
	"teal/reconcile"
	"teal/spec"
)

// live is one table, ready to serve. Nothing in it changes once it serves.
type live struct {
	table   reconcile.Table
	exact   map[string][]entry // by host, longest path first
	wild    []entry            // routes of every host
	changed chan struct{}      // closed when another table serves
	// closed, when not empty, is why every request is answered 503.
	closed string
}

// route is one app's route.
type route struct {
	reconcile.Route
	backends []*backend
	whole    *backend // the one with all the weight, if there is one
	preview  *backend // nil: nothing to preview
}

// backend is one colour behind a route.
type backend struct {
	weight  int
	up      *upstream
	targets []*target
}

// compile builds the table for serving; registry supplies upstreams and targets
// that live longer than one table.
func compile(t reconcile.Table, reg *registry) *live {
	l := &live{table: t, exact: map[string][]entry{}, changed: make(chan struct{})}
	for i := range t.Routes {
		rt := compileRoute(t.Routes[i], reg)
		path := table.CleanPath(rt.Path)
		if rt.Host == table.AnyHost {
			l.wild = append(l.wild, entry{path: path, route: rt})
		} else {
			l.exact[rt.Host] = append(l.exact[rt.Host], entry{path: path, route: rt})
		}
		if host := rt.Preview.Host; host != "" {
			l.exact[host] = append(l.exact[host], entry{path: path, preview: true, route: rt})
		}
	}
	longestFirst(l.wild)
	for _, entries := range l.exact {
		longestFirst(entries)
	}
	return l
}

func longestFirst(entries []entry) {
	slices.SortFunc(entries, func(a, b entry) int {
		if d := len(b.path) - len(a.path); d != 0 {
			return d
		}
		return strings.Compare(a.path, b.path)
	})
}

func compileRoute(r reconcile.Route, reg *registry) *route {
	rt := &route{Route: r}
	for _, want := range r.Backends {
		up := reg.upstream(key{app: r.App, colour: want.Colour, revision: want.Revision})
		b := &backend{weight: want.Weight, up: up}
		for _, address := range want.Targets {
			b.targets = append(b.targets, up.target(address))
		}
		if b.weight == 100 {
			rt.whole = b
		}
		if r.Preview.Colour != "" && r.Preview.Colour == want.Colour {
			rt.preview = b
		}
		rt.backends = append(rt.backends, b)
	}
	return rt
}

// choose picks a backend by weight. With weights 0 and 100 it is exact.
func (r *route) choose() *backend {
	if r.whole != nil {
		return r.whole
	}
	n := rand.IntN(100)
	for _, b := range r.backends {
		if n < b.weight {
			return b
		}
		n -= b.weight
	}
	return r.backends[len(r.backends)-1] // weights sum to 100: not reached
}

// key names one upstream: a revision on a colour of an app.
type key struct {
	app      spec.Name
	colour   spec.Colour
	revision string
}
