package docker

import (
	"context"
	"errors"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"teal/spec"
)

// RemoveAll removes every container and network of this controller, the images
// of proxies that no container uses any more, and its volumes if asked to. It
// is for taking Teal off a host: running apps are killed. What cannot be
// removed is in the error, and does not keep the rest; an ingress network that
// another controller's containers are on stays.
func (e *Engine) RemoveAll(ctx context.Context, volumes bool) error {
	errs := []error{e.removeContainers(ctx), e.removeNetworks(ctx)}
	by := e.byController()
	if !volumes { // a proxy's own files are nobody's data
		by.Add("label", spec.LabelRole+"="+spec.RoleProxy)
	}
	errs = append(errs, e.removeVolumes(ctx, by))
	return e.onHost(errors.Join(append(errs, e.removeProxyImages(ctx))...))
}

func (e *Engine) removeContainers(ctx context.Context) error {
	list, err := e.list(ctx)
	if err != nil {
		return fmt.Errorf("list containers: %w", err)
	}
	var errs []error
	for _, c := range list {
		errs = append(errs, e.remove(ctx, c.ID, 0))
	}
	return errors.Join(errs...)
}

// byController selects what is this controller's.
func (e *Engine) byController() filters.Args {
	return filters.NewArgs(filters.Arg("label", spec.LabelController+"="+e.controller))
}

// removeNetworks includes the ingress network, which several controllers of one
// host share, whoever of them made it.
func (e *Engine) removeNetworks(ctx context.Context) error {
	list, err := ask(ctx, e, e.limits.Call, func(ctx context.Context, a dockerAPI) ([]network.Summary, error) {
		return a.NetworkList(ctx, network.ListOptions{Filters: filters.NewArgs(filters.Arg("label", spec.LabelController))})
	})
	if err != nil {
		return fmt.Errorf("list networks: %w", err)
	}
	var errs []error
	for _, n := range list {
		shared := n.Name == e.ingress.Name && n.Labels[spec.LabelRole] == roleIngress
		if shared || n.Labels[spec.LabelController] == e.controller {
			errs = append(errs, e.removeUnused(ctx, n))
		}
	}
	return errors.Join(errs...)
}

// removeUnused leaves a network that containers are on, running or not.
func (e *Engine) removeUnused(ctx context.Context, n network.Summary) error {
	users, err := ask(ctx, e, e.limits.Call, func(ctx context.Context, a dockerAPI) ([]container.Summary, error) {
		return a.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("network", n.ID))})
	})
	if err != nil {
		return fmt.Errorf("look who uses network %s: %w", n.Name, err)
	}
	if len(users) > 0 {
		e.log.Info("network is in use and was kept", keyNetwork, n.Name)
		return nil
	}
	err = e.do(ctx, e.limits.Change, func(ctx context.Context, a dockerAPI) error { return a.NetworkRemove(ctx, n.ID) })
	if errdefs.IsPermissionDenied(err) { // another controller's container came in between
		e.log.Info("network is in use and was kept", keyNetwork, n.Name)
		return nil
	}
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("remove network %s: %w", n.Name, err)
	}
	return nil
}

func (e *Engine) removeVolumes(ctx context.Context, by filters.Args) error {
	list, err := ask(ctx, e, e.limits.Call, func(ctx context.Context, a dockerAPI) (volume.ListResponse, error) {
		return a.VolumeList(ctx, volume.ListOptions{Filters: by})
	})
	if err != nil {
		return fmt.Errorf("list volumes: %w", err)
	}
	var errs []error
	for _, v := range list.Volumes {
		err := e.do(ctx, e.limits.Change, func(ctx context.Context, a dockerAPI) error { return a.VolumeRemove(ctx, v.Name, false) })
		if err != nil && !errdefs.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("remove volume %s: %w", v.Name, err))
		}
	}
	return errors.Join(errs...)
}

// removeProxyImages leaves images that a proxy was made from, which the engine
// refuses to remove.
func (e *Engine) removeProxyImages(ctx context.Context) error {
	by := filters.NewArgs(filters.Arg("label", spec.LabelRole+"="+spec.RoleProxy), filters.Arg("reference", proxyRepository))
	list, err := ask(ctx, e, e.limits.Call, func(ctx context.Context, a dockerAPI) ([]image.Summary, error) {
		return a.ImageList(ctx, image.ListOptions{Filters: by})
	})
	if err != nil {
		return fmt.Errorf("list images: %w", err)
	}
	used, err := ask(ctx, e, e.limits.Call, func(ctx context.Context, a dockerAPI) ([]container.Summary, error) {
		return a.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", spec.LabelRole+"="+spec.RoleProxy))})
	})
	if err != nil {
		return fmt.Errorf("list proxies: %w", err)
	}
	inUse := map[string]bool{}
	for _, c := range used {
		inUse[c.ImageID] = true
	}
	var errs []error
	for _, i := range list {
		if inUse[i.ID] {
			continue
		}
		_, err := ask(ctx, e, e.limits.Change, func(ctx context.Context, a dockerAPI) ([]image.DeleteResponse, error) {
			return a.ImageRemove(ctx, i.ID, image.RemoveOptions{PruneChildren: true})
		})
		if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
			errs = append(errs, fmt.Errorf("remove image %s: %w", i.ID, err))
		}
	}
	return errors.Join(errs...)
}
