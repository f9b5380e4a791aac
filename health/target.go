package health

import (
	"context"
	"math/rand/v2"
	"reflect"
	"time"

	"teal/reconcile"
	"teal/spec"
)

const (
	// spreadFrom is the interval from which on targets are spread: shorter ones
	// belong to a rollout that waits, and there every millisecond counts.
	spreadFrom = 500 * time.Millisecond
	// minInterval guards against a target without an interval.
	minInterval = 10 * time.Millisecond
	// defaultTimeout is for a target without one.
	defaultTimeout = 2 * time.Second
)

// target is one run of one container, and what is known of it. want, probe and
// marks are guarded by the prober's mutex; the rest does not change.
type target struct {
	app       spec.Name
	container string
	check     check
	changed   chan struct{} // want is another

	want  reconcile.ProbeTarget
	probe reconcile.Probe
	marks marks
}

// marks are what a decision may rest on.
type marks struct {
	known   bool // a probe has ended
	passed  bool // as many successes in a row as asked for
	settled bool // and for as long as asked for
	failed  bool // as many failures in a row as asked for
}

func (p *Prober) newTarget(app spec.Name, want reconcile.ProbeTarget) *target {
	return &target{
		app: app, container: want.Container, check: p.newCheck(want),
		changed: make(chan struct{}, 1), want: want,
	}
}

// sameRun reports whether b asks the same of the same run of a container as a
// does. Intervals and thresholds are not part of the question.
func sameRun(a, b reconcile.ProbeTarget) bool {
	return a.StartedAt.Equal(b.StartedAt) && a.Address == b.Address && reflect.DeepEqual(question(a.Health), question(b.Health))
}

// question is the part of h that says what is asked and what a good answer is.
func question(h spec.Health) spec.Health {
	h.Interval, h.Successes, h.Failures, h.MinHealthy, h.Deadline, h.Restarts = 0, 0, 0, 0, 0, 0
	return h
}

// adopt takes over another interval and other thresholds.
func (t *target) adopt(want reconcile.ProbeTarget) {
	if reflect.DeepEqual(t.want, want) {
		return
	}
	t.want = want
	signal(t.changed)
}

// count adds what came of one probe.
func (t *target) count(out outcome, now time.Time) {
	p := &t.probe
	p.Attempts++
	p.Words = out.words
	switch out.verdict {
	case passed:
		if p.Successes == 0 {
			p.Since = now
		}
		p.Successes++
		p.Failures = 0
	case failed:
		p.Successes, p.Since = 0, time.Time{}
		p.Failures++
	case starting:
		p.Successes, p.Since = 0, time.Time{}
	case unknown:
	}
}

// mark weighs the counts against the thresholds.
func (t *target) mark(now time.Time) marks {
	p, h := t.probe, t.want.Health
	enough := p.Successes > 0 && p.Successes >= h.Successes
	return marks{
		known:   p.Attempts > 0,
		passed:  enough,
		settled: enough && now.Sub(p.Since) >= h.MinHealthy.D(),
		failed:  p.Failures > 0 && p.Failures >= h.Failures,
	}
}

// pace says when the next probe of one target is due.
type pace struct {
	begun    time.Time     // of the last probe
	interval time.Duration // that the targets were spread for
}

// next returns when the probe after the last one is due.
//
// The first probe of a target is made at once, and without jitter as long as the
// interval is short. From 500 ms on, the first wait at an interval is a random
// part of it, half to all: 200 targets that begin together, as after a start of
// Teal, and probe every second are from then on spread over half a second.
func (p *pace) next(interval time.Duration) time.Time {
	wait := max(interval, minInterval)
	if wait >= spreadFrom && wait != p.interval {
		p.interval = wait
		wait -= rand.N(wait / 2)
	} else if wait < spreadFrom {
		p.interval = 0
	}
	return p.begun.Add(wait)
}

// follow probes t until ctx ends. It is the only goroutine that does; a probe
// under way has another one, which follow waits for.
func (p *Prober) follow(ctx context.Context, t *target) {
	due, settled := time.NewTimer(0), time.NewTimer(0)
	defer due.Stop()
	defer settled.Stop()
	settled.Stop()
	var (
		pace    pace
		busy    bool
		results = make(chan outcome, 1)
	)
	for {
		select {
		case <-ctx.Done():
			if busy {
				<-results
			}
			return
		case <-due.C:
			busy, pace.begun = true, time.Now()
			timeout := p.timeout(t)
			go func() { results <- t.check.within(ctx, timeout) }()
		case out := <-results:
			busy = false
			if ctx.Err() != nil { // cut short, not answered
				return
			}
			arm(settled, p.counted(t, out, time.Now()))
			arm(due, pace.next(p.interval(t)))
		case <-t.changed:
			arm(settled, p.reweighed(t, time.Now()))
			if !busy && !pace.begun.IsZero() {
				arm(due, pace.next(p.interval(t)))
			}
		case <-settled.C:
			arm(settled, p.reweighed(t, time.Now()))
		}
	}
}

// arm sets timer to fire at that time, or never if it is zero.
func arm(timer *time.Timer, at time.Time) {
	if at.IsZero() {
		timer.Stop()
		return
	}
	timer.Reset(time.Until(at))
}

func (p *Prober) interval(t *target) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return t.want.Interval
}

func (p *Prober) timeout(t *target) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := t.want.Health.Timeout.D(); d > 0 {
		return d
	}
	return defaultTimeout
}
