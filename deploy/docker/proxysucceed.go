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

// succeedTime is what a successor has to take over; the proxy gives it as long.
const succeedTime = 30 * time.Second

// proxies are this controller's proxies: one, but for a while after an upgrade.
type proxies struct {
	wanted *proxySummary // nil: there is none yet
	others []proxySummary
}

type proxySummary struct {
	id, name string
	state    reconcile.ContainerState
}

// proxyCreate is the request for the wanted one.
type proxyCreate struct {
	config *container.Config
	host   *container.HostConfig
}

// ownProxies finds them; print is the fingerprint of the wanted one.
func (e *Engine) ownProxies(ctx context.Context, print string) (proxies, error) {
	by := e.byController()
	by.Add("label", spec.LabelRole+"="+spec.RoleProxy)
	by.Add("label", labelProxy)
	list, err := ask(ctx, e, e.limits.Call, func(ctx context.Context, a dockerAPI) ([]container.Summary, error) {
		return a.ContainerList(ctx, container.ListOptions{All: true, Filters: by})
	})
	if err != nil {
		return proxies{}, fmt.Errorf("list proxies: %w", err)
	}
	var out proxies
	for _, c := range list {
		s := proxySummary{id: c.ID, name: c.ID, state: reconcile.ContainerState(c.State)}
		if len(c.Names) > 0 {
			s.name = strings.TrimPrefix(c.Names[0], "/")
		}
		if c.Labels[labelProxy] == print && out.wanted == nil {
			out.wanted = &s
		} else {
			out.others = append(out.others, s)
		}
	}
	return out, nil
}

// rivals reports whether another proxy than the wanted one runs.
func (p proxies) rivals() bool {
	for _, o := range p.others {
		if o.state == reconcile.Running {
			return true
		}
	}
	return false
}

// name is that of the proxy to settle: the wanted one, else one that runs, else
// any; preset if there is none.
func (p proxies) name(preset string) string {
	if p.wanted != nil {
		return p.wanted.name
	}
	for i, o := range p.others {
		if o.state == reconcile.Running || i == 0 {
			preset = o.name
		}
	}
	return preset
}

// discardEnded removes proxies that have handed over and ended.
func (e *Engine) discardEnded(ctx context.Context, all proxies, but string) error {
	removed := false
	for _, o := range all.others {
		if o.id == but || (o.state != reconcile.Exited && o.state != reconcile.Created && o.state != reconcile.Dead) {
			continue
		}
		if err := e.discard(ctx, o.id); err != nil {
			return err
		}
		removed = true
		e.log.Info("proxy that had handed over was removed", keyContainer, o.name)
	}
	if !removed {
		return nil
	}
	return e.removeProxyImages(ctx)
}

// succeed moves an upgrade one step on: the wanted proxy is made and started
// beside the one that runs, takes over its listeners, and the other one is told
// to end, for which it may take the time it needs. It may be given up and begun
// again anywhere: who serves is asked, not remembered.
func (e *Engine) succeed(ctx context.Context, want ProxySpec, create proxyCreate, all proxies, state *ProxyState) (done bool, err error) {
	if all.wanted == nil {
		name := e.proxyName() + "-" + create.config.Labels[labelProxy][:8]
		return false, e.createProxy(ctx, want, name, create.config, create.host)
	}
	state.Container, state.Name = all.wanted.id, all.wanted.name
	switch all.wanted.state {
	case reconcile.Running, reconcile.Restarting:
	case reconcile.Created, reconcile.Exited:
		err := e.do(ctx, e.limits.Change, func(ctx context.Context, a dockerAPI) error {
			return a.ContainerStart(ctx, all.wanted.id, container.StartOptions{})
		})
		if err != nil {
			return true, e.refuse(ctx, all, state, fmt.Errorf("start proxy %s: %w", state.Name, err))
		}
		state.Started = true
	case reconcile.Paused, reconcile.Removing, reconcile.Dead:
		return false, e.remove(ctx, all.wanted.id, 0)
	}
	if err := awaitServing(ctx, want, create.config.Labels[labelProxy]); err != nil {
		return true, e.refuse(ctx, all, state, err)
	}
	for _, o := range all.others {
		if o.state != reconcile.Running {
			continue
		}
		// It ends when nothing is in flight there any more, and is not started again.
		err := e.do(ctx, e.limits.Call, func(ctx context.Context, a dockerAPI) error { return a.ContainerKill(ctx, o.id, "SIGTERM") })
		if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
			return true, fmt.Errorf("end proxy %s, which has handed over: %w", o.name, err)
		}
		if state.Started {
			e.log.Info("proxy was replaced, and ends when nothing is in flight in it", keyContainer, o.name, "successor", state.Name)
		}
	}
	return true, e.discardEnded(ctx, all, all.wanted.id)
}

// awaitServing waits until the successor says that it serves.
func awaitServing(ctx context.Context, want ProxySpec, instance string) error {
	limited, cancel := context.WithTimeout(ctx, succeedTime)
	defer cancel()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		serving, err := want.Serving(limited)
		if err == nil && serving == instance {
			return nil
		}
		select {
		case <-limited.Done():
			if err == nil {
				err = errors.New("another one serves")
			}
			return fmt.Errorf("it did not take over within %s: %w", succeedTime, err)
		case <-tick.C:
		}
	}
}

// refuse removes a successor that failed; the proxy before goes on, so that is
// no error. If it was only the controller that had to stop, it stays.
func (e *Engine) refuse(ctx context.Context, all proxies, state *ProxyState, why error) error {
	if ctx.Err() != nil {
		return why
	}
	words := e.lastWords(ctx, all.wanted.id)
	if err := e.remove(ctx, all.wanted.id, 10*time.Second); err != nil {
		return fmt.Errorf("remove proxy %s, which could not take over (%w): %w", state.Name, why, err)
	}
	for _, o := range all.others {
		if o.state == reconcile.Running {
			state.Container, state.Name = o.id, o.name
		}
	}
	state.Outdated, state.Started = true, false
	state.Refused = fmt.Errorf("%w: %s", why, strings.Join(words, " | "))
	return nil
}
