package docker

import (
	"context"
	"fmt"

	"teal/reconcile"
)

// Perform does one step of the kinds resolve, pull, ensure, stop, remove, test
// and evidence. It may be repeated, after any crash: what is there already is
// done. A failure is in the outcome, classified.
func (e *Engine) Perform(ctx context.Context, step reconcile.Step) reconcile.Outcome {
	out, err := e.perform(ctx, step)
	if err != nil {
		out.Failure = e.failed(err)
	}
	return out
}

func (e *Engine) perform(ctx context.Context, step reconcile.Step) (out reconcile.Outcome, err error) {
	switch step.Kind {
	case reconcile.StepResolve:
		out.Image, err = e.resolve(ctx, step.Image.Ref, step.Policy)
	case reconcile.StepPull:
		err = e.pull(ctx, step.App, step.Image)
	case reconcile.StepEnsure:
		if step.Ensure == nil {
			return out, incomplete(step)
		}
		err = e.ensure(ctx, step.App, *step.Ensure)
	case reconcile.StepStop:
		if step.Foreign {
			err = e.stopForeign(ctx, step.Container, step.Grace.D())
		} else {
			err = e.stop(ctx, step.Container, step.Grace.D())
		}
	case reconcile.StepRemove:
		err = e.remove(ctx, step.Container, step.Grace.D())
	case reconcile.StepTest:
		if step.Test == nil {
			return out, incomplete(step)
		}
		err = e.test(ctx, step.App, *step.Test)
	case reconcile.StepEvidence:
		out.Evidence, err = e.evidence(ctx, step)
	case reconcile.StepRoute, reconcile.StepUnroute:
		err = permanent(reconcile.ReasonEngineRefused, "step %s is the proxy's", step.Kind)
	default:
		err = permanent(reconcile.ReasonEngineRefused, "step %q is not known", step.Kind)
	}
	return out, err
}

func incomplete(step reconcile.Step) error {
	return fmt.Errorf("perform: %w", permanent(reconcile.ReasonEngineRefused, "step %s says nothing of what to %s", step.Kind, step.Kind))
}
