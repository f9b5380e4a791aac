package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"teal/cmd/teal/internal/view"
	"teal/controller/api"
	"teal/reconcile"
	"teal/spec"
)

// answerLimit is how long one request waits for a command's answer.
const answerLimit = 10 * time.Second

// order is a command as it is typed.
type order struct {
	verb    reconcile.Verb
	app     string // as it was typed
	rollout string
	noWait  bool
	timeout time.Duration
}

// orderVerb builds the verb of a command.
func (p *program) orderVerb(verb reconcile.Verb, short, long string) *cobra.Command {
	o := order{verb: verb}
	c := &cobra.Command{
		Use:   string(verb) + " [project/service | service]",
		Short: short,
		Long: long + `

The app may be left out when there is only one. A command names the rollout it
is meant for (the one under way, or --rollout) and has no effect on another.

Exit codes: 0 done, 1 it did not apply, or failed and was rolled back, 3 not done
in time, 4 no controller.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.app = first(args)
			return p.order(c.Context(), o)
		},
	}
	c.Flags().StringVar(&o.rollout, "rollout", "", "the `rollout` that is meant, r-12 (default: the one under way)")
	c.Flags().DurationVar(&o.timeout, "timeout", 10*time.Minute, "longest wait, 0 for none")
	if verb == reconcile.VerbPromote || verb == reconcile.VerbUndo {
		c.Flags().BoolVar(&o.noWait, "no-wait", false, "return once the command took effect, before the traffic has moved")
	}
	return c
}

// order sends a command, waits for its answer and, where traffic will move, for
// that.
func (p *program) order(ctx context.Context, o order) error {
	if err := checkRollout(o.rollout, o.app); err != nil {
		return err
	}
	if o.timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, o.timeout)
		defer cancel()
		ctx = limited
	}
	client := p.dial()
	defer client.Close()
	s, err := find(ctx, client, o.app)
	if err != nil {
		return err
	}
	req, err := p.request(o, s)
	if err != nil {
		return err
	}
	if err := p.send(ctx, client, s.App, req); err != nil {
		return err
	}
	if err := p.print(fmt.Sprintf("%s  %s took effect\n", s.App, o.verb)); err != nil {
		return err
	}
	if o.noWait || (o.verb != reconcile.VerbPromote && o.verb != reconcile.VerbUndo) {
		return nil
	}
	return p.finish(ctx, client, s.App, o)
}

// request builds the command for the rollout that is meant.
func (p *program) request(o order, s reconcile.Status) (api.CommandRequest, error) {
	req := api.CommandRequest{Token: rand.Text(), Verb: o.verb, Rollout: o.rollout, By: p.by()}
	if req.Rollout == "" {
		req.Rollout = s.Rollout
	}
	if req.Rollout == "" && o.verb == reconcile.VerbPromote && s.Closed != nil && s.Closed.Waits {
		req.Rollout = reconcile.Waiting(s.Generation)
	}
	if req.Rollout == "" && (o.verb == reconcile.VerbPromote || o.verb == reconcile.VerbAbort) {
		return req, &failure{
			code:    exitFailed,
			message: fmt.Sprintf("%s has no rollout under way, so there is nothing to %s", s.App, o.verb),
			hint:    "teal status " + s.App.String(),
		}
	}
	return req, nil
}

// send queues a command and waits until it was dealt with. It may be repeated
// while the controller is away: the token makes it one command.
func (p *program) send(ctx context.Context, c *api.Client, app spec.Name, req api.CommandRequest) error {
	var out api.CommandResult
	err := p.persist(ctx, &lined{p: p}, func() (err error) {
		if out, err = c.Command(ctx, app, req); err != nil {
			return err
		}
		for out.State == api.CommandWaiting && err == nil {
			out, err = c.Answer(ctx, req.Token, answerLimit)
		}
		return err
	})
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return &failure{code: exitTimeout, message: fmt.Sprintf("%s was accepted and has not been answered", req.Verb), hint: "teal status " + app.String()}
	case err != nil:
		return err
	case out.State == api.CommandRefused:
		return &failure{code: exitFailed, message: fmt.Sprintf("%s had no effect on %s: %s", req.Verb, app, out.Answer), hint: "teal status " + app.String()}
	}
	return nil
}

// finish waits until the traffic has moved, or will not.
func (p *program) finish(ctx context.Context, c *api.Client, app spec.Name, o order) error {
	list, err := c.Status(ctx, app)
	if err != nil {
		return err
	}
	now, _ := one(list, app)
	var last api.StatusList
	if id := now.Rollout; id != "" {
		err = p.await(ctx, c, wait{filter: app, reached: func(l api.StatusList) (bool, error) {
			last = l
			s, known := one(l, app)
			return !known || s.Rollout != id || s.Phase == reconcile.Confirming, nil
		}})
		if errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return &failure{code: exitTimeout, message: "the traffic has not moved in time; the controller goes on", hint: "teal status --watch " + app.String()}
		}
		if err != nil {
			return err
		}
		if s, _ := one(last, app); s.Rollout == id {
			return p.print(fmt.Sprintf("%s  the traffic has moved; %s is watched until %s\n",
				app, id, s.Deadline.Local().Format("15:04:05")))
		}
		return p.ended(ctx, c, app, id, o.verb)
	}
	return p.ended(ctx, c, app, "", o.verb)
}

// ended tells how a rollout ended; without an id, the newest one.
func (p *program) ended(ctx context.Context, c *api.Client, app spec.Name, id string, verb reconcile.Verb) error {
	h, err := c.History(ctx, app, 50)
	if err != nil {
		return err
	}
	list, err := c.Status(ctx, app)
	if err != nil {
		return err
	}
	o := p.options(list.At)
	for _, r := range h.Rollouts {
		if id != "" && r.ID != id {
			continue
		}
		if err := p.print(view.Ended(r, o)); err != nil {
			return err
		}
		if ranAsWanted(r, verb) {
			break
		}
		s, _ := one(list, app)
		return p.tell(&failure{code: exitFailed, message: fmt.Sprintf("%s ended as %s", r.ID, r.Result), hint: "teal history " + app.String()},
			api.StatusList{At: list.At, Apps: []reconcile.Status{s}}, true)
	}
	s, _ := one(list, app)
	return p.print(view.Reached(s, o))
}

// ranAsWanted reports whether a rollout's end is what the verb asked for: an
// undo ends the rollout under way by going back.
func ranAsWanted(r reconcile.Rollout, verb reconcile.Verb) bool {
	switch r.Result {
	case reconcile.Succeeded:
		return true
	case reconcile.RolledBack, reconcile.Failed, reconcile.Superseded:
		return verb == reconcile.VerbUndo && r.Trigger != reconcile.TriggerUndo
	case reconcile.Adopted:
	}
	return false
}

func (p *program) promoteVerb() *cobra.Command {
	return p.orderVerb(reconcile.VerbPromote, "Give the staged version the traffic",
		"Opens the gate of a rollout that is staged, and waits until the traffic has moved.\nA version that waits for its deploy window, or for the end of a freeze, is rolled\nout now.")
}

func (p *program) abortVerb() *cobra.Command {
	return p.orderVerb(reconcile.VerbAbort, "Give the rollout under way up",
		"Ends the rollout under way: stable keeps the traffic, or gets it back, and the\nnew version is held until the next change or teal retry.")
}

func (p *program) undoVerb() *cobra.Command {
	return p.orderVerb(reconcile.VerbUndo, "Go back to the version that served before",
		"Gives the traffic back to the version that served before: at once if it is\nstill on standby, by an ordinary rollout otherwise. It holds against the file\nuntil the file changes.")
}

func (p *program) retryVerb() *cobra.Command {
	return p.orderVerb(reconcile.VerbRetry, "Try a held version again",
		"Releases the hold of a version that failed, so that it is tried once more.")
}
