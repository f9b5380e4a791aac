package docker

import (
	"context"

	"github.com/containerd/errdefs"

	"teal/reconcile"
	"teal/spec"
)

// test starts the one-shot test of a rollout, unless it was started before.
func (e *Engine) test(ctx context.Context, app spec.Name, run reconcile.TestRun) error {
	if len(run.Revision.Container.Networks) == 0 {
		return permanent(reconcile.ReasonEngineRefused, "the test of %s cannot reach it: the app is on no network of its project", app)
	}
	img, err := e.testImage(ctx, app, run)
	if err != nil {
		return err
	}
	r, err := e.testRequest(app, run, img)
	if err != nil {
		return err
	}
	found, err := e.inspect(ctx, r.id.name())
	if errdefs.IsNotFound(err) {
		return e.run(ctx, r)
	}
	if err != nil {
		return err
	}
	id, damaged := identify(found.Config.Labels)
	ours := damaged == nil && found.Config.Labels[spec.LabelController] == e.controller && id.Role == spec.RoleTest
	switch {
	case ours && id.same(r.id) && found.State.Status == "exited":
		return nil // it ran: its exit code is the answer, and it is run once
	case ours && !id.same(r.id):
		// A left-over of a rollout that had the same id, before records were lost.
		if err := e.remove(ctx, found.ID, 0); err != nil {
			return err
		}
	}
	return e.run(ctx, r)
}

// testImage is the candidate's own, or the one that the test names, which is
// fetched here: the planner only knows the app's.
func (e *Engine) testImage(ctx context.Context, app spec.Name, run reconcile.TestRun) (reconcile.Image, error) {
	if run.Test.Image == "" {
		return run.Revision.Image, nil
	}
	img, err := e.resolve(ctx, run.Test.Image, spec.PullMissing)
	if err != nil {
		return img, err
	}
	return img, e.pull(ctx, app, img)
}
