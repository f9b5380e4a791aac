package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"teal/cmd/teal/internal/view"
	"teal/controller/api"
	"teal/reconcile"
	"teal/spec"
)

// applied is what apply prints as JSON.
type applied struct {
	Accepted api.ApplyResult    `json:"accepted"`
	Apps     []reconcile.Status `json:"apps,omitempty"` // as they stood in the end
}

func (p *program) applyVerb() *cobra.Command {
	var w wish
	var prune, noWait bool
	var timeout time.Duration
	var output format
	c := &cobra.Command{
		Use:   "apply [-f compose.yaml …]",
		Short: "Send a desired state and wait until it is reached",
		Long: `Reads Compose files, sends what they want to the controller and shows its way
there. The command may be interrupted: the controller goes on by itself.

Exit codes: 0 reached, 1 failed and rolled back (the evidence is shown), 2 the
files were refused, 3 not reached in time, 4 no controller.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := p.fill(c.Flags(), &w.config); err != nil {
				return err
			}
			project, err := w.load(c.Context())
			if err != nil {
				return err
			}
			req := api.ApplyRequest{Project: project, Prune: prune, By: p.by()}
			return p.apply(c.Context(), req, applying{noWait: noWait, timeout: timeout, output: output})
		},
	}
	w.flags(c)
	c.Flags().BoolVar(&prune, "prune", false, "remove services that the files do not name any more")
	c.Flags().BoolVar(&noWait, "no-wait", false, "return once the wish is accepted")
	c.Flags().DurationVar(&timeout, "timeout", 10*time.Minute, "longest wait, 0 for none")
	output.flag(c)
	return c
}

// applying is how an apply is shown and waited for.
type applying struct {
	noWait  bool
	timeout time.Duration
	output  format
}

func (p *program) apply(ctx context.Context, req api.ApplyRequest, how applying) error {
	client := p.dial()
	defer client.Close()
	result, err := client.Apply(ctx, req)
	if err != nil {
		return err
	}
	text := how.output == formatText
	if text {
		if err := p.print(view.Accepted(result, p.options(time.Now()))); err != nil {
			return err
		}
	}
	if how.noWait {
		return p.printJSON(how.output, applied{Accepted: result})
	}
	goal := goalOf(result)
	var last api.StatusList
	err = p.await(ctx, client, wait{
		filter: spec.Name{Project: req.Project.Name}, timeout: how.timeout, quiet: !text,
		apps: goal.concerns,
		reached: func(list api.StatusList) (bool, error) {
			last = only(list, goal.concerns)
			return goal.reached(last)
		},
	})
	if jsonErr := p.printJSON(how.output, applied{Accepted: result, Apps: last.Apps}); jsonErr != nil {
		return jsonErr
	}
	return p.tell(err, last, text)
}

// tell shows the evidence of what failed, or one line for what was reached.
func (p *program) tell(err error, last api.StatusList, text bool) error {
	if !text {
		return err
	}
	o := p.options(last.At)
	out, to := "", p.Stdout
	for _, s := range last.Apps {
		switch {
		case s.Hold != nil:
			out += view.Held(s, o)
			to = p.Stderr
		case err == nil:
			out += view.Reached(s, o)
		}
	}
	if _, writeErr := io.WriteString(to, out); writeErr != nil {
		return fmt.Errorf("write: %w", writeErr)
	}
	return err
}

// goal is what an apply waits for: a generation of each app.
type goal map[spec.Name]api.Accepted

func goalOf(r api.ApplyResult) goal {
	g := goal{}
	for _, a := range r.Apps {
		if !a.Orphaned {
			g[a.App] = a
		}
	}
	return g
}

func (g goal) concerns(app spec.Name) bool { _, ok := g[app]; return ok }

// reached reports whether every app stands where it was wanted, or an error as
// soon as one of them cannot get there by itself.
func (g goal) reached(list api.StatusList) (bool, error) {
	done := true
	for app, want := range g {
		s, known := one(list, app)
		switch {
		case want.Pruned:
			done = done && !known
		case !known:
			done = false
		case s.Generation > want.Generation:
			return true, &failure{
				code:    exitFailed,
				message: fmt.Sprintf("a newer wish took the place of this one: %s is at generation %d, this was %d", app, s.Generation, want.Generation),
				hint:    "teal status " + app.String(),
			}
		case s.Hold != nil && s.Hold.Generation == want.Generation && s.Phase == reconcile.Idle:
			return true, &failure{code: exitFailed, message: app.String() + " was not brought to what is wanted"}
		default:
			done = done && s.Observed >= want.Generation && (synced(s) || s.Synced.Reason == reconcile.ReasonPinned || s.Closed != nil && s.Closed.Waits)
		}
	}
	return done, nil
}

// synced reports whether what is wanted is there and, for an app, serves: right
// after a restart of the controller its probes still have to say so.
func synced(s reconcile.Status) bool {
	return s.Synced.OK && (s.Serving.OK || s.Kind != "app")
}
