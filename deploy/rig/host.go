package rig

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// HostOptions say what runs on a host.
type HostOptions struct {
	Docker bool // a Docker Engine, see [Host.Socket]
	// LiveRestore lets containers go on while the engine is away (dockerd
	// --live-restore).
	LiveRestore bool
	// DataSize bounds what the engine can keep, in bytes: its data lies in memory
	// then. 0: in the host's folder, without a bound.
	DataSize int64
	// Daemon is the engine's daemon.json. Empty: {}.
	Daemon string
	TLS    bool // the engine also listens on TCP port 2376 with mutual TLS, see [Host.TLSFiles]
	SSH    bool // an sshd on port 22 that lets root in with [Host.Identity]
	Nginx  bool // an nginx with a folder of its own at /etc/nginx, see [Host.NginxFolder]
}

// Host is one host of a rig: its own address, processes and mounts. Make one
// with [Rig.Host]. Its methods may be called from several goroutines; those that
// start and stop the same thing must not be called at once.
type Host struct {
	Name    string
	Address netip.Addr

	rig    *Rig
	opts   HostOptions
	folder string
	link   string // the bridge's end of its network link
	holder *holder

	mu       sync.Mutex
	services []*service // in the order they were started
}

// Host adds a host and starts what opts name; it returns once all of it answers.
// name is as a rig's name and new in this rig.
func (r *Rig) Host(ctx context.Context, name string, opts HostOptions) (*Host, error) {
	h, err := r.seat(name, opts)
	if err != nil {
		return nil, err
	}
	for _, start := range []struct {
		wanted bool
		what   string
		do     func(context.Context) error
	}{
		{true, "namespaces", h.hold},
		{true, "network", h.connect},
		{opts.TLS, "certificates", h.certify},
		{opts.SSH, "sshd", h.startSSH},
		{opts.Nginx, "nginx", h.StartNginx},
		{opts.DataSize > 0, "data", h.boundData},
		{opts.Docker, "engine", h.StartEngine},
	} {
		if !start.wanted {
			continue
		}
		if err := start.do(ctx); err != nil {
			return nil, fmt.Errorf("host %s: start %s: %w", name, start.what, err)
		}
	}
	r.log.InfoContext(ctx, "host started", "host", name, "address", h.Address.String())
	return h, nil
}

// seat gives a new host its folder and address.
func (r *Rig) seat(name string, opts HostOptions) (*Host, error) {
	if !nameRule.MatchString(name) {
		return nil, fmt.Errorf("host name %q: must be 1 to 24 small letters, digits and dashes", name)
	}
	if (opts.TLS || opts.LiveRestore || opts.DataSize != 0 || opts.Daemon != "") && !opts.Docker {
		return nil, fmt.Errorf("host %s: TLS, LiveRestore, DataSize and Daemon are the engine's: they need Docker", name)
	}
	if opts.DataSize < 0 {
		return nil, fmt.Errorf("host %s: DataSize is %d bytes", name, opts.DataSize)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errClosed
	}
	if r.hosts[name] != nil {
		return nil, fmt.Errorf("host %s: the rig has one of that name", name)
	}
	r.next = r.next.Next()
	if !r.subnet.Contains(r.next.Next()) {
		return nil, errors.New("the rig's subnet is full")
	}
	h := &Host{
		Name: name, Address: r.next,
		rig: r, opts: opts, folder: filepath.Join(r.folder, name), link: fmt.Sprintf("tr%sv%d", r.id, len(r.hosts)+1),
	}
	if err := os.Mkdir(h.folder, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder of host %s: %w", name, err)
	}
	r.hosts[name] = h
	return h, nil
}

// Folder is a folder of the host that this machine sees at the same path; it is
// removed with the rig.
func (h *Host) Folder() string { return h.folder }

// Command is argv as a process of the host: its network, its mounts, its
// process numbers. When ctx ends first, the process and its children are killed.
func (h *Host) Command(ctx context.Context, argv ...string) *exec.Cmd {
	return h.holder.command(ctx, argv...)
}

// Run runs argv on the host and returns what it printed. An error carries what
// it said besides.
func (h *Host) Run(ctx context.Context, argv ...string) ([]byte, error) {
	out, err := h.Command(ctx, argv...).Output()
	if err == nil {
		return out, nil
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return out, fmt.Errorf("run %s on %s: %w: %s", argv[0], h.Name, err, trimmed(exit.Stderr))
	}
	return out, fmt.Errorf("run %s on %s: %w", argv[0], h.Name, err)
}

// Cut takes the host's network link down: nothing reaches it, nothing leaves it,
// and nobody is told. Its processes go on.
func (h *Host) Cut(ctx context.Context) error {
	if err := run(ctx, "ip", "link", "set", h.link, "down"); err != nil {
		return fmt.Errorf("cut %s off: %w", h.Name, err)
	}
	return nil
}

// Heal brings the network link back. Healing what was not cut changes nothing.
func (h *Host) Heal(ctx context.Context) error {
	if err := run(ctx, "ip", "link", "set", h.link, "up"); err != nil {
		return fmt.Errorf("heal %s: %w", h.Name, err)
	}
	return nil
}

// connect gives the host its loopback and one link to the bridge.
func (h *Host) connect(ctx context.Context) error {
	address := netip.PrefixFrom(h.Address, h.rig.subnet.Bits()).String()
	pid := fmt.Sprint(h.holder.pid())
	for _, args := range [][]string{
		{"ip", "link", "add", h.link, "type", "veth", "peer", "name", "eth0", "netns", pid},
		{"ip", "link", "set", h.link, "master", h.rig.bridge(), "up"},
		{"nsenter", "-t", pid, "-n", "ip", "link", "set", "lo", "up"},
		{"nsenter", "-t", pid, "-n", "ip", "addr", "add", address, "dev", "eth0"},
		{"nsenter", "-t", pid, "-n", "ip", "link", "set", "eth0", "up"},
		{"nsenter", "-t", pid, "-n", "ip", "route", "add", "default", "via", h.rig.Gateway().String()},
	} {
		if err := run(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// end kills every process of the host and waits for them.
func (h *Host) end(ctx context.Context) error {
	if h.holder == nil {
		return nil
	}
	if err := h.holder.kill(ctx); err != nil {
		return fmt.Errorf("end the processes of host %s: %w", h.Name, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.services {
		if err := s.await(ctx); err != nil {
			return fmt.Errorf("end %s of host %s: %w", s.name, h.Name, err)
		}
	}
	return nil
}
