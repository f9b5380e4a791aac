package docker

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"

	"teal/reconcile"
	"teal/spec"
)

// publication is what a replica publishes on the host's address. The zero value
// is a replica that publishes nothing there.
type publication struct {
	inside []int // ports inside the container: the routed one, then a probed one
	// fixed are the ports that the app asks for, for the routed one; seat is the
	// one of them. Zero: one of the host's range.
	fixed spec.PortRange
	seat  int
}

// avoided is what a step has found out to be taken.
type avoided struct {
	addresses map[netip.Addr]bool
	ports     map[int]string      // who has them
	asked     map[netip.Addr]bool // whether something answered there, see Engine.held
}

func newAvoided() avoided {
	return avoided{addresses: map[netip.Addr]bool{}, ports: map[int]string{}, asked: map[netip.Addr]bool{}}
}

// portsOf adds the ports that a container publishes from the host's range.
func (a avoided) portsOf(r request, found container.InspectResponse) {
	for _, b := range blamedPorts(found, nil) {
		if slices.Contains(r.publication.inside, b.inside) && !r.publication.isFixed(b.inside) {
			a.ports[b.outside] = "a container that the engine forgot"
		}
	}
}

// words say who has the ports that were found out to be taken.
func (a avoided) words() string {
	var out strings.Builder
	for _, port := range slices.Sorted(maps.Keys(a.ports)) {
		fmt.Fprintf(&out, "; port %d is taken by %s", port, a.ports[port])
	}
	return out.String()
}

// publicationOf says what a replica publishes. A fixed range that has no port
// for the replica is a permanent failure.
func (e *Engine) publicationOf(app spec.Name, en reconcile.Ensure) (publication, error) {
	if e.publishOn == "" || en.Revision.Port == 0 {
		return publication{}, nil
	}
	out := publication{inside: []int{en.Revision.Port}, seat: en.Seat}
	if en.HealthPort != 0 && en.HealthPort != en.Revision.Port {
		out.inside = append(out.inside, en.HealthPort)
	}
	if p := en.Revision.Container.Publish; p != nil {
		out.fixed = p.Of(en.Colour)
	}
	if out.isFixed(en.Revision.Port) && out.fixed.From+en.Seat > out.fixed.To {
		return out, permanent(reconcile.ReasonEngineRefused,
			"%s publishes %s on ports %d-%d, which are too few for %d replicas on one host; widen x-teal.publish or use fewer replicas",
			app, en.Colour, out.fixed.From, out.fixed.To, en.Seat+1)
	}
	return out, nil
}

// isFixed reports whether the app itself says which port leads to inside.
func (p publication) isFixed(inside int) bool {
	return p.fixed != (spec.PortRange{}) && len(p.inside) > 0 && inside == p.inside[0]
}

// publish chooses the ports of a container that is about to be made. The caller
// holds e.slots until they are taken.
func (e *Engine) publish(ctx context.Context, r request, avoid avoided) error {
	if len(r.publication.inside) == 0 {
		return nil
	}
	users, err := e.portUsers(ctx)
	if err != nil {
		return err
	}
	chosen := map[int]bool{}
	taken := func(port int) bool { return chosen[port] || len(users[port]) > 0 }
	r.config.ExposedPorts, r.host.PortBindings = nat.PortSet{}, nat.PortMap{}
	for _, inside := range r.publication.inside {
		outside := r.publication.fixed.From + r.publication.seat
		if !r.publication.isFixed(inside) {
			if outside, err = portSlot(e.ports, r.id.seed()+portRole(r, inside), avoid.ports, taken); err != nil {
				return infra(reconcile.ReasonPortTaken, "address %s: %v%s", e.publishOn, err, avoid.words())
			}
		}
		chosen[outside] = true
		port := tcpPort(inside)
		r.config.ExposedPorts[port] = struct{}{}
		r.host.PortBindings[port] = []nat.PortBinding{{HostIP: e.publishOn, HostPort: strconv.Itoa(outside)}}
	}
	return nil
}

// portRole keeps the ports of one replica apart. The routed port has none, so
// that it stays when the port inside the container changes.
func portRole(r request, inside int) string {
	if inside == r.publication.inside[0] {
		return ""
	}
	return "/health"
}

// portSlot returns the free port of the range that seed leads to: the first one
// from where it hashes to, round the end. If that one was found out to be taken,
// it begins elsewhere: next to it there may be more of them.
func portSlot(ports spec.PortRange, seed string, avoid map[int]string, taken func(int) bool) (int, error) {
	size := ports.To - ports.From + 1
	first := func(start int, not func(int) bool) (int, bool) {
		for i := range size {
			if port := ports.From + (start+i)%size; !not(port) {
				return port, true
			}
		}
		return 0, false
	}
	for attempt := range len(avoid) + 1 {
		if port, ok := first(portHash(seed, attempt, size), taken); ok && avoid[port] == "" {
			return port, nil
		}
	}
	if port, ok := first(0, func(p int) bool { return taken(p) || avoid[p] != "" }); ok {
		return port, nil
	}
	return 0, fmt.Errorf("no port of %d-%d is free; give the host more ports", ports.From, ports.To)
}

func portHash(seed string, attempt, size int) int {
	h := fnv.New64a()
	h.Write([]byte(seed)) // never fails, by its contract
	if attempt > 0 {
		h.Write([]byte("#" + strconv.Itoa(attempt)))
	}
	return int(h.Sum64() % uint64(size))
}

func tcpPort(n int) nat.Port { return nat.Port(strconv.Itoa(n) + "/tcp") }

// boundTo is where a port inside the container is published, as host:port; ""
// if it is not. It is the same whether the container runs or not.
func boundTo(c container.InspectResponse, inside int) string {
	if c.ContainerJSONBase == nil || c.HostConfig == nil {
		return ""
	}
	for _, b := range c.HostConfig.PortBindings[tcpPort(inside)] {
		if b.HostIP != "" && b.HostPort != "" {
			return net.JoinHostPort(b.HostIP, b.HostPort)
		}
	}
	return ""
}

// misplaced reports whether a container lacks a port that it should publish, or
// publishes it on an address that the host was configured with before.
func (e *Engine) misplaced(r request, found container.InspectResponse) bool {
	return slices.ContainsFunc(r.publication.inside, func(inside int) bool {
		at, _, err := net.SplitHostPort(boundTo(found, inside))
		return err != nil || at != e.publishOn
	})
}

// portTaken is for a container that cannot start because a port is taken. One
// with ports of the host's range is made again with others; the ports that the
// desired state names are waited for.
func (e *Engine) portTaken(ctx context.Context, r request, found container.InspectResponse, cause error, avoid avoided) (again bool, err error) {
	blamed := blamedPorts(found, cause)
	owner, err := e.portOwner(ctx, blamed, found.ID)
	if err != nil {
		return false, errors.Join(cause, err)
	}
	fault := infra(reconcile.ReasonPortTaken, "port %s is taken by %s: %v", describePorts(blamed), owner, cause)
	for _, b := range blamed {
		if !slices.Contains(r.publication.inside, b.inside) || r.publication.isFixed(b.inside) {
			return false, fault
		}
	}
	if len(blamed) == 0 {
		return false, fault
	}
	for _, b := range blamed {
		avoid.ports[b.outside] = owner
	}
	e.log.Warn("published port was taken, and the container is made again with another", keyContainer, r.id.name(),
		keyPort, describePorts(blamed), keyOwner, owner, keyError, cause)
	if removing := e.discard(ctx, found.ID); removing != nil {
		return false, errors.Join(fault, removing)
	}
	return true, fault
}
