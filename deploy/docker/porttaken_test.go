package docker_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"

	"teal/deploy/docker/dockertest"
	"teal/reconcile"
	"teal/spec"
)

func TestSlotMovesWhenItsPortIsTaken(t *testing.T) {
	var log bytes.Buffer
	opts := onHost()
	opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
	engine, _ := open(t, opts)
	name := app(t)
	en := replica(name, local(t, dockertest.Options{}), spec.Blue)
	en.HealthPort = 9090
	before := ensured(t, engine, name, en)
	remove(t, engine, before)
	other := listen(t, portOf(t, before))
	moved := ensured(t, engine, name, en)
	if moved.Address == before.Address || moved.State != reconcile.Running || moved.Reach[9090] != before.Reach[9090] {
		t.Fatalf("from %v to %v, %s", before.Reach, moved.Reach, moved.State)
	}
	answers(t, moved.Address)
	for _, words := range []string{"host=app-1", "published port was taken", strconv.Itoa(portOf(t, before)), "leftover of the engine", name.Project} {
		if !strings.Contains(log.String(), words) {
			t.Errorf("the log does not say %q: %s", words, log.String())
		}
	}
	other.Close()
	// It moves once more only if it must: the same container runs again where it was.
	hand := person{dockertest.Client(t)}
	hand.Stop(t, moved.ID)
	if again := ensured(t, engine, name, en); again.ID != moved.ID || again.Address != moved.Address {
		t.Errorf("%s, then %s", moved.Address, again.Address)
	}
	// Another container takes the port of one that does not run.
	hand.Stop(t, moved.ID)
	squatter := squat(t, hand, portOf(t, moved))
	log.Reset()
	last := ensured(t, engine, name, en)
	if last.Address == moved.Address || last.State != reconcile.Running || !strings.Contains(log.String(), "container "+squatter) {
		t.Errorf("at %s, %s; log %s", last.Address, last.State, log.String())
	}
}

// squat runs a stranger's container with a port of the host and returns its name.
func squat(t testing.TB, hand person, port int) string {
	t.Helper()
	name := "squatter-" + dockertest.Unique()
	ref := dockertest.Image(t, "squatter", dockertest.Options{})
	made, err := hand.ContainerCreate(t.Context(),
		&container.Config{Image: ref, Labels: map[string]string{dockertest.LabelTest: dockertest.Label(t)}, ExposedPorts: nat.PortSet{"8080/tcp": {}}},
		&container.HostConfig{PortBindings: nat.PortMap{"8080/tcp": {{HostIP: here, HostPort: strconv.Itoa(port)}}}}, nil, nil, name)
	if err != nil {
		t.Fatal(err)
	}
	hand.Restart(t, made.ID)
	return name
}

func TestNoPortOfTheRangeIsFree(t *testing.T) {
	opts := onHost()
	port := freePort(t)
	opts.Ports = spec.PortRange{From: port, To: port}
	engine, _ := open(t, opts)
	name := app(t)
	en := replica(name, local(t, dockertest.Options{}), spec.Blue)
	other := listen(t, port)
	f := ensure(t, engine, name, en)
	wants(t, f, reconcile.Infra, reconcile.ReasonPortTaken, "host app-1: ")
	for _, words := range []string{strconv.Itoa(port), "leftover of the engine", "more ports"} {
		if !strings.Contains(f.Message, words) {
			t.Errorf("%q does not say %q", f.Message, words)
		}
	}
	other.Close()
	c := ensured(t, engine, name, en)
	if portOf(t, c) != port {
		t.Errorf("at %s", c.Address)
	}
	// A container has its port while it does not run, too.
	person{dockertest.Client(t)}.Stop(t, c.ID)
	wants(t, ensure(t, engine, name, replicaOf(en, spec.Green)), reconcile.Infra, reconcile.ReasonPortTaken, "no port of")
}

// replicaOf is en in the other colour.
func replicaOf(en reconcile.Ensure, colour spec.Colour) reconcile.Ensure {
	en.Colour = colour
	return en
}

func TestFixedPortsFollowTheSeats(t *testing.T) {
	engine, _ := open(t, onHost())
	name := app(t)
	port := freePort(t)
	en := replica(name, local(t, dockertest.Options{}), spec.Green)
	en.Revision.Container.Publish = &spec.Publish{Blue: spec.PortRange{From: 1, To: 1}, Green: spec.PortRange{From: port - 1, To: port}}
	en.Seat = 1
	if c := ensured(t, engine, name, en); portOf(t, c) != port {
		t.Errorf("at %s, want port %d", c.Address, port)
	}
	en.Replica, en.Seat = 3, 2
	wants(t, ensure(t, engine, name, en), reconcile.Permanent, reconcile.ReasonEngineRefused, fmt.Sprintf("ports %d-%d", port-1, port))
}

func TestFixedPortThatIsTakenIsWaitedFor(t *testing.T) {
	engine, _ := open(t, onHost())
	name := app(t)
	port := freePort(t)
	en := replica(name, local(t, dockertest.Options{}), spec.Blue)
	en.HealthPort = 9090
	en.Revision.Container.Publish = &spec.Publish{Blue: spec.PortRange{From: port, To: port}}
	other := listen(t, port)
	f := ensure(t, engine, name, en)
	wants(t, f, reconcile.Infra, reconcile.ReasonPortTaken, fmt.Sprintf("port %d of %s is taken by a program of the host or a leftover of the engine", port, here))
	if !strings.HasPrefix(f.Message, "host app-1: ") {
		t.Errorf("%q", f.Message)
	}
	other.Close()
	hand := person{dockertest.Client(t)}
	squatter := squat(t, hand, port)
	waiting := inspect(t, spec.ContainerName(name, spec.Blue, revision, 1))
	wants(t, ensure(t, engine, name, en), reconcile.Infra, reconcile.ReasonPortTaken, "container "+squatter)
	if !inspect(t, squatter).State.Running {
		t.Error("the other container was stopped")
	}
	hand.Remove(t, squatter)
	if c := ensured(t, engine, name, en); c.ID != waiting.ID || c.State != reconcile.Running || portOf(t, c) != port || c.Reach[9090] == "" {
		t.Errorf("with the port free: %+v", c)
	}
}
