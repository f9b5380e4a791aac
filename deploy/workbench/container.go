package workbench

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"teal/spec"
)

// StartUp returns how long the engine itself takes to create and start a
// container of ref that is attached to network, which must exist ("" for the
// engine's default). The container is removed again.
func (b *Bench) StartUp(ctx context.Context, ref, on, purpose string) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, changeLimit)
	defer cancel()
	cfg := &container.Config{Image: ref, Labels: map[string]string{LabelMade: purpose}}
	began := time.Now()
	made, err := b.api.ContainerCreate(ctx, cfg, &container.HostConfig{NetworkMode: container.NetworkMode(on)}, nil, nil, "")
	if err != nil {
		return 0, fmt.Errorf("create a container of %s: %w", ref, err)
	}
	defer func() {
		err = errors.Join(err, b.api.ContainerRemove(ctx, made.ID, container.RemoveOptions{Force: true, RemoveVolumes: true}))
	}()
	if err := b.api.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
		return 0, fmt.Errorf("start a container of %s: %w", ref, err)
	}
	return time.Since(began), nil
}

// Running is one running container of a controller.
type Running struct {
	ID, Name, Image string
	Role            string // value of [spec.LabelRole]
	PID             int    // of its first process, on the engine's host
	Address         string // on the first of its networks that gave it one; empty: none
}

// Running lists the running containers of a controller, by name.
func (b *Bench) Running(ctx context.Context, controller string) ([]Running, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	by := filters.NewArgs(filters.Arg("label", spec.LabelController+"="+controller))
	list, err := b.api.ContainerList(ctx, container.ListOptions{Filters: by})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	var out []Running
	for _, c := range list {
		full, err := b.api.ContainerInspect(ctx, c.ID)
		if errdefs.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("inspect container %s: %w", c.ID, err)
		}
		out = append(out, Running{
			ID: c.ID, Name: full.Name[1:], Image: full.Config.Image,
			Role: c.Labels[spec.LabelRole], PID: full.State.Pid, Address: address(full.NetworkSettings.Networks),
		})
	}
	slices.SortFunc(out, func(a, b Running) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func address(networks map[string]*network.EndpointSettings) string {
	for _, name := range slices.Sorted(maps.Keys(networks)) {
		if a := networks[name].IPAddress; a != "" {
			return a
		}
	}
	return ""
}

// Removed counts what [Bench.Remove] removed.
type Removed struct{ Containers, Networks, Images int }

// Remove removes every container that carries label=value, then every network,
// then the volumes that proxies keep their files in and the images that Teal
// made for them. A network or image that somebody else's container uses stays.
func (b *Bench) Remove(ctx context.Context, label, value string) (Removed, error) {
	var done Removed
	if label == "" || value == "" {
		return done, errors.New("remove by label: label and value must be named")
	}
	ctx, cancel := context.WithTimeout(ctx, changeLimit)
	defer cancel()
	by := filters.NewArgs(filters.Arg("label", label+"="+value))
	containers, err := b.api.ContainerList(ctx, container.ListOptions{All: true, Filters: by})
	if err != nil {
		return done, fmt.Errorf("list containers: %w", err)
	}
	var proxies []string
	for _, c := range containers {
		if err := b.removeContainer(ctx, c.ID); err != nil {
			return done, fmt.Errorf("remove container %s: %w", c.ID, err)
		}
		if c.Labels[spec.LabelRole] == spec.RoleProxy && strings.HasPrefix(c.Image, "teal-proxy:") {
			proxies = append(proxies, c.ImageID)
		}
		done.Containers++
	}
	if done.Networks, err = b.removeNetworks(ctx, by); err != nil {
		return done, err
	}
	by.Add("label", spec.LabelRole+"="+spec.RoleProxy)
	if err := b.removeVolumes(ctx, by); err != nil {
		return done, err
	}
	for _, id := range proxies {
		_, err := b.api.ImageRemove(ctx, id, image.RemoveOptions{})
		if _, looking := b.api.ImageInspect(ctx, id); err != nil && errdefs.IsNotFound(looking) {
			continue // somebody else removed it meanwhile
		}
		switch {
		case err == nil:
			done.Images++
		case errdefs.IsNotFound(err), errdefs.IsConflict(err): // gone, or in use by somebody else
		default:
			return done, fmt.Errorf("remove the proxy's image: %w", err)
		}
	}
	return done, nil
}

// RemoveVolumes removes every volume that carries label=value, with the data of
// apps: [Bench.Remove] leaves that.
func (b *Bench) RemoveVolumes(ctx context.Context, label, value string) error {
	if label == "" || value == "" {
		return errors.New("remove volumes by label: label and value must be named")
	}
	ctx, cancel := context.WithTimeout(ctx, changeLimit)
	defer cancel()
	return b.removeVolumes(ctx, filters.NewArgs(filters.Arg("label", label+"="+value)))
}

func (b *Bench) removeVolumes(ctx context.Context, by filters.Args) error {
	found, err := b.api.VolumeList(ctx, volume.ListOptions{Filters: by})
	if err != nil {
		return fmt.Errorf("list volumes: %w", err)
	}
	for _, v := range found.Volumes {
		if err := b.api.VolumeRemove(ctx, v.Name, false); err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("remove volume %s: %w", v.Name, err)
		}
	}
	return nil
}

func (b *Bench) removeNetworks(ctx context.Context, by filters.Args) (int, error) {
	networks, err := b.api.NetworkList(ctx, network.ListOptions{Filters: by})
	if err != nil {
		return 0, fmt.Errorf("list networks: %w", err)
	}
	removed := 0
	for _, n := range networks {
		err := b.api.NetworkRemove(ctx, n.ID)
		switch {
		case err == nil:
			removed++
		case errdefs.IsNotFound(err), errdefs.IsPermissionDenied(err): // gone, or in use by somebody else
		default:
			return removed, fmt.Errorf("remove network %s: %w", n.Name, err)
		}
	}
	return removed, nil
}

// removeContainer removes a container and waits until it is gone, whoever
// removes it.
func (b *Bench) removeContainer(ctx context.Context, id string) error {
	err := b.api.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if err := unlessGone(err); err != nil {
		return err
	}
	return awaitGone(ctx, b.api, id)
}

func awaitGone(ctx context.Context, api *client.Client, id string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := api.ContainerInspect(ctx, id)
		if err != nil {
			return unlessGone(err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// unlessGone drops errors that say the thing is gone, or going.
func unlessGone(err error) error {
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) {
		return nil
	}
	return err
}
