package doctor

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"teal/deploy/docker"
	"teal/deploy/fleet/ssh"
	"teal/spec"
)

// wellHost is a host on which all is as it should be.
func wellHost() Host {
	return Host{
		Name: "app-1", URL: "ssh://ann@10.0.0.5",
		Version: engine("29.0", "1.52", nil),
		System: func(context.Context) (docker.SystemState, error) {
			return docker.SystemState{Clock: time.Now(), Folder: "/var/lib/docker"}, nil
		},
		Ports: func(context.Context) (docker.PortsState, error) { return docker.PortsState{}, nil },
		Ingress: func(context.Context) (docker.IngressState, error) {
			return docker.IngressState{Name: "teal-ingress", Subnet: netip.MustParsePrefix("172.30.0.0/16")}, nil
		},
		Space: func(context.Context, string) (uint64, error) { return 20 << 30, nil },
	}
}

func TestHosts(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	taken := silent.Addr().(*net.TCPAddr).Port
	free := taken + 1
	ports := func(from, to, freePorts int, all ...int) func(*Host) {
		return func(h *Host) {
			h.Ports = func(context.Context) (docker.PortsState, error) {
				s := docker.PortsState{Address: "127.0.0.1", Range: spec.PortRange{From: from, To: to}, Free: freePorts}
				for _, p := range all {
					s.Taken = append(s.Taken, docker.TakenPort{Port: p})
				}
				return s, nil
			}
		}
	}
	if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", "0")); err == nil { // one that surely is free
		free = l.Addr().(*net.TCPAddr).Port
		l.Close()
	}
	for _, c := range []struct {
		name  string
		edit  func(*Host)
		ok    bool
		words []string
	}{
		{"as it should be", func(*Host) {}, true, []string{"engine  ", "29.0, API 1.52, at ssh://ann@10.0.0.5", "clock", "within 5s", "20.0 GiB free at /var/lib/docker", "network teal-ingress"}},
		{"too old", func(h *Host) { h.Version = engine("19.03", "1.40", nil) }, false, []string{"engine too old", "1.40"}},
		{"away", func(h *Host) { h.Version = engine("", "", errors.New("host app-1: connection refused")) }, false, []string{"engine  connection refused", "docker -H ssh://ann@10.0.0.5 version"}},
		{
			"unknown key", func(h *Host) {
				h.Version = engine("", "", &ssh.UnknownHostKeyError{Host: "10.0.0.5", Fingerprint: "SHA256:x", Line: "10.0.0.5 ssh-ed25519 AAAA", File: "/k"})
			}, false, []string{"SHA256:x", "ssh-keygen -lf", "echo '10.0.0.5 ssh-ed25519 AAAA' >> /k"},
		},
		{
			"changed key", func(h *Host) {
				h.Version = engine("", "", &ssh.ChangedHostKeyError{Host: "10.0.0.5", Known: []string{"/k:3"}})
			}, false, []string{"/k:3", "ssh-keygen -R 10.0.0.5"},
		},
		{"clock", func(h *Host) {
			h.System = func(context.Context) (docker.SystemState, error) {
				return docker.SystemState{Clock: time.Now().Add(-time.Minute)}, nil
			}
		}, false, []string{"is off by -1m0", "timedatectl"}},
		{"disk", func(h *Host) { h.Space = func(context.Context, string) (uint64, error) { return 1 << 20, nil } }, false, []string{"only 0.0 GiB", "docker image prune, there"}},
		{"containers that end with their engine", func(*Host) {}, true, []string{"! host app-1: engine restarts", "live-restore is off", `→ "live-restore": true in /etc/docker/daemon.json`}},
		{"containers that outlive their engine", func(h *Host) {
			h.System = func(context.Context) (docker.SystemState, error) {
				return docker.SystemState{Clock: time.Now(), LiveRestore: true}, nil
			}
		}, true, []string{"✔ host app-1: engine restarts", "containers go on"}},
		{"disk that nobody sees", func(h *Host) { h.Space = nil }, true, []string{"cannot be seen from here; there: df -h"}},
		{"ports", ports(free, free, 1), true, []string{"1 of 1 ports of"}},
		{"few ports", ports(20000, 29999, 99), false, []string{"only 99 of 10000", "hosts.app-1.ports"}},
		{"a stranger's port", ports(taken, taken, 1), false, []string{"taken by a program that is no container"}},
		{"a container's port", ports(taken, taken, 1, taken), true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := wellHost()
			c.edit(&h)
			found := Hosts(t.Context(), []Host{h})
			text := Text(found, false)
			for _, w := range c.words {
				if !strings.Contains(text, w) {
					t.Errorf("no %q in\n%s", w, text)
				}
			}
			ok := true
			for _, f := range found {
				ok = ok && f.OK
				if !strings.HasPrefix(f.Check, "host app-1: ") || !f.OK && f.Hint == "" {
					t.Errorf("%+v", f)
				}
			}
			if ok != c.ok {
				t.Errorf("found\n%s", text)
			}
		})
	}
}
