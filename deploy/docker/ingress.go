package docker

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"slices"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"

	"teal/reconcile"
	"teal/spec"
)

// noTraffic keeps containers of one bridge from reaching each other.
const noTraffic = "com.docker.network.bridge.enable_icc"

// subnets are tried for the ingress network when none was configured. They lie
// where Docker's own choices and common site networks seldom are.
var subnets = []string{"172.30.0.0/16", "172.29.0.0/16", "172.28.0.0/16", "10.230.0.0/16", "10.231.0.0/16", "192.168.224.0/20"}

// ingressNetwork is where fixed addresses are given out.
type ingressNetwork struct {
	subnet  netip.Prefix
	gateway netip.Addr
	used    map[netip.Addr]bool // by running containers
}

// ensureIngress returns the ingress network, which is made when it is missing.
// Another network of its name is refused: it would let apps reach each other.
func (e *Engine) ensureIngress(ctx context.Context) (ingressNetwork, error) {
	e.networks.Lock()
	defer e.networks.Unlock()
	found, ok, err := e.findNetwork(ctx, e.ingress.Name)
	if err == nil && !ok {
		// Another controller may make one at the same moment, and have the subnet.
		failed := e.createIngress(ctx)
		if found, ok, err = e.findNetwork(ctx, e.ingress.Name); err == nil && !ok {
			err = cmp.Or(failed, error(infra(reconcile.ReasonEngineUnavailable, "network %s was removed as soon as it was made", e.ingress.Name)))
		}
	}
	if err != nil {
		return ingressNetwork{}, err
	}
	if ingressFault(found) != "" {
		return ingressNetwork{}, permanent(reconcile.ReasonNameTaken,
			"network %s exists and is not Teal's ingress; rename the ingress network or remove that one", e.ingress.Name)
	}
	return readIngress(found)
}

func readIngress(found network.Inspect) (ingressNetwork, error) {
	out := ingressNetwork{used: map[netip.Addr]bool{}}
	for _, c := range found.IPAM.Config {
		subnet, err := netip.ParsePrefix(c.Subnet)
		if err != nil || !subnet.Addr().Is4() {
			continue
		}
		out.subnet = subnet.Masked()
		if gateway, err := netip.ParseAddr(c.Gateway); err == nil {
			out.gateway = gateway
		} else {
			out.gateway = out.subnet.Addr().Next()
		}
	}
	if !out.subnet.IsValid() {
		return out, permanent(reconcile.ReasonEngineRefused, "network %s has no IPv4 subnet", found.Name)
	}
	for _, c := range found.Containers {
		if p, err := netip.ParsePrefix(c.IPv4Address); err == nil {
			out.used[p.Addr()] = true
		}
	}
	return out, nil
}

// createIngress takes the first subnet that nothing else uses.
func (e *Engine) createIngress(ctx context.Context) error {
	candidates, err := e.candidates()
	if err != nil {
		return err
	}
	taken, err := e.takenSubnets(ctx)
	if err != nil {
		return err
	}
	lasting := true // each is another network's
	for _, subnet := range candidates {
		if overlapsAny(subnet, taken.networks) {
			continue
		}
		lasting = false
		if overlapsAny(subnet, taken.interfaces) {
			continue
		}
		err = e.createNetwork(ctx, e.ingress.Name, network.CreateOptions{
			Driver:  "bridge",
			IPAM:    &network.IPAM{Driver: "default", Config: []network.IPAMConfig{{Subnet: subnet.String()}}},
			Options: map[string]string{noTraffic: "false"},
			Labels:  e.ownLabels(nil, map[string]string{spec.LabelRole: roleIngress}),
		})
		if !errdefs.IsPermissionDenied(err) { // the engine's answer to an overlap
			return err
		}
	}
	refusal := permanent(reconcile.ReasonEngineRefused, "no subnet is free for the ingress network (tried %v); configure another", candidates)
	if !lasting { // an interface may be that of a network which is just being made
		refusal.Class = reconcile.Infra
	}
	return refusal
}

// candidates are the subnets that the ingress network may be made with: the
// configured one, or else those of the list.
func (e *Engine) candidates() ([]netip.Prefix, error) {
	texts := subnets
	if e.ingress.Subnet != "" {
		texts = []string{e.ingress.Subnet}
	}
	out := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		subnet, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, permanent(reconcile.ReasonEngineRefused, "ingress subnet %q: %v", text, err)
		}
		out[i] = subnet
	}
	return out, nil
}

// takenSubnets are those of other networks of the engine, and of this machine's
// interfaces, which is the engine's machine unless the engine is remote.
type takenSubnets struct{ networks, interfaces []netip.Prefix }

func (t takenSubnets) all() []netip.Prefix { return slices.Concat(t.networks, t.interfaces) }

func (e *Engine) takenSubnets(ctx context.Context) (out takenSubnets, err error) {
	networks, err := ask(ctx, e, e.limits.Call, func(ctx context.Context, a dockerAPI) ([]network.Summary, error) {
		return a.NetworkList(ctx, network.ListOptions{})
	})
	if err != nil {
		return out, err
	}
	add := func(to *[]netip.Prefix, text string) {
		if p, err := netip.ParsePrefix(text); err == nil {
			*to = append(*to, p.Masked())
		}
	}
	for _, n := range networks {
		to := &out.networks
		if n.Name == e.ingress.Name { // made since it was looked for, and maybe removed again
			to = &out.interfaces
		}
		for _, c := range n.IPAM.Config {
			add(to, c.Subnet)
		}
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return out, err
	}
	for _, a := range addresses {
		add(&out.interfaces, a.String())
	}
	return out, nil
}

func overlapsAny(p netip.Prefix, taken []netip.Prefix) bool {
	return slices.ContainsFunc(taken, p.Overlaps)
}

// freeAddress chooses the fixed address of a replica: the place in the subnet
// that its name hashes to, or the next one that no container has, running or
// not. The caller holds e.slots until the address is taken.
func (e *Engine) freeAddress(ctx context.Context, id identity, avoid map[netip.Addr]bool) (netip.Addr, error) {
	in, err := e.ensureIngress(ctx)
	if err != nil {
		return netip.Addr{}, err
	}
	if err := e.addFixed(ctx, &in); err != nil {
		return netip.Addr{}, err
	}
	address, err := slot(in.subnet, id.seed(), func(a netip.Addr) bool { return a == in.gateway || in.used[a] || avoid[a] })
	if err != nil {
		return netip.Addr{}, infra(reconcile.ReasonAddressTaken, "network %s: %v", e.ingress.Name, err)
	}
	return address, nil
}

// addFixed adds the addresses of containers that do not run.
func (e *Engine) addFixed(ctx context.Context, in *ingressNetwork) error {
	list, err := ask(ctx, e, e.limits.Call, func(ctx context.Context, a dockerAPI) ([]container.Summary, error) {
		return a.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("network", e.ingress.Name))})
	})
	if err != nil {
		return fmt.Errorf("list the containers on network %s: %w", e.ingress.Name, err)
	}
	for _, c := range list {
		if a, ok := fixedAddress(c, e.ingress.Name); ok {
			in.used[a] = true
		}
	}
	return nil
}

// fixedAddress is the address that a listed container has or will have.
func fixedAddress(c container.Summary, on string) (netip.Addr, bool) {
	if c.NetworkSettings == nil || c.NetworkSettings.Networks[on] == nil {
		return netip.Addr{}, false
	}
	endpoint := c.NetworkSettings.Networks[on]
	text := endpoint.IPAddress
	if endpoint.IPAMConfig != nil && endpoint.IPAMConfig.IPv4Address != "" {
		text = endpoint.IPAMConfig.IPv4Address
	}
	a, err := netip.ParseAddr(text)
	return a, err == nil
}

// slot returns the first free address of subnet from the one that seed hashes
// to, round the end. The first and last address of a subnet are no host's.
func slot(subnet netip.Prefix, seed string, taken func(netip.Addr) bool) (netip.Addr, error) {
	bits := 32 - subnet.Bits()
	if bits < 2 {
		return netip.Addr{}, errors.New("the subnet is too small")
	}
	hosts := uint64(1)<<bits - 2
	h := fnv.New64a()
	h.Write([]byte(seed)) // never fails, by its contract
	start := h.Sum64() % hosts
	base := subnet.Masked().Addr().As4()
	for i := range hosts {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(base[:])+1+uint32((start+i)%hosts))
		if a := netip.AddrFrom4(b); !taken(a) {
			return a, nil
		}
	}
	return netip.Addr{}, errors.New("no address is free")
}
