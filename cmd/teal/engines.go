package main

import (
	"context"
	"errors"
	"sync"

	"teal/controller"
	"teal/controller/api"
	"teal/deploy/docker"
	"teal/deploy/fleet"
	"teal/reconcile"
)

// engines is the Docker side of a run: one engine, or several hosts as one.
type engines interface {
	controller.Engine
	controller.ImageHost
	Health(ctx context.Context, id string) (status reconcile.EngineHealth, output string, err error)
	Version(ctx context.Context) (version, api string, err error)
	Close() error
}

// dockers are the engines of a run, and the one of the proxy's host.
type dockers struct {
	engines
	fleet *fleet.Fleet   // nil: there is one host, without a name
	proxy *docker.Engine // nil: the proxy's host has none
}

// openEngines opens the engine, or all hosts. report is told when one of
// several is lost or is back.
func (p *placing) openEngines(template docker.Options, report func(host string, err error)) (dockers, error) {
	if len(p.hosts) == 0 {
		if askable(template.Host) {
			template.Space = docker.LocalSpace
		}
		engine, err := docker.New(template)
		return dockers{engines: engine, proxy: engine}, err
	}
	f, err := fleet.New(fleet.Options{Hosts: p.hosts, Engine: template, ProxyHost: p.proxyHost, Report: report, Logger: template.Logger})
	if err != nil {
		return dockers{}, err
	}
	return dockers{engines: f, fleet: f, proxy: f.Engine(p.proxyHost)}, nil
}

// registry is the engine whose way registries are asked.
func (d dockers) registry(hosts []fleet.Host) *docker.Engine {
	if d.fleet == nil {
		return d.proxy
	}
	return d.fleet.Engine(hosts[0].Name)
}

// status describes the hosts for the controller; nil while there is one without
// a name.
func (d dockers) status() func(context.Context) []api.HostStatus {
	if d.fleet == nil {
		return nil
	}
	return func(ctx context.Context) []api.HostStatus {
		var out []api.HostStatus
		for _, h := range d.fleet.Hosts(ctx) {
			s := api.HostStatus{Name: h.Name, URL: h.URL, Address: h.Address, Engine: h.Version, EngineAPI: h.API}
			s.Answers = reconcile.Condition{OK: h.OK, Message: h.Words}
			if !h.OK {
				s.Answers.Reason = reconcile.ReasonHostAway
			}
			out = append(out, s)
		}
		return out
	}
}

// removeAll removes everything of a controller from every host. A host that
// does not answer keeps what it has, and is in the error.
func (p *placing) removeAll(ctx context.Context, d dockers, volumes bool) error {
	if d.fleet == nil {
		return d.proxy.RemoveAll(ctx, volumes)
	}
	errs := make([]error, len(p.hosts))
	var all sync.WaitGroup
	for i, h := range p.hosts {
		all.Go(func() {
			errs[i] = d.fleet.Engine(h.Name).RemoveAll(ctx, volumes)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
