package embedded

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// remembered is how long the counts of an upstream that no table names are
// kept after it has drained.
const remembered = 5 * time.Minute

// registry holds every upstream that serves or still has something in flight.
// Upstreams and targets outlive tables, so that a new table resets no
// connection to what stays.
type registry struct {
	dial      dialer
	idleLimit time.Duration

	mu  sync.Mutex
	ups map[key]*upstream
}

func newRegistry(dial dialer, idleLimit time.Duration) *registry {
	return &registry{dial: dial, idleLimit: idleLimit, ups: map[key]*upstream{}}
}

// upstream returns the one of that name, new or known.
func (reg *registry) upstream(k key) *upstream {
	reg.mu.Lock()
	defer reg.mu.Unlock()
	up := reg.ups[k]
	if up == nil {
		up = &upstream{key: k, dial: reg.dial, idleLimit: reg.idleLimit, targets: map[string]*target{}, tunnels: map[*tunnel]struct{}{}}
		reg.ups[k] = up
	}
	return up
}

func (reg *registry) all() []*upstream {
	reg.mu.Lock()
	defer reg.mu.Unlock()
	out := make([]*upstream, 0, len(reg.ups))
	for _, up := range reg.ups {
		out = append(out, up)
	}
	slices.SortFunc(out, func(a, b *upstream) int {
		return cmp.Or(strings.Compare(a.app.String(), b.app.String()),
			strings.Compare(string(a.colour), string(b.colour)), strings.Compare(a.revision, b.revision))
	})
	return out
}

// settle retires what l, which serves by now, does not use.
func (reg *registry) settle(l *live, now time.Time) {
	uses := map[*upstream]use{}
	seen := map[*route]bool{}
	visit := func(e entry) {
		if seen[e.route] {
			return
		}
		seen[e.route] = true
		for _, b := range e.route.backends {
			u := use{named: true, traffic: b.weight > 0 || b == e.route.preview, drain: e.route.Drain.Upgraded.D(), targets: map[string]bool{}}
			for _, t := range b.targets {
				u.targets[t.address] = true
			}
			uses[b.up] = u
		}
	}
	for _, e := range l.wild {
		visit(e)
	}
	for _, entries := range l.exact {
		for _, e := range entries {
			visit(e)
		}
	}
	for _, up := range reg.all() {
		up.settle(uses[up], now)
	}
}

// use is what one table does with an upstream.
type use struct {
	named   bool
	traffic bool // it has weight or is previewed
	drain   time.Duration
	targets map[string]bool
}

// sweep closes what outlived its limit and forgets what has long drained.
func (reg *registry) sweep(now time.Time) {
	for _, up := range reg.all() {
		if up.sweep(now) {
			reg.mu.Lock()
			delete(reg.ups, up.key)
			reg.mu.Unlock()
		}
	}
}

// traffic returns the counts of every upstream, sorted by app, colour and
// revision.
func (reg *registry) traffic() []reconcile.AppTraffic {
	var out []reconcile.AppTraffic
	for _, up := range reg.all() {
		if n := len(out); n == 0 || out[n-1].App != up.app {
			out = append(out, reconcile.AppTraffic{App: up.app})
		}
		last := &out[len(out)-1]
		last.Traffic = append(last.Traffic, up.traffic())
	}
	slices.SortFunc(out, func(a, b reconcile.AppTraffic) int { return compareNames(a.App, b.App) })
	return out
}

func compareNames(a, b spec.Name) int { return strings.Compare(a.String(), b.String()) }

// close drops every connection: the proxy ends.
func (reg *registry) close() {
	for _, up := range reg.all() {
		up.closeTunnels(func(*tunnel) bool { return true })
		for _, t := range up.snapshotTargets() {
			t.retire(time.Time{})
		}
	}
}
