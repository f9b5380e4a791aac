package docker

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
)

// create makes the container with its first network. again says that a look
// will show what to do next; so it does after a success.
func (e *Engine) create(ctx context.Context, r request, avoid avoided) (again bool, err error) {
	err = e.createOnce(ctx, r, avoid)
	switch {
	case err == nil, errdefs.IsConflict(err):
		return true, err
	case errdefs.IsNotFound(err):
		// The image was pruned since it was pulled; pull says so if it cannot be had.
		if pulling := e.pull(ctx, r.id.Name, r.image); pulling != nil {
			return false, pulling
		}
		return true, err
	}
	return lostAnswer(ctx, err), err
}

// createOnce holds the slots from the choice of address and ports until they
// are taken.
func (e *Engine) createOnce(ctx context.Context, r request, avoid avoided) error {
	if r.id.Port != 0 {
		e.slots.Lock()
		defer e.slots.Unlock()
	}
	if err := checkRequest(e.policy(r.id.Name.Project), r.host); err != nil {
		return err
	}
	if err := e.publish(ctx, r, avoid); err != nil {
		return err
	}
	networks, err := e.firstEndpoint(ctx, r, avoid)
	if err != nil {
		return err
	}
	defer e.askBeside(ctx, r, networks, avoid)()
	err = e.do(ctx, e.limits.Change, func(ctx context.Context, a dockerAPI) error {
		_, err := a.ContainerCreate(ctx, r.config, r.host, networks, nil, r.id.name())
		return err
	})
	if err != nil {
		return fmt.Errorf("create %s: %w", r.id.name(), err)
	}
	return nil
}

// firstEndpoint is how the container joins its first network.
func (e *Engine) firstEndpoint(ctx context.Context, r request, avoid avoided) (*network.NetworkingConfig, error) {
	var endpoint *network.EndpointSettings
	switch {
	case e.onIngress(r):
		address, err := e.freeAddress(ctx, r.id, avoid.addresses)
		if err != nil {
			return nil, err
		}
		endpoint = fixed(address)
	case len(r.project) > 0:
		endpoint = r.endpoint(r.leadingOut())
	default:
		return nil, nil
	}
	return &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{string(r.host.NetworkMode): endpoint}}, nil
}

func fixed(a netip.Addr) *network.EndpointSettings {
	return &network.EndpointSettings{IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: a.String()}}
}

// join connects the container to every network it should be on and is not.
func (e *Engine) join(ctx context.Context, r request, found container.InspectResponse) error {
	if e.onIngress(r) && boundTo(found, r.id.Port) == "" && found.NetworkSettings.Networks[e.ingress.Name] == nil {
		if err := e.joinIngress(ctx, r, found.ID); err != nil {
			return err
		}
	}
	for _, n := range r.project {
		if found.NetworkSettings.Networks[n.Name] != nil {
			continue
		}
		if err := e.connect(ctx, n.Name, found.ID, r.endpoint(n)); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) joinIngress(ctx context.Context, r request, id string) error {
	e.slots.Lock()
	defer e.slots.Unlock()
	address, err := e.freeAddress(ctx, r.id, nil)
	if err != nil {
		return err
	}
	return e.connect(ctx, e.ingress.Name, id, fixed(address))
}

func (e *Engine) connect(ctx context.Context, name, id string, endpoint *network.EndpointSettings) error {
	err := e.do(ctx, e.limits.Change, func(ctx context.Context, a dockerAPI) error {
		return a.NetworkConnect(ctx, name, id, endpoint)
	})
	if err != nil {
		return fmt.Errorf("connect to %s: %w", name, err)
	}
	return nil
}
