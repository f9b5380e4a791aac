package docker

import (
	"context"
	"errors"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"teal/reconcile"
	"teal/spec"
)

// tries bounds how often one step looks again: after an address, a port or a
// name that was taken meanwhile, an image that was pruned, a call whose answer
// was lost. Another port takes two looks.
const tries = 16

// ensure makes a replica exist and run. Ours with the same revision is used as
// it is; a stranger of its name is a permanent failure and is not touched.
func (e *Engine) ensure(ctx context.Context, app spec.Name, en reconcile.Ensure) error {
	r, err := e.replicaRequest(app, en)
	if err != nil {
		return err
	}
	return e.run(ctx, r)
}

// run brings the requested container up. It ends when a look shows that it runs.
func (e *Engine) run(ctx context.Context, r request) error {
	if err := e.surroundings(ctx, r); err != nil {
		return err
	}
	avoid := newAvoided()
	var last error
	for range tries {
		found, err := e.find(ctx, r)
		if err != nil {
			return err
		}
		var again bool
		if found == nil {
			again, err = e.create(ctx, r, avoid)
		} else {
			again, err = e.bringUp(ctx, r, *found, avoid)
		}
		if !again {
			return err
		}
		if err != nil {
			last = err
		}
	}
	return fmt.Errorf("run %s: gave up after %d tries: %w", r.id.name(), tries, last)
}

// surroundings are what the container needs to be there first.
func (e *Engine) surroundings(ctx context.Context, r request) error {
	for _, n := range r.project {
		if err := e.ensureNetwork(ctx, r.id.Name.Project, n); err != nil {
			return err
		}
	}
	for _, v := range r.volumes {
		if err := e.ensureVolume(ctx, r.id.Name.Project, v); err != nil {
			return err
		}
	}
	return nil
}

// find returns the container that has the name, nil if there is none.
func (e *Engine) find(ctx context.Context, r request) (*container.InspectResponse, error) {
	found, err := e.inspect(ctx, r.id.name())
	if errdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	id, err := identify(found.Config.Labels)
	switch {
	case err != nil:
		return nil, permanent(reconcile.ReasonNameTaken, "the name %s is taken by a container that is not Teal's (%v); rename or remove it", r.id.name(), err)
	case !id.same(r.id):
		return nil, permanent(reconcile.ReasonNameTaken, "the name %s is taken by %s, revision %s, of controller %s; rename or remove it", r.id.name(), id.Name, id.Revision, id.Controller)
	}
	return &found, nil
}

// bringUp makes a container that is there run, and joins the networks that a
// creation which was cut short left out.
func (e *Engine) bringUp(ctx context.Context, r request, found container.InspectResponse, avoid avoided) (again bool, err error) {
	switch state := reconcile.ContainerState(found.State.Status); state {
	case reconcile.Removing, reconcile.Dead:
		return false, infra(reconcile.ReasonEngineUnavailable, "container %s is %s", r.id.name(), state)
	case reconcile.Running, reconcile.Restarting:
		return false, e.join(ctx, r, found)
	case reconcile.Paused:
		err := e.do(ctx, e.limits.Change, func(ctx context.Context, a dockerAPI) error { return a.ContainerUnpause(ctx, found.ID) })
		return true, err
	case reconcile.Created, reconcile.Exited:
		if e.misplaced(r, found) {
			e.log.Warn("container does not publish on the host's address and is made again", keyContainer, r.id.name(), keyAddress, e.publishOn)
			return true, e.discard(ctx, found.ID)
		}
		if err := e.join(ctx, r, found); err != nil {
			return false, err
		}
		if moved, err := e.leftBehind(ctx, r, found, avoid); moved || err != nil {
			return err == nil, err
		}
		if err := e.deliver(ctx, r, found.ID); err != nil {
			return lostAnswer(ctx, err), err
		}
		return e.start(ctx, r, found, avoid)
	}
	return false, infra(reconcile.ReasonEngineUnavailable, "container %s is %q", r.id.name(), found.State.Status)
}

// start starts a container that does not run. One whose address is taken, whose
// network is gone or that is half started cannot be mended: it is made again.
func (e *Engine) start(ctx context.Context, r request, found container.InspectResponse, avoid avoided) (again bool, err error) {
	err = e.do(ctx, e.limits.Change, func(ctx context.Context, a dockerAPI) error {
		return a.ContainerStart(ctx, found.ID, container.StartOptions{})
	})
	if err == nil {
		return false, nil
	}
	err = fmt.Errorf("start %s: %w", r.id.name(), err)
	reason, _ := said(err)
	switch {
	case reason == reconcile.ReasonPortTaken:
		return e.portTaken(ctx, r, found, err, avoid)
	case notItsOwn(err):
		return false, permanent(reconcile.ReasonEngineRefused, "%v; the host has no such address: configure one of those that it has (ip address)", err)
	case reason != reconcile.ReasonAddressTaken && !errdefs.IsNotFound(err) && !halfStarted(err, found.ID) && !foreignAddress(err):
		return lostAnswer(ctx, err), err
	}
	if a, ok := fixedTo(found.NetworkSettings.Networks[e.ingress.Name]); ok {
		avoid.addresses[a] = true
	}
	if halfStarted(err, found.ID) {
		avoid.portsOf(r, found)
	}
	e.log.Warn("container cannot start in its place and is made again", keyContainer, r.id.name(), keyError, err)
	if removing := e.discard(ctx, found.ID); removing != nil {
		return false, errors.Join(err, removing)
	}
	return true, err
}

// lostAnswer reports whether err leaves open what happened, while there is time
// to look.
func lostAnswer(ctx context.Context, err error) bool {
	return ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded)
}
