package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"teal/reconcile"
	"teal/spec"
)

// ProxySpec describes the container that carries the traffic. It is apart from
// the controller, so that traffic does not depend on it.
type ProxySpec struct {
	// Binary is the path of a static Linux program, usually the running one
	// (os.Executable); the image holds it alone.
	Binary string
	// Args are the program's arguments: "proxy", "--state", StateDir, ….
	Args []string
	Env  map[string]string
	// StateDir is an absolute folder of the host, mounted at the same path. The
	// program runs as the folder's owner unless a port below 1024 needs root.
	StateDir string
	// Listen are the addresses that the program will listen on, as host:port.
	// They are only looked at: to find out early that another has them.
	Listen []string
	// Await starts it although another program has them: it waits for them.
	Await bool
	// Grace is how long the program may take to end. 0: 10 s.
	Grace time.Duration
	// Replace stops a running proxy that is outdated and starts the new one. With
	// Serving it means nothing.
	Replace bool
	// Serving asks which proxy of StateDir serves, by its ProxyInstance. Where it
	// is set, an outdated proxy is replaced without a gap: its successor is started
	// beside it and takes over, and only then the old one is told to end.
	Serving func(ctx context.Context) (instance string, err error)
	// Wait leaves an outdated proxy as it is for now.
	Wait bool
}

// ProxyState is what EnsureProxy found or made.
type ProxyState struct {
	Container string // the engine's id
	Name      string
	Image     string
	// Outdated: it runs, from another image or with other arguments than wanted,
	// and goes on serving until it is replaced.
	Outdated bool
	Started  bool // this call started it
	// Refused is why a successor could not take over from it. It was removed again.
	Refused error
}

// proxyName is the name of a controller's proxy.
func (e *Engine) proxyName() string { return "teal-proxy-" + e.controller }

// EnsureProxy makes the proxy's container exist and run. It may be repeated. A
// proxy that runs is never stopped unless it is outdated and Replace is set. A
// port that another program has, and a proxy that keeps exiting, are errors
// that say so; a stranger's container of its name is a [reconcile.Failure].
func (e *Engine) EnsureProxy(ctx context.Context, want ProxySpec) (ProxyState, error) {
	state, err := e.ensureProxy(ctx, want)
	return state, e.onHost(err)
}

func (e *Engine) ensureProxy(ctx context.Context, want ProxySpec) (ProxyState, error) {
	image, err := e.proxyImage(ctx, want.Binary)
	if err != nil {
		return ProxyState{}, fmt.Errorf("proxy image: %w", err)
	}
	config, host, err := e.proxyRequest(image, want)
	if err != nil {
		return ProxyState{}, err
	}
	for range tries {
		state := ProxyState{Name: e.proxyName(), Image: image}
		all, err := e.ownProxies(ctx, config.Labels[labelProxy])
		if err != nil {
			return state, err
		}
		if want.Serving != nil && all.rivals() && !want.Wait {
			done, err := e.succeed(ctx, want, proxyCreate{config, host}, all, &state)
			if done || err != nil {
				return state, err
			}
			continue
		}
		state.Name = all.name(state.Name)
		found, err := e.inspect(ctx, state.Name)
		if errdefs.IsNotFound(err) {
			if err := e.createProxy(ctx, want, state.Name, config, host); err != nil {
				return state, err
			}
			continue
		}
		if err != nil {
			return state, err
		}
		if done, err := e.settleProxy(ctx, want, config, found, &state); done || err != nil {
			return state, errors.Join(err, e.discardEnded(ctx, all, found.ID))
		}
	}
	return ProxyState{}, fmt.Errorf("proxy %s: gave up after %d tries", e.proxyName(), tries)
}

// settleProxy moves a found proxy one step towards what is wanted.
func (e *Engine) settleProxy(ctx context.Context, want ProxySpec, config *container.Config, found container.InspectResponse, state *ProxyState) (done bool, err error) {
	labels := found.Config.Labels
	if labels[spec.LabelController] != e.controller || labels[spec.LabelRole] != spec.RoleProxy {
		return true, permanent(reconcile.ReasonNameTaken, "the name %s is taken by a container that is not this controller's proxy; rename or remove it", state.Name)
	}
	state.Container = found.ID
	outdated := labels[labelProxy] != config.Labels[labelProxy]
	switch reconcile.ContainerState(found.State.Status) {
	case reconcile.Running:
		if outdated && want.Replace && want.Serving == nil {
			return false, e.removeProxy(ctx, found.ID, want.Grace)
		}
		state.Outdated = outdated
		return true, nil
	case reconcile.Restarting:
		if outdated {
			return false, e.removeProxy(ctx, found.ID, want.Grace)
		}
		return true, fmt.Errorf("proxy %s keeps exiting (status %d, %d restarts): %s",
			state.Name, found.State.ExitCode, found.RestartCount, strings.Join(e.lastWords(ctx, found.ID), " | "))
	case reconcile.Paused:
		return false, e.do(ctx, e.limits.Change, func(ctx context.Context, a dockerAPI) error { return a.ContainerUnpause(ctx, found.ID) })
	case reconcile.Created, reconcile.Exited:
		if outdated {
			return false, e.discard(ctx, found.ID)
		}
		return true, e.startProxy(ctx, want, found.ID, state)
	case reconcile.Removing, reconcile.Dead:
		return false, e.discard(ctx, found.ID)
	}
	return true, fmt.Errorf("proxy %s is %q", state.Name, found.State.Status)
}

// startProxy looks first whether the ports are free: with host networking the
// engine does not, and the proxy would only exit.
func (e *Engine) startProxy(ctx context.Context, want ProxySpec, id string, state *ProxyState) error {
	if !want.Await {
		if err := portsFree(ctx, want.Listen); err != nil {
			return err
		}
	}
	err := e.do(ctx, e.limits.Change, func(ctx context.Context, a dockerAPI) error {
		return a.ContainerStart(ctx, id, container.StartOptions{})
	})
	if err != nil {
		return fmt.Errorf("start proxy %s: %w", state.Name, err)
	}
	state.Started = true
	e.log.Info("proxy was started", keyContainer, state.Name, keyImage, state.Image)
	return nil
}

func (e *Engine) removeProxy(ctx context.Context, id string, grace time.Duration) error {
	if grace <= 0 {
		grace = 10 * time.Second
	}
	return e.remove(ctx, id, grace)
}

// createProxy takes a name that was taken meanwhile, and an image that was just
// removed as unused and is made again, as done: the next look tells.
func (e *Engine) createProxy(ctx context.Context, want ProxySpec, name string, config *container.Config, host *container.HostConfig) error {
	err := e.do(ctx, e.limits.Change, func(ctx context.Context, a dockerAPI) error {
		_, err := a.ContainerCreate(ctx, config, host, nil, nil, name)
		return err
	})
	if errdefs.IsNotFound(err) {
		_, err = e.proxyImage(ctx, want.Binary)
	}
	if err != nil && !errdefs.IsConflict(err) {
		return fmt.Errorf("create proxy %s: %w", name, err)
	}
	return nil
}

// lastWords are the last lines a container wrote, few enough for one message.
func (e *Engine) lastWords(ctx context.Context, id string) []string {
	lines := e.lastLines(ctx, id)
	return lines[max(0, len(lines)-3):]
}
