package commitstatus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"golang.org/x/time/rate"

	"teal/reconcile"
	"teal/spec"
)

// Reasons of this package's events.
const (
	ReasonStatusFailed reconcile.Reason = "StatusFailed" // a host does not take statuses of commits
	ReasonStatusBack   reconcile.Reason = "StatusBack"   // it does again
)

// Refused is a commit whose files were not accepted.
type Refused struct {
	Origin  spec.Origin
	Project string // empty: not known
	Words   string
}

// Options of [New]. All but Refused and Pauses are needed.
type Options struct {
	Prefix   string              // of contexts, "teal"
	Services map[string]*Service // by the name of the source
	File     string              // keeps what was written
	// Status tells how all apps are, Projects what is wanted of them and from
	// which commit, History how rollouts ended, newest first.
	Status    func(ctx context.Context) ([]reconcile.Status, error)
	Projects  func() ([]spec.Project, error)
	History   func(app spec.Name, limit int) ([]reconcile.Rollout, error)
	Refused   func() []Refused
	Subscribe func(ctx context.Context) <-chan struct{} // a token when something may have changed
	Note      func(events ...reconcile.Event)
	Logger    *slog.Logger
	Pauses    Pauses
}

// Pauses of the reporter. Zero fields get their defaults.
type Pauses struct {
	Quiet   time.Duration // after a change, so that a burst is one look; default 500 ms
	First   time.Duration // after a failure, doubled with each; default 5 s
	Longest time.Duration // default 10 min
	SetUp   time.Duration // the first after the host refused the token; default 1 min
	Timeout time.Duration // of one request; default 15 s
}

func (p Pauses) withDefaults() Pauses {
	for _, f := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&p.Quiet, 500 * time.Millisecond},
		{&p.First, 5 * time.Second},
		{&p.Longest, 10 * time.Minute},
		{&p.SetUp, time.Minute},
		{&p.Timeout, 15 * time.Second},
	} {
		if *f.field <= 0 {
			*f.field = f.value
		}
	}
	return p
}

// Each host is written to at most so often, after a burst.
const (
	perStatus = 2 * time.Second
	burst     = 20
)

const (
	tellAfter    = 3         // failures in a row until they are told
	tellAgain    = time.Hour // at least, between two events about one source
	longestSetUp = time.Hour
	forEver      = 24 * time.Hour // until a change
)

// Reporter writes statuses.
type Reporter struct {
	opts   Options
	ledger *ledger
	lanes  map[string]*lane // by source
	hosts  map[string]*rate.Limiter
}

// lane is the way to one source's host.
type lane struct {
	attempts int
	next     time.Time
	told     bool
	toldAt   time.Time
}

// New reads what was written and starts nothing.
func New(opts Options) *Reporter {
	opts.Pauses = opts.Pauses.withDefaults()
	l, err := openLedger(opts.File)
	if err != nil {
		opts.Logger.Warn("written statuses were lost", "file", opts.File, "error", err)
	}
	r := &Reporter{opts: opts, ledger: l, lanes: map[string]*lane{}, hosts: map[string]*rate.Limiter{}}
	for name, s := range opts.Services {
		r.lanes[name] = &lane{}
		if r.hosts[s.host] == nil {
			r.hosts[s.host] = rate.NewLimiter(rate.Every(perStatus), burst)
		}
	}
	return r
}

// Run writes until ctx ends.
func (r *Reporter) Run(ctx context.Context) error {
	changed := r.opts.Subscribe(ctx)
	for ctx.Err() == nil {
		timer := time.NewTimer(r.round(ctx))
		select {
		case <-ctx.Done():
		case _, open := <-changed:
			if !open {
				changed = nil
			}
			r.rest(ctx, r.opts.Pauses.Quiet)
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

func (r *Reporter) rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// round writes what is due and returns when to look again though nothing changes.
func (r *Reporter) round(ctx context.Context) time.Duration {
	all, err := r.look(ctx)
	if err != nil {
		if !errors.Is(err, errMoving) && ctx.Err() == nil {
			r.opts.Logger.Debug("statuses of commits were not looked at", "error", err)
		}
		return r.opts.Pauses.First
	}
	next := forEver
	for _, d := range all {
		if ctx.Err() != nil {
			return 0
		}
		if wait := r.tell(ctx, d); wait > 0 {
			next = min(next, wait)
		}
	}
	return next
}

// tell writes one status and returns how long it must wait, if it must.
func (r *Reporter) tell(ctx context.Context, d due) time.Duration {
	s, way := r.opts.Services[d.Origin.Source], r.lanes[d.Origin.Source]
	if s == nil {
		return 0 // no longer configured
	}
	if wait := time.Until(way.next); wait > 0 {
		return wait
	}
	if !r.hosts[s.host].Allow() {
		return perStatus
	}
	if r.ledger.of(d.about, d.Origin.Commit) == nil {
		// Killed while this is under way, the commit is known and settled later.
		intent := d
		intent.State, intent.Words = Pending, ""
		r.keep(intent)
	}
	limited, cancel := context.WithTimeout(ctx, r.opts.Pauses.Timeout)
	err := s.write(limited, report{commit: d.Origin.Commit, ref: d.Origin.Ref, context: r.opts.Prefix + "/" + d.about, state: d.State, words: d.Words})
	cancel()
	refused, _ := errors.AsType[*refusal](err)
	switch {
	case err == nil:
		r.wrote(way, d)
	case ctx.Err() != nil:
	case refused != nil && refused.unfit:
		r.tellFailure(way, d, refused)
		r.keep(d) // not again
	case refused != nil:
		return r.failed(way, d, refused)
	}
	return 0
}

// wrote notes that a status is there.
func (r *Reporter) wrote(way *lane, d due) {
	r.keep(d)
	r.opts.Logger.Info("status of a commit was written", "source", d.Origin.Source, "about", d.about, "commit", d.Origin.Short(), "state", string(d.State))
	told := way.told
	*way = lane{toldAt: way.toldAt}
	if told {
		r.note(d, false, ReasonStatusBack, "takes statuses again")
	}
}

func (r *Reporter) keep(d due) {
	if err := r.ledger.note(d.about, d.written, d.newest); err != nil {
		r.opts.Logger.Warn("written status was not kept", "about", d.about, "error", err)
	}
}

// failed waits, and tells once that it does.
func (r *Reporter) failed(way *lane, d due, f *refusal) time.Duration {
	way.attempts++
	pause := backOff(r.opts.Pauses.First, r.opts.Pauses.Longest, way.attempts)
	if f.setUp {
		pause = backOff(r.opts.Pauses.SetUp, max(longestSetUp, r.opts.Pauses.SetUp), way.attempts)
	}
	pause = max(pause, f.after)
	way.next = time.Now().Add(pause)
	r.opts.Logger.Debug("status of a commit was not written", "source", d.Origin.Source, "attempts", way.attempts, "error", f.words)
	if f.setUp || way.attempts >= tellAfter {
		r.tellFailure(way, d, f)
	}
	return pause
}

func (r *Reporter) tellFailure(way *lane, d due, f *refusal) {
	if way.told || !way.toldAt.IsZero() && time.Since(way.toldAt) < tellAgain {
		return
	}
	way.told, way.toldAt = true, time.Now()
	r.note(d, true, ReasonStatusFailed, f.words)
}

func (r *Reporter) note(d due, warning bool, reason reconcile.Reason, words string) {
	s := r.opts.Services[d.Origin.Source]
	r.opts.Note(reconcile.Event{
		At: time.Now().UTC().Round(0), Warning: warning, Reason: reason,
		Message: fmt.Sprintf("source %s, statuses of commits at %s (%s): %s", d.Origin.Source, s.host, s.kind.name, words),
	})
}

// backOff is first·2ⁿ, at most longest, ± 20 %.
func backOff(first, longest time.Duration, attempts int) time.Duration {
	d := min(first<<min(attempts-1, 16), longest)
	return d*8/10 + time.Duration(rand.Int64N(int64(d*4/10)+1))
}
