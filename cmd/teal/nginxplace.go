package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"teal/deploy/fleet"
	"teal/deploy/fleet/ssh"
	"teal/deploy/proxy/nginx"
)

// nginxFolder holds, in the state folder, the files of an nginx container of this
// machine.
const nginxFolder = "nginx"

// nginxSite is what leads to the nginx that is the proxy.
type nginxSite struct {
	nginx   nginxSettings
	placing *placing
	dockers dockers
	state   string   // folder, absolute
	listen  []string // addresses that a container of Teal's own will listen on
	replace bool
	log     *slog.Logger
}

// open returns the place, and what closes the way to it.
func (s nginxSite) open() (nginx.Place, func() error, error) {
	remote, own, err := s.remote()
	if err != nil {
		return nil, nil, err
	}
	shut := func() error { return nil }
	if own { // the others are the hosts'
		shut = remote.Close
	}
	switch {
	case s.nginx.service && remote != nil:
		return nginx.OverSSH(nginx.SSHOptions{
			Remote: remote, Host: s.placing.proxyPlace(), Folder: s.nginx.folder, Config: s.nginx.config, Sudo: s.nginx.sudo, Start: s.nginx.start, Point: failpoint,
		}), shut, nil
	case s.nginx.service:
		return nginx.NewLocal(nginx.LocalOptions{Folder: s.nginx.folder, Config: s.nginx.config, Point: failpoint}), shut, nil
	case s.nginx.container != "":
		return nginx.InContainer(nginx.ContainerOptions{
			Engine: s.dockers.proxy, Name: s.nginx.container, Folder: s.nginx.folder, Host: s.placing.proxyHost, Dial: dialOf(remote),
		}), shut, nil
	}
	return s.managed(remote), shut, nil
}

// leave makes an nginx of somebody else's serve nothing of Teal's.
func (s nginxSite) leave(ctx context.Context) (err error) {
	place, shut, err := s.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shut()) }()
	return nginx.Leave(ctx, place)
}

// managed is a container of Teal's own.
func (s nginxSite) managed(remote *ssh.Client) nginx.Place {
	o := nginx.ManagedOptions{
		Engine: s.dockers.proxy, Image: s.nginx.image, Host: s.placing.proxyHost, Dial: dialOf(remote), Replace: s.replace,
		Outdated: s.outdated(), Point: failpoint,
	}
	if s.placing.proxyIsLocal() {
		o.HostFolder, o.Listen = filepath.Join(s.state, nginxFolder), s.listen
	}
	if s.nginx.snippets != "" {
		o.Mounts = map[string]string{s.nginx.snippets: s.nginx.snippets}
	}
	return nginx.Managed(o)
}

// outdated tells once of a container that has other settings than wanted.
func (s nginxSite) outdated() func(name string) {
	told := ""
	return func(name string) {
		if told != name {
			told = name
			s.log.Warn("proxy has another version or other settings and goes on", "container", name,
				"hint", "restart with --replace-proxy; connections then open are ended")
		}
	}
}

// dialOf is how the host's own addresses are reached; nil: as from here.
func dialOf(remote *ssh.Client) nginx.Dial {
	if remote == nil {
		return nil
	}
	return remote.Dial
}

// remote returns the ssh connection to the proxy's host, and whether it is for
// the proxy alone; nil if the host is reached in another way.
func (s nginxSite) remote() (client *ssh.Client, own bool, err error) {
	switch {
	case s.placing.bastion != nil:
		client, err = dialBastion(*s.placing.bastion, s.log)
		return client, err == nil, err
	case s.dockers.fleet != nil && s.placing.proxyHost != "":
		return s.dockers.fleet.SSH(s.placing.proxyHost), false, nil
	}
	return nil, false, nil
}

// dialBastion returns the connection to a host that has no Docker. It connects
// when it is first used.
func dialBastion(h fleet.Host, log *slog.Logger) (*ssh.Client, error) {
	target, _, err := ssh.ParseAddress(h.URL)
	if err != nil {
		return nil, fmt.Errorf("--proxy-host: %w", err)
	}
	o := ssh.Options{Target: target, Identities: h.Identities, KnownHosts: h.KnownHosts, Logger: log}
	for _, text := range h.Jumps {
		jump, _, err := ssh.ParseAddress(text)
		if err != nil {
			return nil, fmt.Errorf("--proxy-host: jump: %w", err)
		}
		o.Jumps = append(o.Jumps, jump)
	}
	return ssh.New(o), nil
}
