// Package health probes containers, by HTTP, by TCP or by asking the engine for
// the verdict of their own HEALTHCHECK, and counts how often in a row they
// passed or failed. What the counts mean is decided elsewhere.
//
// It promises:
//
//   - The first probe is made at once, later ones at the set interval from the
//     start of the one before. A probe that takes longer than the interval delays
//     the next; probes of one container never overlap and never pile up.
//   - A probe takes no longer than its timeout, whatever the other side does, and
//     reads a bounded part of what it sends.
//   - Every probe makes a new connection, and follows no redirect: what it sees is
//     the container's own answer of that moment.
//   - A new run of a container, or a probe that asks something else, starts the
//     counts anew; another interval or threshold does not.
//   - A fault of our own side (no file descriptor left, an engine that does not
//     answer) is shown in the words and counts neither way.
//   - What an operator configured as header values appears in no words and no log.
package health

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// DockerHealth tells the verdict of a container's own HEALTHCHECK.
type DockerHealth interface {
	// Health returns the verdict and the output of the check's last run. An
	// error means that the engine did not answer, or knows no such container; it
	// says nothing about the container's health. It ends when ctx does.
	Health(ctx context.Context, container string) (status reconcile.EngineHealth, output string, err error)
}

// Options of [New]. The zero value probes by HTTP and TCP and tells nobody.
type Options struct {
	// Logger is told, at debug level, when a verdict changes. nil: nobody is.
	Logger *slog.Logger
	// Changed is called when a pass over the app could decide otherwise than
	// before: after the first probe of a container, when its successes or
	// failures in a row reach what its settings ask for, when a row of successes
	// breaks, and when it has been healthy for long enough. It is called from one
	// goroutine; several changes of an app meanwhile are one call. While it
	// blocks, probes go on, but [Prober.Run] does not return.
	Changed func(app spec.Name)
	// Docker is asked for containers with health kind docker.
	Docker DockerHealth
	// Dial opens connections. nil: a [net.Dialer].
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Prober probes what it is told to watch, while it runs. Its methods may be
// called from several goroutines.
type Prober struct {
	opts    Options
	notices *notices
	wake    chan struct{} // what is to be watched has changed

	mu      sync.Mutex
	running bool
	targets map[string]*target // by container
}

// New returns a prober. It does nothing before [Prober.Run].
func New(opts Options) *Prober {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Changed == nil {
		opts.Changed = func(spec.Name) {}
	}
	if opts.Dial == nil {
		opts.Dial = new(net.Dialer).DialContext
	}
	return &Prober{
		opts: opts, notices: newNotices(), wake: make(chan struct{}, 1), targets: map[string]*target{},
	}
}

// Watch replaces what is probed for app; no targets end it. A target that was
// probed before, in the same run and with the same question, keeps its counts. It
// does not block, and may be called before [Prober.Run].
func (p *Prober) Watch(app spec.Name, targets []reconcile.ProbeTarget) {
	p.mu.Lock()
	defer p.mu.Unlock()
	wanted := make(map[string]bool, len(targets))
	for _, want := range targets {
		if wanted[want.Container] {
			continue
		}
		wanted[want.Container] = true
		had := p.targets[want.Container]
		if had == nil || had.app != app || !sameRun(had.want, want) {
			p.targets[want.Container] = p.newTarget(app, want)
			continue
		}
		had.adopt(want)
	}
	for container, t := range p.targets {
		if t.app == app && !wanted[container] {
			delete(p.targets, container)
		}
	}
	signal(p.wake)
}

// Probe returns the counts of a container; the zero value if it is not watched.
func (p *Prober) Probe(container string) reconcile.Probe {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.targets[container]; t != nil {
		return onWall(t.probe, time.Now())
	}
	return reconcile.Probe{}
}

// onWall tells since when a target answers by the clock as it is now: the clock
// may have been set since then, and a wait must become neither longer nor shorter
// by that.
func onWall(p reconcile.Probe, now time.Time) reconcile.Probe {
	if !p.Since.IsZero() {
		p.Since = now.Round(0).Add(-now.Sub(p.Since))
	}
	return p
}

// errRunning says that Run was called while it ran.
var errRunning = errors.New("the prober runs already")

// Run probes until ctx ends. When it returns, all its goroutines have ended; the
// counts stay, and Run may be called again.
func (p *Prober) Run(ctx context.Context) error {
	if !p.start() {
		return errRunning
	}
	defer p.stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() { p.notices.deliver(ctx, p.opts.Changed) })
	live := map[*target]context.CancelFunc{}
	for {
		p.settle(ctx, live, &wg)
		select {
		case <-ctx.Done():
			return nil
		case <-p.wake:
		}
	}
}

// settle starts a goroutine for each target that has none, and ends those whose
// target is not watched any more.
func (p *Prober) settle(ctx context.Context, live map[*target]context.CancelFunc, wg *sync.WaitGroup) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for t, end := range live {
		if p.targets[t.container] != t {
			end()
			delete(live, t)
		}
	}
	for _, t := range p.targets {
		if live[t] != nil {
			continue
		}
		one, end := context.WithCancel(ctx)
		live[t] = end
		wg.Go(func() {
			defer end()
			p.follow(one, t)
		})
	}
}

func (p *Prober) start() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running {
		return false
	}
	p.running = true
	return true
}

func (p *Prober) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = false
}

// counted adds what came of a probe to t's counts and tells whoever may decide
// otherwise now. It returns when that has to be looked at again, though no probe
// ended: the end of the minimum healthy time; zero if not at all.
func (p *Prober) counted(t *target, out outcome, now time.Time) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	broke := t.probe.Successes > 0
	t.count(out, now)
	broke = broke && t.probe.Successes == 0
	return p.weigh(t, broke, now)
}

// reweighed is counted without a probe.
func (p *Prober) reweighed(t *target, now time.Time) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.weigh(t, false, now)
}

func (p *Prober) weigh(t *target, broke bool, now time.Time) time.Time {
	if p.targets[t.container] != t { // replaced while the probe was under way
		return time.Time{}
	}
	before := t.marks
	t.marks = t.mark(now)
	if broke || t.marks != before {
		p.notices.add(t.app)
		p.opts.Logger.Debug("probe verdict changed", "app", t.app.String(), "container", t.container,
			"successes", t.probe.Successes, "failures", t.probe.Failures, "words", t.probe.Words)
	}
	if t.marks.passed && !t.marks.settled {
		return t.probe.Since.Add(t.want.Health.MinHealthy.D())
	}
	return time.Time{}
}

// signal wakes the reader of a channel of size one, if it is not awake anyway.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
