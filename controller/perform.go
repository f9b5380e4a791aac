package controller

import (
	"context"
	"fmt"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// done is a step and what came of it.
type done struct {
	step    reconcile.Step
	outcome reconcile.Outcome
}

// perform carries out steps side by side and returns those whose outcome is
// known. Its error is errCut if some were cut short.
func (c *Controller) perform(ctx context.Context, app spec.Name, steps []reconcile.Step, release func()) ([]done, error) {
	interruptible, end := c.memory.interruptible(ctx, app)
	defer end()
	for _, s := range steps {
		if slow(s.Kind) {
			release()
		}
	}
	outcomes := make([]*reconcile.Outcome, len(steps))
	effects := make([]func(), len(steps))
	for i, s := range steps {
		effects[i] = func() {
			stepCtx := ctx
			if mayBeGivenUp(s.Kind) {
				stepCtx = interruptible
			}
			outcomes[i] = c.effect(stepCtx, s)
		}
	}
	c.together(effects)
	var known []done
	for i, o := range outcomes {
		if o != nil {
			known = append(known, done{steps[i], *o})
		}
	}
	if len(known) < len(steps) {
		return known, fmt.Errorf("%d of %d steps: %w", len(steps)-len(known), len(steps), errCut)
	}
	return known, nil
}

// effect performs one step within its limit. It returns nil if the step was cut
// short: its outcome is not known, and the next pass will see.
func (c *Controller) effect(ctx context.Context, s reconcile.Step) *reconcile.Outcome {
	limited, cancel := context.WithTimeout(ctx, c.limit(s))
	defer cancel()
	begun := time.Now()
	out := c.guarded(limited, s)
	if out.Failure != nil && ctx.Err() != nil {
		return nil
	}
	c.metrics.stepped(s.Kind, out)
	c.log.Debug("step performed", "app", s.App.String(), "step", s.String(), "why", s.Why, "took", time.Since(begun), "failed", out.Failure != nil)
	return &out
}

// guarded calls the side that the step is for and survives its panics.
func (c *Controller) guarded(ctx context.Context, s reconcile.Step) (out reconcile.Outcome) {
	err := c.safely(s.String(), s.App, func() error {
		switch s.Kind {
		case reconcile.StepRoute, reconcile.StepUnroute:
			out = c.router.change(ctx, s)
		case reconcile.StepResolve, reconcile.StepPull, reconcile.StepEnsure, reconcile.StepStop,
			reconcile.StepRemove, reconcile.StepTest, reconcile.StepEvidence:
			out = c.opts.Engine.Perform(ctx, s)
		}
		return nil
	})
	if err != nil {
		out = reconcile.Outcome{Failure: &reconcile.Failure{Class: reconcile.Infra, Reason: ReasonDefect, Message: err.Error()}}
	}
	return out
}

// limit is how long a step may take.
func (c *Controller) limit(s reconcile.Step) time.Duration {
	switch s.Kind {
	case reconcile.StepPull:
		return c.opts.Limits.Pull
	case reconcile.StepTest: // may fetch an image of its own
		return c.opts.Limits.Pull
	case reconcile.StepResolve, reconcile.StepEnsure, reconcile.StepStop, reconcile.StepRemove,
		reconcile.StepRoute, reconcile.StepUnroute, reconcile.StepEvidence:
	}
	return c.opts.Limits.Effect + s.Grace.D()
}

// limits is how long steps may take, also one after the other.
func (c *Controller) limits(steps []reconcile.Step) (all time.Duration) {
	for _, s := range steps {
		all += c.limit(s)
	}
	return all
}

// slow reports whether a step may take so long that its pass must not keep a
// place that others could use.
func slow(k reconcile.StepKind) bool {
	switch k {
	case reconcile.StepResolve, reconcile.StepPull, reconcile.StepStop, reconcile.StepRemove, reconcile.StepTest:
		return true
	case reconcile.StepEnsure, reconcile.StepRoute, reconcile.StepUnroute, reconcile.StepEvidence:
	}
	return false
}

// mayBeGivenUp reports whether a newer wish may cut a step short: it leaves
// nothing half done.
func mayBeGivenUp(k reconcile.StepKind) bool {
	return k == reconcile.StepResolve || k == reconcile.StepPull
}
