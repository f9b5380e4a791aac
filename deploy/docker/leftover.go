package docker

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
)

// An engine that is killed while it starts a container leaves a process behind
// that it knows nothing of afterwards, with the container's network interface.
// It gives the address to another container, and both answer there: the new one
// is reached now and then. So an address is asked for an answer while its
// container does not run yet, and one that answers is left alone.

// answerTime is what an interface on a bridge of this machine gets for an answer;
// it takes less than a millisecond.
const answerTime = 150 * time.Millisecond

// mostAsked bounds how many addresses are asked for in one step: should
// something answer everywhere (a firewall), the one after them is taken.
const mostAsked = 8

// held reports whether a process that the engine does not know of has address:
// whether anything answers there, be it that nobody listens. The container of
// the address must not run. It is asked once in a step. Where the network is not
// one of this machine's interfaces nobody can tell, and the answer is no.
func (e *Engine) held(ctx context.Context, address netip.Addr, port int, avoid avoided) bool {
	if held, asked := avoid.asked[address]; asked {
		return held
	}
	held := len(avoid.asked) < mostAsked && onLink(address) && answers(ctx, address, port)
	avoid.asked[address] = held
	return held
}

// answers reports whether a network interface has address, by what becomes of a
// connection to it.
func answers(ctx context.Context, address netip.Addr, port int) bool {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(address.String(), strconv.Itoa(port)))
	if err == nil {
		_ = conn.Close() // nothing was sent
	}
	return err == nil || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET)
}

// onLink reports whether one of this machine's interfaces, other than the
// loopback, is in a network with address.
func onLink(address netip.Addr) bool {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range all {
		p, err := netip.ParsePrefix(a.String())
		if err == nil && !p.Addr().IsLoopback() && p.Addr() != address && p.Contains(address) {
			return true
		}
	}
	return false
}

// askBeside asks for the address of a container while it is made; the returned
// function waits for the end of that.
func (e *Engine) askBeside(ctx context.Context, r request, n *network.NetworkingConfig, avoid avoided) (wait func()) {
	if n == nil {
		return func() {}
	}
	address, ok := fixedTo(n.EndpointsConfig[e.ingress.Name])
	if !ok {
		return func() {}
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		e.held(ctx, address, r.id.Port, avoid)
	}()
	return func() { <-ended }
}

// leftBehind gives up the place of a container that does not run if a process
// that the engine forgot has its address: it is made again elsewhere.
func (e *Engine) leftBehind(ctx context.Context, r request, found container.InspectResponse, avoid avoided) (moved bool, err error) {
	address, ok := fixedTo(found.NetworkSettings.Networks[e.ingress.Name])
	if !ok || !e.held(ctx, address, r.id.Port, avoid) {
		return false, nil
	}
	now, err := e.inspect(ctx, found.ID)
	if err != nil || now.State.Running || now.State.Restarting {
		return err == nil, err // it was started meanwhile: the next look tells
	}
	e.log.Warn("address was held by a process that the engine does not know of, and the container is made again with another",
		keyContainer, r.id.name(), keyAddress, address.String())
	avoid.addresses[address] = true
	return true, e.discard(ctx, found.ID)
}

// fixedTo is the address that an endpoint was made with.
func fixedTo(endpoint *network.EndpointSettings) (netip.Addr, bool) {
	if endpoint == nil || endpoint.IPAMConfig == nil {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(endpoint.IPAMConfig.IPv4Address)
	return a, err == nil
}
