package docker

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/docker/docker/api/types/network"

	"teal/spec"
)

// IngressState is what [Engine.LookAtIngress] found.
type IngressState struct {
	Name   string
	Exists bool
	// Doubles are the ids of further networks of the same name, which older
	// engines allow.
	Doubles []string
	// Fault says why a network of that name cannot be used as the ingress. Empty:
	// it can, or there is none.
	Fault string
	// Subnet is the one it has or, if it does not exist, would be made with. Not
	// valid: it has no IPv4 subnet, or none that Teal may take is free.
	Subnet netip.Prefix
	// Wanted is the configured subnet; not valid if none is.
	Wanted netip.Prefix
	// Clashes name what else has addresses of Subnet: networks of the engine and,
	// if the engine is local, routes of the host.
	Clashes []string
	// Size is how many addresses the subnet has for replicas, Free how many of
	// them no container has, running or not.
	Size, Free int
}

// LookAtIngress tells how the ingress network is, without changing anything. It
// is an error if the engine does not answer or a configured subnet is none.
func (e *Engine) LookAtIngress(ctx context.Context) (IngressState, error) {
	out, err := e.lookAtIngress(ctx)
	return out, e.onHost(err)
}

func (e *Engine) lookAtIngress(ctx context.Context) (IngressState, error) {
	out := IngressState{Name: e.ingress.Name}
	candidates, err := e.candidates()
	if err != nil {
		return out, err
	}
	if e.ingress.Subnet != "" {
		out.Wanted = candidates[0].Masked()
	}
	found, err := e.sameName(ctx, e.ingress.Name)
	if err != nil {
		return out, err
	}
	if len(found) == 0 {
		taken, err := e.takenSubnets(ctx)
		for i := 0; i < len(candidates) && !out.Subnet.IsValid(); i++ {
			if !overlapsAny(candidates[i], taken.all()) {
				out.Subnet = candidates[i].Masked()
			}
		}
		return out, err
	}
	out.Exists = true
	for _, n := range found[1:] {
		out.Doubles = append(out.Doubles, n.ID)
	}
	return out, e.describe(ctx, found[0], &out)
}

// describe fills in what there is to say of the network.
func (e *Engine) describe(ctx context.Context, found network.Inspect, out *IngressState) error {
	in, err := readIngress(found)
	if err != nil {
		out.Fault = err.Error()
	}
	if fault := ingressFault(found); fault != "" {
		out.Fault = fault
	}
	if out.Fault != "" {
		return nil
	}
	out.Subnet = in.subnet
	if err := e.addFixed(ctx, &in); err != nil {
		return err
	}
	out.Size, out.Free = in.count()
	networks, err := ask(ctx, e, e.limits.Call, func(ctx context.Context, a dockerAPI) ([]network.Summary, error) {
		return a.NetworkList(ctx, network.ListOptions{})
	})
	if err != nil {
		return fmt.Errorf("list networks: %w", err)
	}
	routes, err := e.hostRoutes()
	if err != nil {
		return err
	}
	out.Clashes = clashes(found, in.subnet, networks, routes)
	return nil
}

// count returns how many addresses in has for replicas, and how many are free.
func (in ingressNetwork) count() (size, free int) {
	first := in.subnet.Addr()
	if size = 1<<(32-in.subnet.Bits()) - 2; size < 1 {
		return 0, 0
	}
	taken := map[netip.Addr]bool{in.gateway: true}
	for a := range in.used {
		taken[a] = true
	}
	if in.subnet.Contains(in.gateway) {
		size--
	}
	free = size
	for a := range taken {
		if a != in.gateway && a != first && in.subnet.Contains(a) {
			free--
		}
	}
	return size, free
}

// clashes names the networks and routes that overlap the subnet of own. The
// route to own's bridge is no clash, and neither is a route for everything.
func clashes(own network.Inspect, subnet netip.Prefix, networks []network.Summary, routes []hostRoute) []string {
	var out []string
	for _, n := range networks {
		if n.ID == own.ID {
			continue
		}
		for _, c := range n.IPAM.Config {
			if p, err := netip.ParsePrefix(c.Subnet); err == nil && p.Overlaps(subnet) {
				out = append(out, fmt.Sprintf("network %s (%s)", n.Name, p))
			}
		}
	}
	bridge := own.Options["com.docker.network.bridge.name"]
	if bridge == "" {
		bridge = "br-" + own.ID[:min(12, len(own.ID))]
	}
	for _, r := range routes {
		if r.device != bridge && r.to.Overlaps(subnet) {
			out = append(out, fmt.Sprintf("the host's route to %s (%s)", r.to, r.device))
		}
	}
	return out
}

// hostRoutes are those of this machine if the engine is on it.
func (e *Engine) hostRoutes() ([]hostRoute, error) {
	a, _, err := e.conn.get()
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(a.DaemonHost(), "unix://") {
		return nil, nil
	}
	return readRoutes("/proc/net/route")
}

// ingressFault says why a network is not one that Teal made as its ingress.
func ingressFault(n network.Inspect) string {
	switch {
	case n.Labels[spec.LabelRole] != roleIngress:
		return "it is not Teal's: it has no label " + spec.LabelRole + "=" + roleIngress
	case n.Options[noTraffic] != "false":
		return "its containers can reach each other: it was made without " + noTraffic + "=false"
	}
	return ""
}
