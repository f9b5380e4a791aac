package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"teal/cmd/teal/internal/config"
	"teal/deploy/fleet"
	"teal/spec"
)

// placing is where apps run: Docker hosts, and which of them has the proxy.
type placing struct {
	texts []string // NAME=URL?…, as given
	// proxyHost is the name of the proxy's host. Empty, beside hosts: this
	// machine, which has no engine, or bastion.
	proxyHost string

	hosts   []fleet.Host // as read; none: there is one host without a name
	bastion *fleet.Host  // the proxy's host, behind ssh, which is none of the hosts
}

// hostTable is how hosts stand in teal.yaml.
var hostTable = config.Table{
	Key:    "hosts",
	Fields: []string{"address", "ports", "identity", "known_hosts", "jump", "ca", "cert", "key", "insecure"},
	Paths:  []string{"identity", "known_hosts", "ca", "cert", "key"},
}

func (p *placing) flags(f *pflag.FlagSet) {
	f.StringArrayVar(&p.texts, "host", nil, "`NAME=URL?address=…` of a Docker host (unix://, tcp://, ssh://), once for each; apps that name none go to the first")
	f.StringVar(&p.proxyHost, "proxy-host", "", "`name` of the host that the proxy runs on, or ssh://USER@HOST of one without Docker (default: the only one without an address, else this machine)")
	mustMark(config.MarkTable(f, "host", hostTable))
}

// read reads the hosts and refuses what cannot work.
func (p *placing) read() error {
	p.hosts, p.bastion = nil, nil
	for _, text := range p.texts {
		name, rest, ok := strings.Cut(text, "=")
		if !ok || strings.Contains(name, "/") {
			return badInput("--host app-1=ssh://deploy@10.0.0.5?address=10.0.0.5", "--host: %q does not say NAME=URL", text)
		}
		if !spec.ValidHostName(name) {
			return badInput("", "--host: %q is not a name of a host: up to 63 letters, digits, - and ., with a letter or digit first and last", name)
		}
		if _, twice := p.host(name); twice {
			return badInput("", "--host: there are two hosts called %s", name)
		}
		h, err := fleet.ParseHost(name, rest)
		if err != nil {
			return badInput("", "--host: %v", err)
		}
		p.hosts = append(p.hosts, h)
	}
	return p.findProxyHost()
}

// host returns the host of a name.
func (p *placing) host(name string) (fleet.Host, bool) {
	i := slices.IndexFunc(p.hosts, func(h fleet.Host) bool { return h.Name == name })
	if i < 0 {
		return fleet.Host{}, false
	}
	return p.hosts[i], true
}

// findProxyHost sets the proxy's host where it was not given, and refuses hosts
// that a proxy there cannot reach.
func (p *placing) findProxyHost() error {
	if len(p.hosts) == 0 {
		if strings.Contains(p.proxyHost, "://") {
			return badInput("--host app-1=ssh://deploy@10.0.0.5?address=10.0.0.5", "--proxy-host names a machine, but there are no hosts")
		}
		if p.proxyHost != "" {
			return badInput("--host "+p.proxyHost+"=unix:///var/run/docker.sock", "--proxy-host names %s, but there are no hosts", p.proxyHost)
		}
		return nil
	}
	if strings.HasPrefix(p.proxyHost, "ssh://") {
		h, err := fleet.ParseHost("bastion", p.proxyHost)
		if err != nil {
			return badInput("", "--proxy-host: %v", err)
		}
		p.proxyHost, p.bastion = "", &h
		return p.allReached(h.URL)
	}
	if _, known := p.host(p.proxyHost); p.proxyHost != "" && !known {
		f := badInput("", "--proxy-host: there is no host %s; there are %s", p.proxyHost, strings.Join(p.names(), ", "))
		if near := nearest(p.proxyHost, p.names()); near != "" {
			f.hint = "--proxy-host " + near
		}
		return f
	}
	if p.proxyHost == "" {
		if p.proxyHost = p.likelyProxyHost(); p.proxyHost == "" && len(p.without()) > 0 {
			return badInput("--proxy-host "+p.hosts[0].Name, "which of the hosts has the proxy is not clear: %s", strings.Join(p.names(), ", "))
		}
	}
	return p.allReached(p.proxyHost)
}

// allReached refuses hosts that a proxy elsewhere cannot reach.
func (p *placing) allReached(from string) error {
	for _, name := range p.without() {
		if name != p.proxyHost {
			return badInput(fmt.Sprintf("hosts: {%s: {url: …, address: 10.0.0.5}}", name),
				"host %s has no address: the proxy is on %s and reaches apps of %s only on ports of an address", name, from, name)
		}
	}
	return nil
}

// without returns the hosts that have no address.
func (p *placing) without() []string {
	var out []string
	for _, h := range p.hosts {
		if h.Address == "" {
			out = append(out, h.Name)
		}
	}
	return out
}

// likelyProxyHost is the only host without an address; if all have one, the one
// that is this machine. Empty: it is not clear, or this machine, without Docker.
func (p *placing) likelyProxyHost() string {
	var here []string
	for _, h := range p.hosts {
		if isLocal(h) {
			here = append(here, h.Name)
		}
	}
	bare := p.without()
	switch {
	case len(bare) == 1:
		return bare[0]
	case len(bare) == 0 && len(here) == 1:
		return here[0]
	}
	return ""
}

// isLocal reports whether a host is this machine.
func isLocal(h fleet.Host) bool { return strings.HasPrefix(h.URL, "unix://") }

func (p *placing) names() []string {
	var out []string
	for _, h := range p.hosts {
		out = append(out, h.Name)
	}
	return out
}

// proxyIsLocal reports whether the proxy is on this machine.
func (p *placing) proxyIsLocal() bool {
	h, named := p.host(p.proxyHost)
	return p.bastion == nil && (!named || isLocal(h))
}

// overSSH reports whether the proxy's host is reached over ssh.
func (p *placing) overSSH() bool {
	h, named := p.host(p.proxyHost)
	return p.bastion != nil || named && strings.HasPrefix(h.URL, "ssh://")
}

// proxyHasDocker reports whether containers can be run on the proxy's host.
func (p *placing) proxyHasDocker() bool { return len(p.hosts) == 0 || p.proxyHost != "" }

// proxyPlace names the proxy's host, for people.
func (p *placing) proxyPlace() string {
	switch {
	case p.bastion != nil:
		return p.bastion.URL
	case p.proxyHost != "":
		return p.proxyHost
	}
	return "this machine"
}
