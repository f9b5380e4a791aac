package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"teal/reconcile"
	"teal/spec"
)

// adopted returns the containers of list that are on this host. One that is not
// there is left out; one that has a controller's labels is no adopted one: ours
// is seen by its labels, another's is not to be taken from it.
func (e *Engine) adopted(ctx context.Context, list []spec.Adopted) ([]reconcile.Container, error) {
	var out []reconcile.Container
	for _, wanted := range list {
		if !e.here(wanted) {
			continue
		}
		found, err := e.inspect(ctx, wanted.Container)
		if errdefs.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if found.Config.Labels[spec.LabelController] == "" {
			out = append(out, e.foreign(wanted, found))
		}
	}
	return out, nil
}

func (e *Engine) here(a spec.Adopted) bool { return a.Host == "" || a.Host == e.name }

// foreign puts an adopted container into the planner's words. Its revision is
// made of its id: it is of no revision that a desired state could name.
func (e *Engine) foreign(wanted spec.Adopted, c container.InspectResponse) reconcile.Container {
	revision := sha256.Sum256([]byte("adopted:" + c.ID))
	out := e.condition(c)
	out.Colour, out.Replica, out.Revision = wanted.Colour, 1, hex.EncodeToString(revision[:])
	out.Image, out.Address, out.Foreign = c.Config.Image, wanted.Address, true
	return out
}

// stopForeign stops a container that was there before Teal. Another
// controller's is a permanent failure.
func (e *Engine) stopForeign(ctx context.Context, id string, grace time.Duration) error {
	found, err := e.inspect(ctx, id)
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if owner := found.Config.Labels[spec.LabelController]; owner != "" && owner != e.controller {
		return permanent(reconcile.ReasonEngineRefused, "container %s is controller %s's and is not touched", id, owner)
	}
	return e.stopOurs(ctx, found.ID, grace)
}

// namesakes remembers which containers without labels belong to which apps, so
// that their events wake them.
type namesakes struct {
	mu    sync.Mutex
	names map[spec.Name][]string
}

// remember replaces what is known of an app.
func (n *namesakes) remember(app spec.Name, list []spec.Adopted) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.names, app)
	for _, a := range list {
		if n.names == nil {
			n.names = map[spec.Name][]string{}
		}
		n.names[app] = append(n.names[app], a.Container)
	}
}

// of returns the apps that a container of this name belongs to.
func (n *namesakes) of(name string) []spec.Name {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []spec.Name
	for app, names := range n.names {
		if slices.Contains(names, name) {
			out = append(out, app)
		}
	}
	return out
}
