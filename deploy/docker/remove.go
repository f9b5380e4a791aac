package docker

import (
	"context"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"teal/reconcile"
	"teal/spec"
)

// look is how often a removal under way is looked at, and slowly how often one
// that takes long.
const (
	look   = 50 * time.Millisecond
	slowly = time.Second
)

// ours returns the full id of a container of this controller; gone is true if
// there is none any more. A stranger's is a permanent failure.
func (e *Engine) ours(ctx context.Context, id string) (full string, gone bool, err error) {
	found, err := e.inspect(ctx, id)
	if errdefs.IsNotFound(err) {
		return "", true, nil
	}
	if err != nil {
		return "", false, err
	}
	if found.Config.Labels[spec.LabelController] != e.controller {
		return "", false, permanent(reconcile.ReasonEngineRefused, "container %s is not this controller's and is not touched", id)
	}
	return found.ID, false, nil
}

// stop ends a container of ours and keeps it. What is gone is stopped.
func (e *Engine) stop(ctx context.Context, id string, grace time.Duration) error {
	full, gone, err := e.ours(ctx, id)
	if err != nil || gone {
		return err
	}
	return e.stopOurs(ctx, full, grace)
}

// stopOurs stops a container that the caller knows may be stopped.
func (e *Engine) stopOurs(ctx context.Context, id string, grace time.Duration) error {
	err := e.do(ctx, grace+e.limits.Stop, func(ctx context.Context, a dockerAPI) error {
		return a.ContainerStop(ctx, id, container.StopOptions{Timeout: seconds(grace)})
	})
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("stop %s: %w", id, err)
	}
	return nil
}

// remove stops and removes a container of ours, with its anonymous volumes, and
// returns when it is gone. A removal that somebody else began is waited for.
func (e *Engine) remove(ctx context.Context, id string, grace time.Duration) error {
	full, gone, err := e.ours(ctx, id)
	if err != nil || gone {
		return err
	}
	if err := e.stopOurs(ctx, full, grace); err != nil {
		return err
	}
	return e.discard(ctx, full)
}

// discard removes a container that does not run. The caller knows it is ours.
func (e *Engine) discard(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, e.limits.Gone)
	defer cancel()
	pause := time.NewTimer(look)
	defer pause.Stop()
	for wait := look; ; wait = min(2*wait, slowly) {
		err := e.do(ctx, e.limits.Gone, func(ctx context.Context, a dockerAPI) error {
			return a.ContainerRemove(ctx, id, container.RemoveOptions{RemoveVolumes: true})
		})
		if err == nil || errdefs.IsNotFound(err) {
			return nil
		}
		// Conflict: somebody else's removal is in progress, or the container was
		// started again meanwhile. The next look tells.
		if !errdefs.IsConflict(err) {
			return fmt.Errorf("remove %s: %w", id, err)
		}
		pause.Reset(wait)
		select {
		case <-ctx.Done():
			return infra(reconcile.ReasonEngineUnavailable, "remove %s: still there after %s (%v)", id, e.limits.Gone, err)
		case <-pause.C:
		}
	}
}
