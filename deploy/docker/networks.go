package docker

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"

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
	if _, ok, err := e.findNetwork(ctx, n.Name); ok || err != nil {
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

// createNetwork takes a name that was taken meanwhile as done. It is not cut
// short when ctx ends: the engine would go on, and older ones give the same name
// again to whoever asks before it is done.
func (e *Engine) createNetwork(ctx context.Context, name string, options network.CreateOptions) error {
	err := e.do(context.WithoutCancel(ctx), e.limits.Change, func(ctx context.Context, a dockerAPI) error {
		_, err := a.NetworkCreate(ctx, name, options)
		return err
	})
	if err != nil && !errdefs.IsConflict(err) {
		return fmt.Errorf("create network %s: %w", name, err)
	}
	e.log.Info("network was created", keyNetwork, name)
	return nil
}

// settles bounds how often doubles of a network are looked at until one is left.
const settles = 10

// findNetwork returns the network of exactly this name. Names are not unique on
// older engines: Teal killed while it made a network may leave two, and so do
// several controllers that make the ingress at once. Then the one in use stays,
// or else the oldest, and the others are removed, see [Engine.removeDoubles].
// Nobody uses one before the others are gone, so that only one is ever used by
// those who see all of them. The caller holds e.networks.
func (e *Engine) findNetwork(ctx context.Context, name string) (found network.Inspect, ok bool, err error) {
	for range settles {
		same, err := e.sameName(ctx, name)
		if err != nil || len(same) == 0 {
			return found, false, err
		}
		switch err = e.removeDoubles(ctx, same[1:]); {
		case err == nil:
			return same[0], true, nil
		case !errdefs.IsPermissionDenied(err):
			return found, false, err
		}
		// Somebody has begun to use it. A moment, so that two do not take turns.
		if err := pause(ctx, look); err != nil {
			return found, false, err
		}
	}
	return found, false, infra(reconcile.ReasonEngineUnavailable, "several networks are called %s, and are used in turns", name)
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// sameName returns the networks of exactly this name, the one that is used
// first.
func (e *Engine) sameName(ctx context.Context, name string) ([]network.Inspect, error) {
	list, err := ask(ctx, e, e.limits.Call, func(ctx context.Context, a dockerAPI) ([]network.Summary, error) {
		return a.NetworkList(ctx, network.ListOptions{Filters: filters.NewArgs(filters.Arg("name", name))})
	})
	if err != nil {
		return nil, fmt.Errorf("look for network %s: %w", name, err)
	}
	var same []network.Inspect
	for _, n := range list {
		if n.Name != name {
			continue // the filter also finds parts of names
		}
		inspected, err := e.inspectNetwork(ctx, n.ID)
		if errdefs.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		same = append(same, inspected)
	}
	slices.SortFunc(same, func(a, b network.Inspect) int {
		return cmp.Or(cmp.Compare(len(b.Containers), len(a.Containers)), a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return same, nil
}

// removeDoubles removes networks that nobody uses and that this controller made;
// of the ingress, which all controllers share, whoever made it. One that came
// into use meanwhile is a permission that the engine denies.
func (e *Engine) removeDoubles(ctx context.Context, doubles []network.Inspect) error {
	for _, n := range doubles {
		shared := n.Name == e.ingress.Name && ingressFault(n) == ""
		if !shared && n.Labels[spec.LabelController] != e.controller || len(n.Containers) > 0 {
			return permanent(reconcile.ReasonEngineRefused, "several networks are called %s; remove %s or rename yours", n.Name, n.ID)
		}
		err := e.do(ctx, e.limits.Change, func(ctx context.Context, a dockerAPI) error { return a.NetworkRemove(ctx, n.ID) })
		if err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("remove double of network %s: %w", n.Name, err)
		}
		e.log.Warn("double of a network was removed", keyNetwork, n.Name)
	}
	return nil
}

func (e *Engine) inspectNetwork(ctx context.Context, id string) (network.Inspect, error) {
	found, err := ask(ctx, e, e.limits.Call, func(ctx context.Context, a dockerAPI) (network.Inspect, error) {
		return a.NetworkInspect(ctx, id, network.InspectOptions{})
	})
	if err != nil {
		return found, fmt.Errorf("inspect network %s: %w", id, err)
	}
	return found, nil
}

// ownLabels are user's labels and ours, which win.
func (e *Engine) ownLabels(user, ours map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, user)
	maps.Copy(out, ours)
	out[spec.LabelController] = e.controller
	return out
}
