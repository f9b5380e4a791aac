package main

import (
	"context"

	"teal/cmd/teal/internal/doctor"
	"teal/deploy/docker"
	"teal/deploy/fleet"
	"teal/deploy/fleet/ssh"
)

// examine checks every host.
func (p *placing) examine(ctx context.Context, template docker.Options) []doctor.Finding {
	d, err := p.openEngines(template, nil)
	if err != nil {
		return []doctor.Finding{{Check: "hosts", Message: err.Error(), Hint: "correct hosts in teal.yaml, or --host"}}
	}
	var hosts []doctor.Host
	for _, h := range p.hosts {
		e := d.fleet.Engine(h.Name)
		hosts = append(hosts, doctor.Host{
			Name: h.Name, URL: h.URL, Version: e.Version, System: e.LookAtSystem, Ports: e.LookAtPorts, Ingress: e.LookAtIngress,
			Space: space(h, d.fleet.SSH(h.Name)),
		})
	}
	out := doctor.Hosts(ctx, hosts)
	for _, h := range p.hosts {
		out = append(out, doctor.Room(ctx, "room for pulls on "+h.Name, d.fleet.Engine(h.Name).Room))
	}
	if err := d.Close(); err != nil {
		out = append(out, doctor.Finding{Check: "hosts", Message: err.Error(), Hint: "teal doctor, once more"})
	}
	return out
}

// space asks for the free bytes of a host's disk; nil where nobody can be asked.
func space(h fleet.Host, remote *ssh.Client) func(context.Context, string) (uint64, error) {
	look := h.Space(remote)
	if look == nil {
		return nil
	}
	return func(ctx context.Context, folder string) (uint64, error) {
		found, err := look(ctx, folder)
		return found.Free, err
	}
}
