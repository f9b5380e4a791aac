package docker

import (
	"errors"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"
	"pgregory.net/rapid"

	"teal/spec"
)

func TestPortSlotIsFreeAndStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ports := rapid.SampledFrom([]spec.PortRange{{From: 20000, To: 20003}, {From: 1, To: 65535}, {From: 8080, To: 8080}}).Draw(t, "ports")
		seed := rapid.String().Draw(t, "seed")
		users, avoid := map[int]bool{}, map[int]string{}
		taken := func(p int) bool { return users[p] }
		for range rapid.IntRange(0, 6).Draw(t, "tries") {
			port, err := portSlot(ports, seed, avoid, taken)
			if err != nil {
				if free := ports.To - ports.From + 1 - len(users) - len(avoid); free != 0 {
					t.Fatalf("%v, with %d free", err, free)
				}
				return
			}
			if again, err := portSlot(ports, seed, avoid, taken); err != nil || again != port {
				t.Fatalf("%d, then %d, %v", port, again, err)
			}
			if port < ports.From || port > ports.To || users[port] || avoid[port] != "" {
				t.Fatalf("%d of %v is not free: %v %v", port, ports, users, avoid)
			}
			if rapid.Bool().Draw(t, "known") {
				users[port] = true
			} else {
				avoid[port] = "somebody"
			}
		}
	})
}

func TestBlamedPortIsTheOneThatTheEngineNames(t *testing.T) {
	found := container.InspectResponse{ContainerJSONBase: &container.ContainerJSONBase{HostConfig: &container.HostConfig{PortBindings: nat.PortMap{
		"8080/tcp": {{HostIP: "10.0.0.5", HostPort: "2000"}},
		"9090/tcp": {{HostIP: "10.0.0.5", HostPort: "20001"}},
		"53/udp":   {{HostIP: "10.0.0.5", HostPort: "53"}},
		"70/tcp":   {{HostIP: "10.0.0.5"}},
	}}}}
	for words, want := range map[string]string{
		"Bind for 10.0.0.5:2000 failed: port is already allocated":                                "2000 of 10.0.0.5",
		"Error starting userland proxy: listen tcp4 10.0.0.5:20001: bind: address already in use": "20001 of 10.0.0.5",
		"failed to bind host port 10.0.0.5:2000/tcp: address already in use":                      "2000 of 10.0.0.5",
		"failed to bind host port for 10.0.0.5:20001:172.18.0.2:9090/tcp: address already in use": "20001 of 10.0.0.5",
		"some port is already allocated":                                                          "2000 of 10.0.0.5, 20001 of 10.0.0.5",
	} {
		if got := describePorts(blamedPorts(found, errors.New(words))); got != want {
			t.Errorf("%q: %s, want %s", words, got, want)
		}
	}
}

func TestPortsOverlapOnTheSameAddress(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"10.0.0.5", "10.0.0.5", true},
		{"10.0.0.5", "127.0.0.1", false},
		{"", "127.0.0.1", true},
		{"0.0.0.0", "10.0.0.5", true},
		{"10.0.0.5", "::", true},
	} {
		if got := overlaps(c.a, c.b); got != c.want {
			t.Errorf("%q and %q: %v", c.a, c.b, got)
		}
	}
}
