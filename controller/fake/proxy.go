package fake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// Proxy is a proxy in memory.
type Proxy struct {
	// Fault, when set, is asked before every call.
	Fault func(Call) Fault
	// Applied, when set, is called after every table that was taken, lost answer
	// or not, with the lock held.
	Applied func(before, after reconcile.Table)
	// Lingering is how long requests of a backend last that lost its traffic.
	Lingering time.Duration

	mu      sync.Mutex
	away    bool
	table   reconcile.Table
	earlier []reconcile.Table
	ending  []ending
}

// ending is a revision that still has requests in flight.
type ending struct {
	app    spec.Name
	colour spec.Colour
	rev    string
	until  time.Time
}

// ErrSeq is what a table is refused with that is not newer than the served one.
var ErrSeq = errors.New("table is not newer than the one that is served")

// NewProxy returns a proxy that serves nothing.
func NewProxy() *Proxy { return &Proxy{} }

// Away makes every call fail, or work again.
func (p *Proxy) Away(away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
}

// Restart makes the proxy come back with the table it had some changes ago, as
// one does whose disk lost the last writes. Nothing is in flight then.
func (p *Proxy) Restart(changesAgo int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ending = nil
	if n := len(p.earlier); n > 0 && changesAgo > 0 {
		i := max(0, n-changesAgo)
		p.table, p.earlier = p.earlier[i], p.earlier[:i]
	}
}

// Look returns what is served, without a fault.
func (p *Proxy) Look() reconcile.Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.look()
}

func (p *Proxy) look() reconcile.Snapshot {
	now := time.Now()
	p.ending = slices.DeleteFunc(p.ending, func(e ending) bool { return !now.Before(e.until) })
	s := reconcile.Snapshot{Table: reconcile.Table{Seq: p.table.Seq, Routes: slices.Clone(p.table.Routes)}}
	for _, e := range p.ending {
		s.Traffic = append(s.Traffic, reconcile.AppTraffic{App: e.app, Traffic: []reconcile.Traffic{
			{Colour: e.colour, Revision: e.rev, InFlight: 1},
		}})
	}
	return merged(s)
}

// merged puts the traffic of one app into one entry.
func merged(s reconcile.Snapshot) reconcile.Snapshot {
	var out []reconcile.AppTraffic
	for _, t := range s.Traffic {
		i := slices.IndexFunc(out, func(o reconcile.AppTraffic) bool { return o.App == t.App })
		if i < 0 {
			out = append(out, t)
			continue
		}
		out[i].Traffic = append(out[i].Traffic, t.Traffic...)
	}
	s.Traffic = out
	return s
}

// Read implements controller.Proxy.
func (p *Proxy) Read(ctx context.Context) (reconcile.Snapshot, error) {
	if _, err := p.meet(ctx, "read"); err != nil {
		return reconcile.Snapshot{}, err
	}
	return p.Look(), nil
}

// Apply implements controller.Proxy.
func (p *Proxy) Apply(ctx context.Context, t reconcile.Table) error {
	fault, err := p.meet(ctx, "apply")
	if err != nil {
		return err
	}
	if err := check(t); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.Seq <= p.table.Seq {
		return fmt.Errorf("table %d after %d: %w", t.Seq, p.table.Seq, ErrSeq)
	}
	before := p.table
	p.earlier = append(p.earlier, before)
	if len(p.earlier) > 8 {
		p.earlier = p.earlier[1:]
	}
	p.table = t
	p.linger(before, t)
	if p.Applied != nil {
		p.Applied(before, t)
	}
	if fault == AnswerLost {
		return fmt.Errorf("apply: %w", context.DeadlineExceeded)
	}
	return nil
}

// meet lets a call fail; a lost answer is left to the caller.
func (p *Proxy) meet(ctx context.Context, name string) (Fault, error) {
	if err := ctx.Err(); err != nil {
		return None, err
	}
	fault := None
	if p.Fault != nil {
		fault = p.Fault(Call{Name: name})
	}
	p.mu.Lock()
	away := p.away
	p.mu.Unlock()
	if away || fault == Refused || fault == Unanswered {
		return fault, fmt.Errorf("%s: %w", name, ErrAway)
	}
	return fault, nil
}

// linger keeps requests of backends in flight that are not served any more.
func (p *Proxy) linger(before, after reconcile.Table) {
	if p.Lingering == 0 {
		return
	}
	for _, r := range before.Routes {
		for _, b := range r.Backends {
			if b.Weight > 0 && !weighs(after, r.App, b) {
				p.ending = append(p.ending, ending{app: r.App, colour: b.Colour, rev: b.Revision, until: time.Now().Add(p.Lingering)})
			}
		}
	}
}

func weighs(t reconcile.Table, app spec.Name, b reconcile.Backend) bool {
	for _, r := range t.Routes {
		for _, x := range r.Backends {
			if r.App == app && x.Colour == b.Colour && x.Revision == b.Revision && x.Weight > 0 {
				return true
			}
		}
	}
	return false
}

// check refuses a table that a proxy could not serve.
func check(t reconcile.Table) error {
	seen := map[string]spec.Name{}
	for _, r := range t.Routes {
		place := r.Host + r.Path
		if other, taken := seen[place]; taken {
			return fmt.Errorf("%s and %s share host %s, path %s", other, r.App, r.Host, r.Path)
		}
		seen[place] = r.App
		sum := 0
		for _, b := range r.Backends {
			sum += b.Weight
			if b.Weight > 0 && len(b.Targets) == 0 {
				return fmt.Errorf("%s: %s has weight and no target", r.App, b.Colour)
			}
		}
		if sum != 100 {
			return fmt.Errorf("%s: weights sum to %d", r.App, sum)
		}
	}
	return nil
}
