package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"teal/cmd/teal/internal/view"
	"teal/controller/api"
	"teal/reconcile"
	"teal/spec"
)

// patience is how long a controller that was there may be away while it is
// waited for: it may be restarted or upgraded in the middle of a rollout.
const patience = 30 * time.Second

// startPatience is how long teal wait waits for a controller that was not there
// yet: it is typed right after teal run.
const startPatience = 5 * time.Second

// wait is one wait for the controller to reach something.
type wait struct {
	filter  spec.Name
	apps    func(spec.Name) bool // which ones are shown; nil: all that match filter
	timeout time.Duration        // 0: for ever
	quiet   bool                 // show no progress
	// reached looks at each status; done ends the wait, with err.
	reached func(api.StatusList) (done bool, err error)
}

// errReached ends a followed stream.
var errReached = errors.New("reached")

// await follows the status until w is reached, shows progress meanwhile, and
// survives a controller that goes away and comes back.
func (p *program) await(ctx context.Context, c *api.Client, w wait) error {
	if w.timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, w.timeout)
		defer cancel()
		ctx = limited
	}
	show := p.progress(w)
	var result error
	each := func(list api.StatusList) error {
		done, err := w.reached(list)
		if shown := show.status(list); shown != nil {
			return shown
		}
		if done || err != nil {
			result = err
			return errReached
		}
		return nil
	}
	err := p.persist(ctx, show, func() error { return c.FollowStatus(ctx, w.filter, each) })
	err = errors.Join(err, show.end())
	switch {
	case errors.Is(err, errReached):
		return result
	case errors.Is(err, context.DeadlineExceeded):
		return &failure{code: exitTimeout, message: fmt.Sprintf("timed out after %s; the controller goes on", w.timeout), hint: "teal status --watch"}
	}
	return err
}

// persist repeats attempt while the controller is away, for as long as patience
// lasts.
func (p *program) persist(ctx context.Context, show progress, attempt func() error) error {
	return persistFor(ctx, patience, show, attempt)
}

// persistFor is persist with a patience of its own. An attempt that lasted a
// while begins a new patience.
func persistFor(ctx context.Context, patience time.Duration, show progress, attempt func() error) error {
	began, away := time.Now(), time.Time{}
	for {
		err := attempt()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !errors.Is(err, api.ErrUnreachable) && !api.IsReason(err, api.ReasonUnavailable) {
			return err
		}
		if away.IsZero() || time.Since(began) > time.Second {
			away = time.Now()
			show.lost(err)
		}
		if time.Since(away) > patience {
			return err
		}
		began = time.Now()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// progress shows a wait.
type progress interface {
	status(api.StatusList) error
	lost(error)
	end() error
}

// progress returns how w is shown: drawn over in a terminal, else in lines.
func (p *program) progress(w wait) progress {
	switch {
	case w.quiet:
		return silent{}
	case p.live():
		return &drawn{p: p, screen: p.screen(), apps: w.apps}
	}
	return &lined{p: p, apps: w.apps, last: map[spec.Name]string{}}
}

// silent shows nothing.
type silent struct{}

func (silent) status(api.StatusList) error { return nil }
func (silent) lost(error)                  {}
func (silent) end() error                  { return nil }

// drawn redraws the tree.
type drawn struct {
	p      *program
	screen *screen
	apps   func(spec.Name) bool
	err    error
}

func (d *drawn) status(list api.StatusList) error {
	return d.screen.draw(view.Status(only(list, d.apps), d.p.options(list.At)))
}

func (d *drawn) lost(err error) {
	d.err = d.screen.draw("the controller is away, waiting for it: " + err.Error() + "\n")
}

func (d *drawn) end() error { return d.err }

// lined writes a line whenever an app's words change.
type lined struct {
	p    *program
	apps func(spec.Name) bool
	last map[spec.Name]string
	err  error
}

func (l *lined) status(list api.StatusList) error {
	o := l.p.options(list.At)
	for _, s := range only(list, l.apps).Apps {
		text := view.Progress(s, o)
		if l.last[s.App] == text {
			continue
		}
		l.last[s.App] = text
		if _, err := fmt.Fprintf(l.p.Stdout, "%s  %s\n", list.At.In(o.Location).Format("15:04:05.0"), text); err != nil {
			return err
		}
	}
	return nil
}

func (l *lined) lost(err error) { l.err = l.p.away(err) }

func (l *lined) end() error { return l.err }

// away tells that the controller is waited for.
func (p *program) away(err error) error {
	_, writeErr := fmt.Fprintf(p.Stderr, "the controller is away, waiting for it: %v\n", err)
	return writeErr
}

// only keeps the apps that are of interest.
func only(list api.StatusList, apps func(spec.Name) bool) api.StatusList {
	if apps == nil {
		return list
	}
	var out []reconcile.Status
	for _, s := range list.Apps {
		if apps(s.App) {
			out = append(out, s)
		}
	}
	list.Apps = out
	return list
}
