package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"teal/cmd/teal/internal/adopt"
	"teal/deploy/docker"
	"teal/reconcile"
)

// mostInput bounds what is read from the input, in bytes.
const mostInput = 16 << 20

// site reads all that there is today.
func (p *program) site(ctx context.Context, a *adoption) (adopt.Site, error) {
	var s adopt.Site
	var err error
	if s.Options, err = a.options(); err != nil {
		return s, err
	}
	if len(s.Options.Files) == 0 {
		if s.Options.Files, err = discovered(s.Options.Dir); err != nil {
			return s, err
		}
	}
	if s.Text, err = os.ReadFile(s.Options.Files[0]); err != nil {
		return s, badInput("-f docker-compose.yml", "read Compose file: %v", err)
	}
	d, err := a.openHosts()
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if s.Running, err = a.strangers(ctx, d); err != nil {
		return s, err
	}
	for _, h := range a.placing.hosts {
		s.Hosts = append(s.Hosts, adopt.Host{Name: h.Name, Address: h.Address})
	}
	if s.Nginx, err = p.readNginx(ctx, a, d); s.Nginx != nil {
		s.Nginx.Leave(a.folder)
	}
	return s, err
}

// discovered is the file that docker compose takes by itself.
func discovered(dir string) ([]string, error) {
	for _, name := range []string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"} {
		file := filepath.Join(dir, name)
		if _, err := os.Stat(file); err == nil {
			return []string{file}, nil
		}
	}
	return nil, badInput("-f docker-compose.yml", "there is no Compose file in %s", dir)
}

// strangers lists the containers of every host.
func (a *adoption) strangers(ctx context.Context, d dockers) ([]adopt.Container, error) {
	if d.fleet == nil {
		list, err := d.proxy.Strangers(ctx)
		return onHost("", list), err
	}
	var out []adopt.Container
	for _, h := range a.placing.hosts {
		list, err := d.fleet.Engine(h.Name).Strangers(ctx)
		if err != nil {
			return nil, fmt.Errorf("host %s: %w", h.Name, err)
		}
		out = append(out, onHost(h.Name, list)...)
	}
	return out, nil
}

func onHost(host string, list []docker.Stranger) []adopt.Container {
	var out []adopt.Container
	for _, s := range list {
		c := adopt.Container{
			Name: s.Name, Host: host, Project: s.Project, Service: s.Service, Image: s.Image,
			Running: s.State == reconcile.Running, Addresses: s.Addresses,
		}
		if s.HostNetwork {
			c.Addresses = []string{"127.0.0.1"}
		}
		for _, p := range s.Published {
			c.Ports = append(c.Ports, adopt.Port{HostIP: p.HostIP, Host: p.Port, Inside: p.Inside})
		}
		out = append(out, c)
	}
	return out
}

// readNginx reads where nginx points, if it was named.
func (p *program) readNginx(ctx context.Context, a *adoption, d dockers) (*adopt.Nginx, error) {
	switch {
	case a.container != "":
		if d.proxy == nil {
			return nil, badInput("--nginx FILE with what nginx -T prints there", "the proxy's host has no Docker that --nginx-container could be found by")
		}
		out, status, err := d.proxy.Exec(ctx, a.container, "nginx", "-T")
		if err != nil {
			return nil, fmt.Errorf("ask nginx for its configuration: %w", err)
		}
		if status != 0 {
			return nil, badInput("correct it first", "nginx in %s refuses its own configuration: %s", a.container, strings.TrimSpace(out))
		}
		return nginxText("container "+a.container, out)
	case a.nginx == "-":
		text, err := io.ReadAll(io.LimitReader(p.Stdin, mostInput))
		if err != nil {
			return nil, fmt.Errorf("read nginx's configuration: %w", err)
		}
		return nginxText("the input", string(text))
	case a.nginx != "":
		n, err := adopt.ReadNginx(a.nginx)
		if err != nil {
			return nil, badInput("--nginx /etc/nginx/nginx.conf", "nginx's configuration: %v", err)
		}
		return n, nil
	}
	return nil, nil //nolint:nilnil // nothing was named, and nothing is known
}

func nginxText(name, text string) (*adopt.Nginx, error) {
	n, err := adopt.ParseNginx(name, text, func(string) ([]adopt.File, error) { return nil, nil })
	if err != nil {
		return nil, badInput("show it what nginx -T prints", "nginx's configuration: %v", err)
	}
	return n, nil
}

// runNginx runs this host's nginx.
func runNginx(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "nginx", args...).CombinedOutput()
	return string(out), err
}

// editNginx leads this host's nginx through Teal's files, and tells what it did.
func (p *program) editNginx(ctx context.Context, s adopt.Switch) error {
	done, err := s.Make(ctx)
	if err != nil {
		return err
	}
	out := ""
	for _, c := range done.Changed {
		out += c + "\n"
	}
	for _, b := range done.Backups {
		out += "before: " + b + "\n"
	}
	if len(done.Changed) > 0 {
		out += "nginx was tested and reloaded once; the way back: put the files back, nginx -t && nginx -s reload\n"
	}
	if done.Lingers {
		out += "its old workers still take connections: nginx's error log says why the new configuration was not loaded\n"
	}
	if len(done.Changed) == 0 && len(done.Waiting) > 0 {
		return &failure{
			code:    exitFailed,
			message: fmt.Sprintf("nothing was changed: the file of %s is not in %s yet", strings.Join(done.Waiting, ", "), s.Folder),
			hint:    "start teal run, wait until teal status shows the old colour with 100 %, and type this again",
		}
	}
	for _, app := range done.Waiting {
		out += fmt.Sprintf("%s: its file is not in %s yet; start teal run, wait until teal status shows the old colour with 100 %%, and type this again\n", app, s.Folder)
	}
	if out == "" {
		out = "nginx goes through Teal already; nothing was changed\n"
	}
	return p.print(out)
}
