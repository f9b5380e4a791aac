package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// portRange is one that a test of this process has for itself, most likely:
// above what Linux gives to outgoing connections, apart by process id.
func portRange() (from, to int) {
	from = 61000 + os.Getpid()%220*20
	return from, from + 19
}

func TestAHostWithAnAddressPublishesReplicas(t *testing.T) {
	v1, v2 := image(t, "v1", ""), image(t, "v2", "")
	l := newLab(t)
	from, to := portRange()
	config := fmt.Sprintf("hosts:\n  only:\n    url: unix:///var/run/docker.sock\n    address: 127.0.0.1\n    ports: %d-%d\n", from, to)
	if err := os.WriteFile(filepath.Join(l.folder, "teal.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	two := func(image string) string {
		return strings.Replace(l.wants(image), "    pull_policy", "    deploy: {replicas: 2}\n    pull_policy", 1)
	}
	l.edit(two(v1))
	l.start("-c", "teal.yaml")
	l.teal("wait", "--timeout", "60s").expect(t, exitDone)
	l.served("v1")
	l.edit(two(v2))
	l.served("v2")
	l.teal("wait", "--timeout", "60s").expect(t, exitDone)

	s := l.status()
	if len(s.Containers) < 2 {
		t.Fatalf("containers %+v", s.Containers)
	}
	taken := map[uint16]bool{}
	for _, c := range s.Containers {
		a, err := netip.ParseAddrPort(c.Address)
		if err != nil || a.Addr().String() != "127.0.0.1" || int(a.Port()) < from || int(a.Port()) > to || taken[a.Port()] || c.Host != "only" {
			t.Errorf("container %+v, %v", c, err)
		}
		taken[a.Port()] = true
	}
	hosts := l.listed().Controller.Hosts
	if len(hosts) != 1 || hosts[0].Name != "only" || !hosts[0].Answers.OK || hosts[0].Address != "127.0.0.1" || hosts[0].Engine == "" {
		t.Errorf("hosts %+v", hosts)
	}
	l.teal("status").expect(t, exitDone, "on  only", "unix:///var/run/docker.sock", "at 127.0.0.1")
	l.teal("doctor", "-c", "teal.yaml", "--http", l.address, "--controller", l.id).
		expect(t, exitDone, "host only: engine", "host only: clock", "host only: space", "host only: ports", fmt.Sprintf("ports of %d-%d are free at 127.0.0.1", from, to))

	l.edit(strings.Replace(two(v2), "    image:", "    x-teal-hosts: [onlly]\n    image:", 1))
	l.until("the unknown host is refused", func() error {
		if s := l.source(); s.Valid.OK || !containsAll(strings.Join(s.Problems, "\n"), []string{"compose.yaml:4", "onlly", "only"}) {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	sent := strings.Replace(strings.Replace(two(v2), "name: ", "name: other", 1), "    image:", "    x-teal-hosts: [nowhere]\n    image:", 1)
	if err := os.WriteFile(filepath.Join(l.folder, "other.yaml"), []byte(sent), 0o600); err != nil {
		t.Fatal(err)
	}
	l.teal("apply", "-f", "other.yaml").expect(t, exitBadInput, "nowhere", "only")
	l.served("v2")

	l.stop()
	l.teal("down", "--yes", "--controller", l.id, "-c", "teal.yaml").expect(t, exitDone, "is left on only")
	if list := containers(t, l.id); len(list) > 0 {
		t.Errorf("left: %v", list)
	}
}
