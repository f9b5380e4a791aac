package docker

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"

	"teal/reconcile"
	"teal/spec"
)

// Labels that Docker Compose writes.
const (
	composeProject = "com.docker.compose.project"
	composeService = "com.docker.compose.service"
	composeOneOff  = "com.docker.compose.oneoff"
)

// Stranger is a container that no controller of Teal made.
type Stranger struct {
	ID, Name string
	// Project and Service are what Docker Compose says it is of; empty: it was not
	// made by Docker Compose.
	Project, Service string
	Image            string // as it was asked for
	State            reconcile.ContainerState
	Published        []Published // while it runs; sorted
	Addresses        []string    // its own on the networks it is on, while it runs; sorted
	HostNetwork      bool        // it has the host's network
}

// Published is a TCP port that a container publishes on its host.
type Published struct {
	HostIP string // "0.0.0.0" and "::" are every address
	Port   int    // of the host
	Inside int    // of the container
}

// Strangers lists all containers of the engine that are no controller's, running
// or not, sorted by name. It changes nothing.
func (e *Engine) Strangers(ctx context.Context) ([]Stranger, error) {
	list, err := ask(ctx, e, e.limits.Call, func(ctx context.Context, a dockerAPI) ([]container.Summary, error) {
		return a.ContainerList(ctx, container.ListOptions{All: true})
	})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	var out []Stranger
	for _, c := range list {
		if c.Labels[spec.LabelController] == "" && !strings.EqualFold(c.Labels[composeOneOff], "true") && len(c.Names) > 0 {
			out = append(out, stranger(c))
		}
	}
	slices.SortFunc(out, func(a, b Stranger) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

func stranger(c container.Summary) Stranger {
	out := Stranger{
		ID: c.ID, Name: strings.TrimPrefix(c.Names[0], "/"),
		Project: c.Labels[composeProject], Service: c.Labels[composeService],
		Image: c.Image, State: reconcile.ContainerState(c.State), HostNetwork: c.HostConfig.NetworkMode == "host",
	}
	for _, p := range c.Ports {
		if p.Type == "tcp" && p.PublicPort != 0 {
			out.Published = append(out.Published, Published{HostIP: p.IP, Port: int(p.PublicPort), Inside: int(p.PrivatePort)})
		}
	}
	slices.SortFunc(out.Published, func(a, b Published) int {
		return cmp.Or(cmp.Compare(a.Inside, b.Inside), cmp.Compare(a.Port, b.Port), cmp.Compare(a.HostIP, b.HostIP))
	})
	if c.NetworkSettings != nil {
		for _, n := range c.NetworkSettings.Networks {
			if n != nil && n.IPAddress != "" {
				out.Addresses = append(out.Addresses, n.IPAddress)
			}
		}
	}
	slices.Sort(out.Addresses)
	return out
}

// At is where a port of the container is reached from its own host: where it is
// published, or on the container's own address. Empty: nowhere.
func (s Stranger) At(inside int) string {
	for _, p := range s.Published {
		if p.Inside != inside {
			continue
		}
		host := p.HostIP
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			host = "127.0.0.1"
		}
		return net.JoinHostPort(host, strconv.Itoa(p.Port))
	}
	return s.Own(inside)
}

// Own is where a port of the container is reached on its own address, from its
// own host. Empty: nowhere.
func (s Stranger) Own(inside int) string {
	if s.HostNetwork {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(inside))
	}
	if len(s.Addresses) == 0 {
		return ""
	}
	return net.JoinHostPort(s.Addresses[0], strconv.Itoa(inside))
}
