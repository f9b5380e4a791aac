package docker_test

import (
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"teal/deploy/docker"
	"teal/deploy/docker/dockertest"
	"teal/reconcile"
	"teal/spec"
)

// here is an address that the engine's host has.
const here = "127.0.0.1"

// onHost are the options of the host app-1.
func onHost() docker.Options { return docker.Options{Name: "app-1", Address: here} }

// portOf is the port that a container is reached at.
func portOf(t testing.TB, c reconcile.Container) int {
	t.Helper()
	ip, text, err := net.SplitHostPort(c.Address)
	port, wrong := strconv.Atoi(text)
	if err != nil || wrong != nil || ip != here {
		t.Fatalf("%s has address %q", c.Name, c.Address)
	}
	return port
}

// listen takes a port of the host, as another program or an engine that was
// killed does.
func listen(t testing.TB, port int) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(here, strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() }) // some tests close it before
	return l
}

// freePort is a port that nothing has for now.
func freePort(t testing.TB) int {
	t.Helper()
	l := listen(t, 0)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// answers waits for the app at address.
func answers(t testing.TB, address string) {
	t.Helper()
	await(t, "the app answers at "+address, func() bool {
		resp, err := http.Get("http://" + address + "/")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

func remove(t testing.TB, engine *docker.Engine, c reconcile.Container) {
	t.Helper()
	if f := engine.Perform(t.Context(), reconcile.Step{Kind: reconcile.StepRemove, Container: c.ID}).Failure; f != nil {
		t.Fatal(f)
	}
}

func TestReplicaPublishesOnTheHostsAddress(t *testing.T) {
	engine, _ := open(t, onHost())
	name := app(t)
	en := replica(name, local(t, dockertest.Options{}), spec.Blue)
	en.HealthPort = 9090
	c := ensured(t, engine, name, en)
	port := portOf(t, c)
	if port < docker.DefaultPorts.From || port > docker.DefaultPorts.To || c.Host != "app-1" {
		t.Errorf("%+v", c)
	}
	if len(c.Reach) != 2 || c.Reach[8080] != c.Address || c.Reach[9090] == c.Address || c.Reach[9090] == "" {
		t.Errorf("reached at %v", c.Reach)
	}
	answers(t, c.Address)
	if on := inspect(t, c.ID).NetworkSettings.Networks; len(on) != 1 || on[name.Project+"_default"] == nil {
		t.Errorf("on networks %v, want only the project's", on)
	}
	if s := look(t, engine); s.Exists {
		t.Error("an ingress network was made")
	}
	person{dockertest.Client(t)}.Stop(t, c.ID)
	if seen, err := engine.Observe(t.Context(), name, reconcile.Look{}); err != nil || seen.Containers[0].Address != c.Address || len(seen.Containers[0].Reach) != 2 {
		t.Errorf("stopped: %+v, %v", seen, err)
	}
	// The next revision of the slot takes the same place.
	remove(t, engine, c)
	en.Revision.ID = strings.Repeat("99887766", 8)
	if next := ensured(t, engine, name, en); next.Address != c.Address || next.Reach[9090] != c.Reach[9090] {
		t.Errorf("at %s %v, and then at %s %v", c.Address, c.Reach, next.Address, next.Reach)
	}
}

func TestReplicaWithoutNetworksIsReachedToo(t *testing.T) {
	engine, controller := open(t, onHost())
	img := local(t, dockertest.Options{})
	for what, networks := range map[string]func(project string) []spec.Network{
		"none":          func(string) []spec.Network { return nil },
		"only internal": func(p string) []spec.Network { return []spec.Network{{Name: p + "_inner", Internal: true}} },
		"internal first": func(p string) []spec.Network {
			return []spec.Network{{Name: p + "_inner", Internal: true}, {Name: p + "_outer"}}
		},
	} {
		t.Run(what, func(t *testing.T) {
			name := app(t)
			en := replica(name, img, spec.Green)
			en.Revision.Container.Networks = networks(name.Project)
			c := ensured(t, engine, name, en)
			answers(t, c.Address)
			if got, want := inspect(t, c.ID).NetworkSettings.Networks["ingress-"+controller] != nil, what == "only internal"; got != want {
				t.Errorf("on the ingress network: %v", got)
			}
			for _, n := range en.Revision.Container.Networks {
				if inspect(t, c.ID).NetworkSettings.Networks[n.Name] == nil {
					t.Errorf("it is not on %s", n.Name)
				}
			}
		})
	}
}

func TestAddressThatIsNotTheHostsIsPermanent(t *testing.T) {
	name := app(t)
	en := replica(name, local(t, dockertest.Options{}), spec.Blue)
	engine, controller := open(t, docker.Options{Name: "app-1", Address: "203.0.113.9"})
	f := ensure(t, engine, name, en)
	wants(t, f, reconcile.Permanent, reconcile.ReasonEngineRefused, "the host has no such address")
	if !strings.HasPrefix(f.Message, "host app-1: ") || !strings.Contains(f.Message, "203.0.113.9") {
		t.Errorf("%q", f.Message)
	}
	// With the right address, what was left is made again.
	mended, _ := open(t, docker.Options{Name: "app-1", Address: here, ControllerID: controller})
	answers(t, ensured(t, mended, name, en).Address)
}

func TestHostThatGetsAnAddressMovesItsReplicasWhenTheyStop(t *testing.T) {
	name := app(t)
	en := replica(name, local(t, dockertest.Options{}), spec.Blue)
	inside, controller := open(t, docker.Options{})
	before := ensured(t, inside, name, en)
	outside, _ := open(t, docker.Options{Address: here, ControllerID: controller})
	if c := ensured(t, outside, name, en); c.ID != before.ID || c.Address != before.Address {
		t.Errorf("a running one went from %s to %s", before.Address, c.Address)
	}
	hand := person{dockertest.Client(t)}
	hand.Stop(t, before.ID)
	after := ensured(t, outside, name, en)
	portOf(t, after)
	// And back again: what is published is not moved.
	hand.Stop(t, after.ID)
	if c := ensured(t, inside, name, en); c.ID != after.ID || c.Address != after.Address || len(inspect(t, c.ID).NetworkSettings.Networks) != 1 {
		t.Errorf("from %+v to %+v", after, c)
	}
	en.HealthPort = 9090
	hand.Stop(t, after.ID)
	if c := ensured(t, outside, name, en); c.Reach[9090] == "" || c.Address != after.Address {
		t.Errorf("with a port more: %+v", c)
	}
}
