package docker_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/network"

	"teal/deploy/docker"
	"teal/deploy/docker/dockertest"
	"teal/reconcile"
	"teal/spec"
)

// An engine that was killed in the middle of a start leaves a process at the
// replica's address and gives that address out again.
func TestReplicaMovesWhereAForgottenProcessIs(t *testing.T) {
	var log bytes.Buffer
	engine, controller := open(t, docker.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	name := app(t)
	en := replica(name, local(t, dockertest.Options{Env: map[string]string{"VERSION": "41"}}), spec.Blue)
	hand := person{dockertest.Client(t)}
	first := ensured(t, engine, name, en)
	hand.Remove(t, first.ID)
	forgotten(t, "ingress-"+controller, first.Address)
	made := ensured(t, engine, name, en)
	reached(t, made, first.Address)
	hand.Stop(t, made.ID)
	forgotten(t, "ingress-"+controller, made.Address)
	again := ensured(t, engine, name, en)
	reached(t, again, first.Address, made.Address)
	// The second time both places before were tried.
	if n := strings.Count(log.String(), "held by a process that the engine does not know of"); n != 3 {
		t.Errorf("told %d times, want 3:\n%s", n, log.String())
	}
}

// reached waits until a replica answers, which is not where others are.
func reached(t *testing.T, c reconcile.Container, others ...string) {
	t.Helper()
	for _, other := range others {
		if c.Address == other || c.State != reconcile.Running {
			t.Fatalf("%s at %s, where a forgotten process is", c.State, c.Address)
		}
	}
	await(t, "the app answers", func() bool {
		resp, err := http.Get("http://" + c.Address + "/")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.Header.Get("Version") == "41"
	})
}

// forgotten leaves a network interface on a network of the engine that the
// engine knows nothing of, at the address of a container that does not run.
func forgotten(t *testing.T, on, address string) {
	t.Helper()
	ip := netip.MustParseAddrPort(address).Addr()
	found, err := dockertest.Client(t).NetworkInspect(t.Context(), on, network.InspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	subnet := netip.MustParsePrefix(found.IPAM.Config[0].Subnet)
	mac := net.HardwareAddr(append([]byte{0x02, 0x42}, ip.AsSlice()...)) // as the engine gives it
	space, link := "teal-"+dockertest.Unique(), "tl"+dockertest.Unique()
	run := func(line string) error {
		out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("ip %s: %w: %s", line, err, out)
		}
		return nil
	}
	t.Cleanup(func() {
		if err := run("netns del " + space); err != nil { // and the link with it
			t.Error(err)
		}
	})
	for _, line := range []string{
		"netns add " + space,
		"link add " + link + " type veth peer name eth0 netns " + space,
		"-n " + space + " link set eth0 address " + mac.String(),
		"-n " + space + fmt.Sprintf(" addr add %s/%d dev eth0", ip, subnet.Bits()),
		"-n " + space + " link set eth0 up",
		"link set " + link + " master br-" + found.ID[:12],
		"link set " + link + " up",
	} {
		if err := run(line); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "the forgotten one answers", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil || strings.Contains(err.Error(), "refused")
	})
}
