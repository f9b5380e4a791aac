package fake

import (
	"sync"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// Prober counts the probes that an engine's containers would have had. It
// starts no goroutine: counts are worked out when they are asked for.
type Prober struct {
	engine *Engine

	mu      sync.Mutex
	targets map[spec.Name]map[string]*target // app → container
}

// target is one probed run of one container.
type target struct {
	reconcile.ProbeTarget
	next  time.Time // probe
	probe reconcile.Probe
}

// NewProber returns a prober of e's containers.
func NewProber(e *Engine) *Prober {
	return &Prober{engine: e, targets: map[spec.Name]map[string]*target{}}
}

// Watch implements controller.Prober.
func (p *Prober) Watch(app spec.Name, targets []reconcile.ProbeTarget) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.targets[app]
	if len(targets) == 0 {
		delete(p.targets, app)
		return
	}
	now := stamp()
	after := map[string]*target{}
	for _, t := range targets {
		had := before[t.Container]
		if had == nil || !had.StartedAt.Equal(t.StartedAt) {
			after[t.Container] = &target{ProbeTarget: t, next: now}
			continue
		}
		p.count(had, now)
		had.ProbeTarget = t
		if soon := now.Add(t.Interval); had.next.After(soon) {
			had.next = soon
		}
		after[t.Container] = had
	}
	p.targets[app] = after
}

// Probe implements controller.Prober.
func (p *Prober) Probe(container string) reconcile.Probe {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, app := range p.targets {
		if t := app[container]; t != nil {
			p.count(t, stamp())
			return t.probe
		}
	}
	return reconcile.Probe{}
}

// count works out the probes from t.next up to now. Between two edges of a
// run's health all probes go alike, and are counted at once.
func (p *Prober) count(t *target, now time.Time) {
	told, start, behaviour, running := p.engine.run(t.Container)
	same := running && told.Equal(t.StartedAt)
	step := max(t.Interval, time.Millisecond)
	for !t.next.After(now) {
		until := now
		for _, edge := range behaviour.edges(start) {
			if edge.After(t.next) && !edge.After(until) {
				until = edge.Add(-1)
			}
		}
		n := int(until.Sub(t.next)/step) + 1
		t.tally(n, same && behaviour.healthyAt(start, t.next))
		t.next = t.next.Add(time.Duration(n) * step)
	}
}

func (t *target) tally(n int, ok bool) {
	t.probe.Attempts += n
	if !ok {
		t.probe.Failures += n
		t.probe.Successes, t.probe.Since, t.probe.Words = 0, time.Time{}, "GET / → 503"
		return
	}
	if t.probe.Successes == 0 {
		t.probe.Since = t.next
	}
	t.probe.Successes += n
	t.probe.Failures, t.probe.Words = 0, "GET / → 200"
}
