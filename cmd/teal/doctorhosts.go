package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

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
	if err := d.Close(); err != nil {
		out = append(out, doctor.Finding{Check: "hosts", Message: err.Error(), Hint: "teal doctor, once more"})
	}
	return out
}

// space returns what asks for the free bytes of a host's disk: the disk of this
// machine, or df behind ssh; nil where nobody can be asked.
func space(h fleet.Host, remote *ssh.Client) func(context.Context, string) (uint64, error) {
	if isLocal(h) {
		return func(_ context.Context, folder string) (uint64, error) { return doctor.Free(folder) }
	}
	if remote == nil {
		return nil
	}
	return func(ctx context.Context, folder string) (uint64, error) {
		out, _, err := remote.Run(ctx, "df -P -k '"+strings.ReplaceAll(folder, "'", `'\''`)+"'", nil)
		if err != nil {
			return 0, fmt.Errorf("df: %w", err)
		}
		return available(string(out))
	}
}

// available reads the free bytes from what df -P -k wrote: a headline, then
// device, size, used and available in KiB, share, folder.
func available(text string) (uint64, error) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	fields := strings.Fields(lines[len(lines)-1])
	if len(lines) < 2 || len(fields) < 6 {
		return 0, fmt.Errorf("df wrote %q", text)
	}
	kib, err := strconv.ParseUint(fields[3], 10, 53)
	if err != nil {
		return 0, fmt.Errorf("df wrote %q", text)
	}
	return kib << 10, nil
}
