package crash

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"teal/deploy/docker/dockertest"
	"teal/deploy/rig"
	"teal/deploy/workbench"
)

// hosts are machines beside this one: a and b have engines, which are reached
// over ssh and TLS, and all images; bastion has sshd and nginx.
type hosts struct {
	a, b, bastion *rig.Host
	engines       []engine
	nginx         string // reference of the image on a
}

// startHosts starts them; they end with the test.
func (k *kit) startHosts() {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), limit)
	defer cancel()
	r, err := rig.New(ctx, rig.Options{Name: "crash-" + dockertest.Unique()})
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			k.t.Error(err)
		}
	})
	host := func(name string, opts rig.HostOptions) *rig.Host {
		h, err := r.Host(ctx, name, opts)
		if err != nil {
			k.t.Fatal(err)
		}
		if opts.Docker {
			b := opened(k.t, func(ctx context.Context) (*workbench.Bench, error) { return workbench.OpenAt(ctx, h.URL()) })
			k.hosts.engines = append(k.hosts.engines, engine{name, b})
		}
		return h
	}
	k.hosts = &hosts{}
	k.hosts.a = host("a", rig.HostOptions{Docker: true, SSH: true})
	k.hosts.b = host("b", rig.HostOptions{Docker: true, TLS: true})
	k.hosts.bastion = host("bastion", rig.HostOptions{SSH: true})
	if err := k.share(ctx); err != nil {
		k.t.Fatal(err)
	}
	k.hosts.nginx = k.nginxImage(k.hosts.engines[0].bench)
}

// share gives a and b the images of this machine, by the same names.
func (k *kit) share(ctx context.Context) error {
	binary, err := os.ReadFile(dockertest.Binary(k.t))
	if err != nil {
		return err
	}
	for name, ref := range k.images {
		err := k.hosts.engines[0].bench.Make(ctx, workbench.Image{Ref: ref, For: "crash", Binary: binary, Env: variants[name]})
		if err != nil {
			return err
		}
	}
	return k.hosts.a.Share(ctx, k.hosts.b, slices.Collect(maps.Values(k.images))...)
}

// portsEach is how many ports a cell has on each host.
const portsEach = 20

// openTwoHosts has the apps on a and b, and the proxy on this machine.
func openTwoHosts(_ context.Context, c *cell) error {
	c.args = append(c.args, "--host", "edge="+cmp.Or(os.Getenv("DOCKER_HOST"), "unix:///var/run/docker.sock"))
	c.onHosts()
	return nil
}

// onHosts has the apps on a and b, with a replica on each.
func (c *cell) onHosts() {
	h := c.kit.hosts
	c.engines = append(c.engines, h.engines...)
	c.top = "x-teal-hosts: [a, b]\n"
	from := freePorts()
	ports := fmt.Sprintf("%d-%d", from, from+portsEach-1)
	tls := h.b.TLSFiles()
	c.args = append(c.args,
		"--host", "a="+h.a.SSHURL()+h.a.Socket()+"?"+url.Values{
			"address": {h.a.Address.String()}, "ports": {ports}, "identity": {h.a.Identity()}, "known_hosts": {h.a.KnownHosts()},
		}.Encode(),
		"--host", "b="+h.b.TLSURL()+"?"+url.Values{
			"address": {h.b.Address.String()}, "ports": {ports}, "ca": {tls.CA}, "cert": {tls.Cert}, "key": {tls.Key},
		}.Encode(),
	)
}

// openSSHNginx has the apps on a and b behind an nginx of the bastion that
// nobody has started yet.
func openSSHNginx(_ context.Context, c *cell) error {
	c.onHosts()
	config, folder, err := c.layNginx()
	if err != nil {
		return err
	}
	h := c.kit.hosts.bastion
	c.address = c.on(h)
	c.closing = append(c.closing, func(ctx context.Context) error {
		_, err := os.Stat(filepath.Join(filepath.Dir(config), "pid"))
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was never started
		}
		if err != nil {
			return err
		}
		_, err = h.Run(ctx, "/usr/sbin/nginx", "-c", config, "-s", "stop")
		return err
	})
	c.args = append(c.args, "--proxy", "nginx",
		"--proxy-host", h.SSHURL()+"?"+url.Values{"identity": {h.Identity()}, "known_hosts": {h.KnownHosts()}}.Encode(),
		"--nginx-service", "--nginx-folder", folder, "--nginx-config", config, "--nginx-start", "/usr/sbin/nginx -c "+config,
		"--nginx-admin", "127.0.0.1:"+port(freeAddress()))
	return nil
}

// openFarNginx has the apps on a and b behind an nginx of Teal's on a.
func openFarNginx(_ context.Context, c *cell) error {
	c.onHosts()
	c.address = c.on(c.kit.hosts.a)
	c.args = append(c.args, "--proxy", "nginx", "--proxy-host", "a", "--nginx-image", c.kit.hosts.nginx, "--nginx-admin", "127.0.0.1:"+port(freeAddress()))
	return nil
}

// on is the cell's address on a host.
func (c *cell) on(h *rig.Host) string { return h.Address.String() + ":" + port(c.address) }

func port(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }
