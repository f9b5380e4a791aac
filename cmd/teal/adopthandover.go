package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"teal/cmd/teal/internal/adopt"
	"teal/controller/api"
	"teal/deploy/docker"
	"teal/deploy/proxy/embedded"
	"teal/reconcile"
	"teal/spec"
)

// handOverLimit bounds the wait for the proxy after the container has ended.
const handOverLimit = time.Minute

// handOver stops the container that publishes an app's port itself, so that the
// proxy, which waits for the port, takes it; and measures how long nobody
// answered.
func (p *program) handOver(ctx context.Context, a adoption) error {
	if len(a.files) != 1 {
		return badInput("teal adopt --hand-over "+a.handOver+" -f compose.yaml", "name the file that Teal runs with -f: it says which container is the old one")
	}
	project, err := a.load(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(project.Services, func(s spec.Service) bool {
		return s.Rollout != nil && (s.Name.Service == a.handOver || s.Name.String() == a.handOver)
	})
	if i < 0 {
		return badInput("", "there is no app %q in %s", a.handOver, a.files[0])
	}
	app := project.Services[i]
	if len(app.Adopt) == 0 {
		return badInput("", "%s takes over no container: it has no x-teal-adopt", app.Name)
	}
	if err := p.ready(ctx, app.Name); err != nil {
		return err
	}
	d, err := a.openHosts()
	if err != nil {
		return err
	}
	err = p.handOverPort(ctx, d, app)
	return errors.Join(err, d.Close())
}

// ready refuses to stop the old container unless Teal's own serve, and the
// proxy answers.
func (p *program) ready(ctx context.Context, app spec.Name) error {
	client := api.Dial(p.socketPath())
	defer client.Close()
	s, err := find(ctx, client, app.String())
	if err != nil {
		return err
	}
	own := slices.ContainsFunc(s.Colours, func(c reconcile.ColourStatus) bool {
		return !c.Adopted && c.Weight == 100 && c.Ready > 0 && c.Ready >= c.Replicas
	})
	if !own {
		return &failure{code: exitFailed, message: fmt.Sprintf("%s is not served by containers of Teal yet, so its old one goes on: %s", app, s.Synced.Message), hint: "teal promote " + app.String()}
	}
	state, err := filepath.Abs(p.statePath())
	if err != nil {
		return fmt.Errorf("find the state folder: %w", err)
	}
	if _, err := embedded.NewClient(filepath.Join(state, proxyFolder, adminSocket)).Read(ctx); err != nil && !errors.Is(err, embedded.ErrDamaged) {
		return &failure{code: exitFailed, message: "the proxy does not answer, so the old container goes on: " + err.Error(), hint: "teal doctor"}
	}
	return nil
}

// handOverPort finds the old container's port, stops it and measures.
func (p *program) handOverPort(ctx context.Context, d dockers, app spec.Service) error {
	engine, old := d.proxy, app.Adopt[0]
	if d.fleet != nil && old.Host != "" {
		engine = d.fleet.Engine(old.Host)
	}
	found, err := engine.Strangers(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(found, func(s docker.Stranger) bool { return s.Name == old.Container })
	if i < 0 || found[i].State != reconcile.Running {
		return badInput("teal status "+app.Name.String(), "the old container %s does not run any more: there is nothing to hand over", old.Container)
	}
	if len(found[i].Published) == 0 {
		return badInput("docker stop "+old.Container, "the old container %s publishes no port: nothing needs to be handed over", old.Container)
	}
	limited, cancel := context.WithTimeout(ctx, app.Container.StopGracePeriod.D()+handOverLimit)
	defer cancel()
	url, host := address(found[i], app)
	gap, err := adopt.Watch(limited, url, host, func(ctx context.Context) error {
		out := engine.Perform(ctx, reconcile.Step{
			Kind: reconcile.StepStop, App: app.Name, Container: found[i].ID, Label: old.Container, Grace: app.Container.StopGracePeriod, Host: old.Host, Foreign: true,
		})
		if out.Failure != nil {
			return out.Failure
		}
		return nil
	})
	if err != nil {
		return &failure{
			code: exitFailed, message: fmt.Sprintf("after %d requests, %s is not answered: %v", gap.Asked, url, err),
			hint: "docker start " + old.Container + " gives the port back, if the proxy does not have it",
		}
	}
	return p.print(fmt.Sprintf("%s  %s was stopped, and the proxy has its port\nnobody answered for %s: %d of %d new connections in all were lost\n",
		app.Name, old.Container, milliseconds(gap.Lost), gap.Tries, gap.Asked))
}

// address is where clients of this machine reach the container.
func address(s docker.Stranger, app spec.Service) (url, host string) {
	port := s.Published[0]
	for _, p := range s.Published {
		if p.Inside == app.Rollout.Route.Port {
			port = p
			break
		}
	}
	at := port.HostIP
	if ip := net.ParseIP(at); ip == nil || ip.IsUnspecified() {
		at = "127.0.0.1"
	}
	if app.Rollout.Route.Host != "*" {
		host = app.Rollout.Route.Host
	}
	return "http://" + net.JoinHostPort(at, strconv.Itoa(port.Port)) + app.Rollout.Route.Path, host
}

func milliseconds(d time.Duration) string {
	return strconv.FormatInt(d.Round(time.Millisecond).Milliseconds(), 10) + " ms"
}
