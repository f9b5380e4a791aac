package docker

import (
	"context"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/volume"

	"teal/reconcile"
	"teal/spec"
)

// ensureVolume makes a named volume of a project unless it is there.
func (e *Engine) ensureVolume(ctx context.Context, project string, v spec.Volume) error {
	err := e.do(ctx, e.limits.Call, func(ctx context.Context, a dockerAPI) error {
		_, err := a.VolumeInspect(ctx, v.Name)
		return err
	})
	if err == nil {
		return nil
	}
	if !errdefs.IsNotFound(err) {
		return fmt.Errorf("inspect volume %s: %w", v.Name, err)
	}
	if v.External {
		return permanent(reconcile.ReasonEngineRefused, "external volume %s does not exist; make it with: docker volume create %s", v.Name, v.Name)
	}
	if err := e.policy(project).CheckVolume(v); err != nil {
		return refused("volume %s: %v", v.Name, err)
	}
	err = e.do(ctx, e.limits.Change, func(ctx context.Context, a dockerAPI) error {
		_, err := a.VolumeCreate(ctx, volume.CreateOptions{
			Name: v.Name, Driver: v.Driver, DriverOpts: v.DriverOpts,
			Labels: e.ownLabels(v.Labels, map[string]string{spec.LabelProject: project}),
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("create volume %s: %w", v.Name, err)
	}
	return nil
}
