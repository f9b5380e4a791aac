package docker

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/versions"

	"teal/reconcile"
	"teal/spec"
)

// oldestAPI is what Teal speaks at least; oldestDocker is the first engine with it.
const (
	oldestAPI    = "1.41"
	oldestDocker = "20.10"
)

// publishing checks where an engine is to publish ports; the address comes back
// in the form in which the engine repeats it.
func publishing(address string, ports spec.PortRange) (string, spec.PortRange, error) {
	if ports == (spec.PortRange{}) {
		ports = DefaultPorts
	}
	if ports.From < 1 || ports.To > 65535 || ports.From > ports.To {
		return "", ports, fmt.Errorf("ports %d-%d are no range of ports", ports.From, ports.To)
	}
	if address == "" {
		return "", ports, nil
	}
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.IsUnspecified() || ip.Zone() != "" {
		return "", ports, fmt.Errorf("address %q is not the IP address of one host; give the one that the proxy reaches it at", address)
	}
	return ip.String(), ports, nil
}

// onHost says in an error which host it is about.
func (e *Engine) onHost(err error) error {
	if err == nil || e.name == "" {
		return err
	}
	return fmt.Errorf("host %s: %w", e.name, err)
}

// failed is the failure that err is, with the host's name in its message.
func (e *Engine) failed(err error) *reconcile.Failure {
	out := *failure(err)
	if e.name != "" {
		out.Message = "host " + e.name + ": " + out.Message
	}
	return &out
}

// client returns the present client, once its engine is known to be new enough.
func (e *Engine) client(ctx context.Context) (dockerAPI, error) {
	a, known, err := e.conn.get()
	if err != nil || known {
		return a, err
	}
	ctx, cancel := context.WithTimeout(ctx, e.limits.Call)
	defer cancel()
	ping, err := a.Ping(ctx)
	if err != nil {
		return nil, e.noteLoss(a, err)
	}
	return a, e.judge(a, ping)
}

// judge refuses an engine that is too old, as often as it is asked: it may be
// another one by then. One that does not tell its version is not judged.
func (e *Engine) judge(a dockerAPI, ping types.Ping) error {
	switch {
	case ping.APIVersion == "":
		return nil
	case versions.LessThan(ping.APIVersion, oldestAPI):
		return infra(reconcile.ReasonEngineUnavailable,
			"engine too old: API %s, Teal needs %s or newer; update Docker to %s or newer", ping.APIVersion, oldestAPI, oldestDocker)
	}
	a.NegotiateAPIVersionPing(ping)
	e.conn.judged(a)
	return nil
}
