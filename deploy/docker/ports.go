package docker

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"
	"golang.org/x/sync/errgroup"

	"teal/spec"
)

// portUser is a container that has a port of the host, or will when it runs.
type portUser struct {
	id, name string
	address  string // "" or unspecified: all of the host's
	running  bool
	ours     bool
}

// portUsers returns who has which TCP ports of the host, running or not.
func (e *Engine) portUsers(ctx context.Context) (map[int][]portUser, error) {
	list, err := ask(ctx, e, e.limits.Call, func(ctx context.Context, a dockerAPI) ([]container.Summary, error) {
		return a.ContainerList(ctx, container.ListOptions{All: true})
	})
	if err != nil {
		return nil, fmt.Errorf("list the containers that publish ports: %w", err)
	}
	idle := make([]nat.PortMap, len(list))
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(inspections)
	for i, c := range list {
		if c.State == container.StateRunning {
			continue // what it publishes is in the list
		}
		group.Go(func() error {
			found, err := e.inspect(inner, c.ID)
			if errdefs.IsNotFound(err) {
				return nil
			}
			if err == nil && found.HostConfig != nil {
				idle[i] = found.HostConfig.PortBindings
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	out := map[int][]portUser{}
	for i, c := range list {
		e.addPorts(out, c, idle[i])
	}
	return out, nil
}

// addPorts adds the ports of one listed container; configured are those it will
// have when it runs.
func (e *Engine) addPorts(out map[int][]portUser, c container.Summary, configured nat.PortMap) {
	user := portUser{id: c.ID, running: c.State == container.StateRunning, ours: c.Labels[spec.LabelController] == e.controller}
	if len(c.Names) > 0 {
		user.name = strings.TrimPrefix(c.Names[0], "/")
	}
	for _, p := range c.Ports {
		if user.running && p.PublicPort != 0 && p.Type == "tcp" {
			user.address = p.IP
			out[int(p.PublicPort)] = append(out[int(p.PublicPort)], user)
		}
	}
	for port, bindings := range configured {
		for _, b := range bindings {
			from, to, err := nat.ParsePortRangeToInt(cmp.Or(b.HostPort, "0"))
			if err != nil || port.Proto() != "tcp" || from == 0 {
				continue // the engine chooses when it starts
			}
			user.address = b.HostIP
			for n := from; n <= to; n++ {
				out[n] = append(out[n], user)
			}
		}
	}
}

// overlaps reports whether a port on one address keeps others from it on b.
func overlaps(a, b string) bool {
	return everywhere(a) || everywhere(b) || a == b
}

func everywhere(address string) bool {
	ip, err := netip.ParseAddr(address)
	return err != nil || ip.IsUnspecified()
}

// blamed is a port that a container could not have.
type blamed struct {
	inside, outside int
	address         string
}

// blamedPorts are the container's published ports that cause names; all of them
// if it names none, or there is no cause.
func blamedPorts(found container.InspectResponse, cause error) []blamed {
	var all, named []blamed
	for port, bindings := range found.HostConfig.PortBindings {
		for _, b := range bindings {
			outside, err := strconv.Atoi(b.HostPort)
			if err != nil || port.Proto() != "tcp" {
				continue
			}
			one := blamed{inside: port.Int(), outside: outside, address: b.HostIP}
			all = append(all, one)
			if cause != nil && regexp.MustCompile(`:`+b.HostPort+`(\D|$)`).MatchString(cause.Error()) {
				named = append(named, one)
			}
		}
	}
	if len(named) == 0 {
		named = all
	}
	slices.SortFunc(named, func(a, b blamed) int { return cmp.Compare(a.outside, b.outside) })
	return named
}

func describePorts(list []blamed) string {
	var out []string
	for _, b := range list {
		text := strconv.Itoa(b.outside)
		if !everywhere(b.address) {
			text += " of " + b.address
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

// portOwner names the running container that has one of the ports, except the
// one that wanted it.
func (e *Engine) portOwner(ctx context.Context, ports []blamed, except string) (string, error) {
	users, err := e.portUsers(ctx)
	if err != nil {
		return "", err
	}
	for _, p := range ports {
		for _, u := range users[p.outside] {
			if u.id != except && u.running && overlaps(u.address, p.address) {
				return "container " + u.name, nil
			}
		}
	}
	return "a program of the host or a leftover of the engine", nil
}
