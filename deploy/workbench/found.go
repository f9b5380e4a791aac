package workbench

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"teal/spec"
)

// Found is a container of a controller in any state.
type Found struct {
	ID, Name, Image string
	State           string // created, running, exited …
	Labels          map[string]string
}

// Everything is what a controller has on an engine.
type Everything struct {
	Containers []Found  // by name
	Networks   []string // names
	Volumes    []string // names
}

// Everything lists all that carries the controller's id, whatever its state.
func (b *Bench) Everything(ctx context.Context, controller string) (Everything, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	var out Everything
	by := filters.NewArgs(filters.Arg("label", spec.LabelController+"="+controller))
	containers, err := b.api.ContainerList(ctx, container.ListOptions{All: true, Filters: by})
	if err != nil {
		return out, fmt.Errorf("list containers: %w", err)
	}
	for _, c := range containers {
		f := Found{ID: c.ID, Image: c.Image, State: c.State, Labels: c.Labels}
		if len(c.Names) > 0 {
			f.Name = strings.TrimPrefix(c.Names[0], "/")
		}
		out.Containers = append(out.Containers, f)
	}
	networks, err := b.api.NetworkList(ctx, network.ListOptions{Filters: by})
	if err != nil {
		return out, fmt.Errorf("list networks: %w", err)
	}
	for _, n := range networks {
		out.Networks = append(out.Networks, n.Name)
	}
	volumes, err := b.api.VolumeList(ctx, volume.ListOptions{Filters: by})
	if err != nil {
		return out, fmt.Errorf("list volumes: %w", err)
	}
	for _, v := range volumes.Volumes {
		out.Volumes = append(out.Volumes, v.Name)
	}
	slices.SortFunc(out.Containers, func(a, b Found) int { return strings.Compare(a.Name, b.Name) })
	slices.Sort(out.Networks)
	slices.Sort(out.Volumes)
	return out, nil
}
