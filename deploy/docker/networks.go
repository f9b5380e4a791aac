package docker

import (
	"context"
	"fmt"
	"maps"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"teal/reconcile"
	"teal/spec"
)

// ensureNetwork makes a network of a project unless there is one of its name.
// One that is there is used as it is, whoever made it, as Compose does.
func (e *Engine) ensureNetwork(ctx context.Context, project string, n spec.Network) error {
	if err := e.policy(project).CheckNetwork(n); err != nil {
		return refused("network %s: %v", n.Name, err)
	}
	e.networks.Lock()
	defer e.networks.Unlock()
	_, err := e.inspectNetwork(ctx, n.Name)
	if err == nil || !errdefs.IsNotFound(err) {
		return err
	}
	if n.External {
		return permanent(reconcile.ReasonEngineRefused, "external network %s does not exist; make it with: docker network create %s", n.Name, n.Name)
	}
	options := network.CreateOptions{
		Driver: n.Driver, Options: n.DriverOpts, Internal: n.Internal,
		Labels: e.ownLabels(n.Labels, map[string]string{spec.LabelProject: project}),
	}
	if len(n.Subnets) > 0 {
		options.IPAM = &network.IPAM{Driver: "default"}
		for _, subnet := range n.Subnets {
			options.IPAM.Config = append(options.IPAM.Config, network.IPAMConfig{Subnet: subnet})
		}
	}
	return e.createNetwork(ctx, n.Name, options)
}

// createNetwork takes a name that was taken meanwhile as done.
func (e *Engine) createNetwork(ctx context.Context, name string, options network.CreateOptions) error {
	err := e.do(ctx, e.limits.Change, func(ctx context.Context, a dockerAPI) error {
		_, err := a.NetworkCreate(ctx, name, options)
		return err
	})
	if err != nil && !errdefs.IsConflict(err) {
		return fmt.Errorf("create network %s: %w", name, err)
	}
	e.log.Info("network was created", keyNetwork, name)
	return nil
}

func (e *Engine) inspectNetwork(ctx context.Context, name string) (network.Inspect, error) {
	found, err := ask(ctx, e, e.limits.Call, func(ctx context.Context, a dockerAPI) (network.Inspect, error) {
		return a.NetworkInspect(ctx, name, network.InspectOptions{})
	})
	if err != nil {
		return found, fmt.Errorf("inspect network %s: %w", name, err)
	}
	return found, nil
}

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

// ownLabels are user's labels and ours, which win.
func (e *Engine) ownLabels(user, ours map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, user)
	maps.Copy(out, ours)
	out[spec.LabelController] = e.controller
	return out
}
