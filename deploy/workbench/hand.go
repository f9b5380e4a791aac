package workbench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
)

// OpenAt returns the engine at an address, such as unix:///run/docker.sock. It
// is an error if it does not answer within 10 s.
func OpenAt(ctx context.Context, address string) (*Bench, error) {
	return open(ctx, client.WithHost(address))
}

// Container is one container as the engine lists it, ours or a stranger's.
type Container struct {
	ID, Name string
	State    string // created, running, paused, restarting, removing, exited, dead
	Labels   map[string]string
	// Addresses are those on its networks, by the network's name; a container
	// that does not run has none.
	Addresses map[string]string
}

// All lists every container of the engine, by name.
func (b *Bench) All(ctx context.Context) ([]Container, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	list, err := b.api.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	var out []Container
	for _, c := range list {
		one := Container{ID: c.ID, State: c.State, Labels: c.Labels, Addresses: map[string]string{}}
		if len(c.Names) > 0 {
			one.Name = strings.TrimPrefix(c.Names[0], "/")
		}
		if c.NetworkSettings != nil {
			for name, end := range c.NetworkSettings.Networks {
				if end != nil && end.IPAddress != "" {
					one.Addresses[name] = end.IPAddress
				}
			}
		}
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b Container) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Counts is how much the engine holds.
type Counts struct{ Containers, Networks, Volumes, Images int }

// Count counts all that the engine holds.
func (b *Bench) Count(ctx context.Context) (Counts, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	containers, err1 := b.api.ContainerList(ctx, container.ListOptions{All: true})
	networks, err2 := b.api.NetworkList(ctx, network.ListOptions{})
	volumes, err3 := b.api.VolumeList(ctx, volume.ListOptions{})
	images, err4 := b.api.ImageList(ctx, image.ListOptions{All: true})
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return Counts{}, fmt.Errorf("count what the engine holds: %w", err)
	}
	return Counts{len(containers), len(networks), len(volumes.Volumes), len(images)}, nil
}

// Hand is what somebody does to a container without asking Teal.
type Hand string

// What a hand can do.
const (
	HandStop   Hand = "stop"
	HandKill   Hand = "kill"
	HandRemove Hand = "rm"
	HandPause  Hand = "pause"
	HandRename Hand = "rename"
)

// ByHand does to the container id what an operator would with docker.
func (b *Bench) ByHand(ctx context.Context, do Hand, id string) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	var err error
	switch do {
	case HandStop:
		err = b.api.ContainerStop(ctx, id, container.StopOptions{})
	case HandKill:
		err = b.api.ContainerKill(ctx, id, "KILL")
	case HandRemove:
		err = b.api.ContainerRemove(ctx, id, container.RemoveOptions{Force: true})
	case HandPause:
		err = b.api.ContainerPause(ctx, id)
	case HandRename:
		err = b.api.ContainerRename(ctx, id, fmt.Sprintf("renamed-%.8s-%d", id, time.Now().UnixNano()%1e6))
	default:
		return fmt.Errorf("by hand: %q is nothing that can be done", do)
	}
	if err != nil {
		return fmt.Errorf("docker %s %.12s: %w", do, id, err)
	}
	return nil
}

// Stranger starts a container that is not Teal's, with labels of its own, and
// returns its id. network may be empty for the engine's default.
func (b *Bench) Stranger(ctx context.Context, name, ref, on string, labels map[string]string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, changeLimit)
	defer cancel()
	host := &container.HostConfig{NetworkMode: container.NetworkMode(on)}
	made, err := b.api.ContainerCreate(ctx, &container.Config{Image: ref, Labels: labels}, host, nil, nil, name)
	if err != nil {
		return "", fmt.Errorf("create %s: %w", name, err)
	}
	if err := b.api.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
		return "", fmt.Errorf("start %s: %w", name, err)
	}
	return made.ID, nil
}

// Discard removes one container with its unnamed volumes; one that is gone is
// no error.
func (b *Bench) Discard(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, changeLimit)
	defer cancel()
	return b.removeContainer(ctx, id)
}

// Since says since when a container runs, empty when it does not, and how often
// the engine restarted it: two answers are the same when nobody touched it.
func (b *Bench) Since(ctx context.Context, id string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	full, err := b.api.ContainerInspect(ctx, id)
	if err != nil {
		return "", fmt.Errorf("inspect %.12s: %w", id, err)
	}
	if full.State == nil || !full.State.Running || full.State.Paused {
		return "", nil
	}
	return fmt.Sprintf("%s, %d restarts, as %s", full.State.StartedAt, full.RestartCount, full.Name), nil
}

// Last returns the last lines that a container wrote.
func (b *Bench) Last(ctx context.Context, id string, lines int) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	stream, err := b.api.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: fmt.Sprint(lines)})
	if err != nil {
		return "", fmt.Errorf("read the log of %.12s: %w", id, err)
	}
	text, err := io.ReadAll(stream)
	return string(text), errors.Join(err, stream.Close())
}

// Happening is one event of a container.
type Happening struct {
	At     time.Time // the engine's clock
	What   string    // create, start, kill, die, stop, destroy, rename, pause, …
	ID     string
	Name   string
	Labels map[string]string
}

// Watch calls each with what happens to containers, until ctx ends or the
// engine goes; the error says which.
func (b *Bench) Watch(ctx context.Context, each func(Happening)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	messages, failed := b.api.Events(ctx, events.ListOptions{Filters: filters.NewArgs(filters.Arg("type", "container"))})
	for {
		select {
		case m := <-messages:
			each(Happening{
				At: time.Unix(0, m.TimeNano), What: string(m.Action), ID: m.Actor.ID,
				Name: m.Actor.Attributes["name"], Labels: m.Actor.Attributes,
			})
		case err := <-failed:
			return fmt.Errorf("watch containers: %w", err)
		}
	}
}
