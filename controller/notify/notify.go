package notify

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// Book is where the events are.
type Book interface {
	// Events returns events after the given number, oldest first, and the number
	// of the last one. An empty app is every app.
	Events(app spec.Name, after uint64, limit int) ([]reconcile.Event, uint64, error)
}

// Options of [New]. All but Origin and Pauses are needed.
type Options struct {
	ID      string // of the controller
	Targets []Target
	Book    Book
	// File keeps how far each target was told.
	File string
	// Subscribe returns a channel that gets a token after there may be new events.
	Subscribe func(ctx context.Context) <-chan struct{}
	// Note takes events of this package's own.
	Note func(events ...reconcile.Event)
	// Origin, when set, is the commit that an app's desired state is from.
	Origin func(app spec.Name) spec.Origin
	Logger *slog.Logger
	Pauses Pauses
}

// Pauses between attempts. Zero fields get their defaults.
type Pauses struct {
	First   time.Duration // after a first failure, doubled with each; default 2 s
	Longest time.Duration // default 5 min
	Refused time.Duration // the first after a target refused who sends; default 1 min, at most 30 min
}

func (p Pauses) withDefaults() Pauses {
	for _, f := range []struct {
		field *time.Duration
		value time.Duration
	}{{&p.First, 2 * time.Second}, {&p.Longest, 5 * time.Minute}, {&p.Refused, time.Minute}} {
		if *f.field <= 0 {
			*f.field = f.value
		}
	}
	return p
}

// Notifier tells targets of events.
type Notifier struct {
	opts      Options
	positions *positions
}

// New reads how far each target was told. One that is new is told of what happens
// from now on.
func New(opts Options) (*Notifier, error) {
	opts.Pauses = opts.Pauses.withDefaults()
	p, lost := readPositions(opts.File)
	if lost != nil {
		opts.Logger.Warn("positions of notifications were lost", "file", opts.File, "error", lost)
	}
	// The answer to a question beyond the end is the end.
	_, newest, err := opts.Book.Events(spec.Name{}, math.MaxUint64, 1)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	names := make([]string, 0, len(opts.Targets))
	for _, t := range opts.Targets {
		names = append(names, t.Name)
	}
	p.keep(names, position{After: newest, At: time.Now().UTC()})
	if err := p.write(); err != nil {
		opts.Logger.Warn("positions of notifications were not kept", "file", opts.File, "error", err)
	}
	return &Notifier{opts: opts, positions: p}, nil
}

// Run tells all targets until ctx ends.
func (n *Notifier) Run(ctx context.Context) error {
	var running sync.WaitGroup
	for _, t := range n.opts.Targets {
		running.Go(func() { newTeller(n, t).run(ctx) })
	}
	<-ctx.Done()
	running.Wait()
	return nil
}

// Test sends one message that says it is a test, at once.
func Test(ctx context.Context, t Target, controller string) error {
	e := numbered{Event: reconcile.Event{At: time.Now().UTC().Round(0), Reason: "Test", Message: "this is a test of the notifications to " + t.Name}}
	m, err := t.words.message(controller, e, spec.Origin{})
	if err != nil {
		return err
	}
	m.ID = fmt.Sprintf("%s-test-%d", controller, e.At.UnixNano())
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	return t.sender.send(ctx, m)
}

// read returns the events after a position, at most limit, with their numbers,
// and how many before them are no longer kept.
func (n *Notifier) read(from position, limit int) (out []numbered, end position, lost uint64, err error) {
	events, last, err := n.opts.Book.Events(spec.Name{}, from.After, limit)
	if err != nil {
		return nil, from, 0, err
	}
	end = position{After: last, At: from.At, Skip: from.Skip}
	if last < from.After { // the records were rebuilt or restored: numbers begin anew
		return nil, position{At: from.At, Skip: from.At}, 0, nil
	}
	if len(events) == 0 {
		return nil, end, 0, nil
	}
	first := last - uint64(len(events)) + 1 // the numbers have no gaps
	for i, e := range events {
		if from.Skip.IsZero() || e.At.After(from.Skip) {
			out = append(out, numbered{Event: e, Number: first + uint64(i)})
		}
	}
	end.At = events[len(events)-1].At
	if end.At.After(end.Skip) {
		end.Skip = time.Time{}
	}
	if from.Skip.IsZero() {
		lost = first - from.After - 1
	}
	return out, end, lost, nil
}
