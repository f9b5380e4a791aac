package dockertest

import (
	"context"
	"strconv"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"github.com/docker/go-connections/nat"
)

// Composed is a container as Docker Compose makes it.
type Composed struct {
	Project, Service string
	Name             string // empty: PROJECT_SERVICE_1
	Image            string
	Publish          map[int]int // ports inside by ports of the host
	Stopped          bool        // made, not started
}

// Compose makes containers of one project, on the project's own network, as
// Docker Compose does. All of it is removed when the test ends.
func Compose(t testing.TB, all ...Composed) {
	t.Helper()
	c := Client(t)
	label := Label(t)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	name := all[0].Project + "_default"
	_, err := c.NetworkCreate(ctx, name, network.CreateOptions{Driver: "bridge", Labels: map[string]string{
		LabelTest: label, "com.docker.compose.project": all[0].Project, "com.docker.compose.network": "default",
	}})
	if err != nil {
		t.Fatalf("create network %s: %v", name, err)
	}
	for _, x := range all {
		x.make(ctx, t, c, label)
	}
}

func (x Composed) make(ctx context.Context, t testing.TB, c *client.Client, label string) {
	t.Helper()
	name := x.Name
	if name == "" {
		name = x.Project + "_" + x.Service + "_1"
	}
	config := &container.Config{Image: x.Image, ExposedPorts: nat.PortSet{}, Labels: map[string]string{
		LabelTest: label, "com.docker.compose.project": x.Project, "com.docker.compose.service": x.Service, "com.docker.compose.oneoff": "False",
	}}
	host := &container.HostConfig{NetworkMode: container.NetworkMode(x.Project + "_default"), PortBindings: nat.PortMap{}}
	for outside, inside := range x.Publish {
		port := nat.Port(strconv.Itoa(inside) + "/tcp")
		config.ExposedPorts[port] = struct{}{}
		host.PortBindings[port] = append(host.PortBindings[port], nat.PortBinding{HostPort: strconv.Itoa(outside)})
	}
	networks := &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
		x.Project + "_default": {Aliases: []string{x.Service}},
	}}
	made, err := c.ContainerCreate(ctx, config, host, networks, nil, name)
	if err != nil {
		t.Fatalf("create %s: %v", name, err)
	}
	if x.Stopped {
		return
	}
	if err := c.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
}

// State returns what the engine says a container does: "running", "exited".
func State(t testing.TB, name string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	found, err := Client(t).ContainerInspect(ctx, name)
	if err != nil {
		t.Fatalf("inspect %s: %v", name, err)
	}
	return found.State.Status
}
