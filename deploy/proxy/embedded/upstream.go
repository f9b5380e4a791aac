package embedded

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"teal/reconcile"
)

// upstream is one revision on one colour of an app: its targets, its counts and
// its upgraded connections.
type upstream struct {
	key
	dial      dialer
	idleLimit time.Duration

	inFlight, upgraded           atomic.Int64
	requests, failures, previews atomic.Int64
	latency                      histogram
	turn                         atomic.Uint32 // rotates over equal targets

	mu        sync.Mutex
	targets   map[string]*target
	tunnels   map[*tunnel]struct{}
	drain     time.Duration // for upgraded connections, of the last route that named it
	named     bool          // by the table that serves
	cutAt     time.Time     // when its upgraded connections end; zero: it has traffic
	drainedAt time.Time     // when it was first seen unnamed and empty
}

// enter counts a request in, if the table it was chosen from still serves.
//
// The count goes up before the table is looked at again, and a switch stores
// the table before anybody reads the count. So either the request sees the new
// table and withdraws, or whoever reads the count after the switch sees the
// request: none slips past a count of 0.
func (u *upstream) enter(serving *atomic.Pointer[live], chosenFrom *live) bool {
	u.inFlight.Add(1)
	if serving.Load() == chosenFrom {
		return true
	}
	u.inFlight.Add(-1)
	return false
}

func (u *upstream) leave() { u.inFlight.Add(-1) }

// target returns the target of that address, new or known.
func (u *upstream) target(address string) *target {
	u.mu.Lock()
	defer u.mu.Unlock()
	t := u.targets[address]
	if t == nil {
		t = newTarget(address, u.dial, u.idleLimit)
		u.targets[address] = t
	}
	return t
}

func (u *upstream) snapshotTargets() []*target {
	u.mu.Lock()
	defer u.mu.Unlock()
	out := make([]*target, 0, len(u.targets))
	for _, t := range u.targets {
		out = append(out, t)
	}
	return out
}

// settle takes note of what the serving table does with u.
func (u *upstream) settle(want use, at time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.named = want.named; want.named {
		u.drain, u.drainedAt = want.drain, time.Time{}
	}
	switch {
	case want.traffic:
		u.cutAt = time.Time{}
	case u.cutAt.IsZero():
		u.cutAt = at.Add(u.drain)
	}
	for address, t := range u.targets {
		if !want.targets[address] {
			t.retire(at.Add(u.drain))
			delete(u.targets, address)
		}
	}
}

// sweep enforces the limits of u; it returns true when u can be forgotten.
func (u *upstream) sweep(now time.Time) bool {
	u.mu.Lock()
	cutAll := !u.cutAt.IsZero() && !now.Before(u.cutAt)
	u.mu.Unlock()
	u.closeTunnels(func(t *tunnel) bool { return cutAll || t.target.cut(now) })
	for _, t := range u.snapshotTargets() {
		t.sweep(now)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.named || u.inFlight.Load() > 0 || u.upgraded.Load() > 0 {
		return false
	}
	if u.drainedAt.IsZero() {
		u.drainedAt = now
	}
	return now.Sub(u.drainedAt) >= remembered
}

// pick chooses among targets: the least in flight, those that refused a
// connection lately last, none that is in tried. It returns nil when all were
// tried.
func (u *upstream) pick(targets, tried []*target) *target {
	if len(targets) == 1 && len(tried) == 0 {
		return targets[0]
	}
	start := int(u.turn.Add(1))
	now := time.Now().UnixNano()
	var best *target
	var least int64
	var bestAvoided bool
	for i := range targets {
		t := targets[(start+i)%len(targets)]
		if slices.Contains(tried, t) {
			continue
		}
		load, avoided := t.inFlight.Load(), t.avoidUntil.Load() > now
		if best == nil || bestAvoided && !avoided || bestAvoided == avoided && load < least {
			best, least, bestAvoided = t, load, avoided
		}
	}
	return best
}

// traffic is what u counted.
func (u *upstream) traffic() reconcile.Traffic {
	q := u.latency.quantiles(0.50, 0.95, 0.99)
	return reconcile.Traffic{
		Colour: u.colour, Revision: u.revision,
		InFlight: int(u.inFlight.Load()), Upgraded: int(u.upgraded.Load()),
		Requests: u.requests.Load(), Failures: u.failures.Load(),
		P50: q[0], P95: q[1], P99: q[2],
	}
}

func (u *upstream) openTunnel(t *tunnel) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.tunnels[t] = struct{}{}
	u.upgraded.Add(1)
}

func (u *upstream) endTunnel(t *tunnel) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.tunnels, t)
	u.upgraded.Add(-1)
}

func (u *upstream) closeTunnels(which func(*tunnel) bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for t := range u.tunnels {
		if which(t) {
			t.close()
		}
	}
}
