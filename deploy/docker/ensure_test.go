package docker_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"teal/deploy/docker"
	"teal/deploy/docker/dockertest"
	"teal/reconcile"
	"teal/spec"
)

// labels are those of en's container.
func labels(controller string, name spec.Name, en reconcile.Ensure) map[string]string {
	return spec.Labels(spec.Facts{
		Controller: controller, Role: spec.RoleReplica, Name: name, Colour: en.Colour, Replica: en.Replica,
		Revision: en.Revision.ID, Generation: en.Generation, Rollout: en.Rollout, Port: en.Revision.Port,
	})
}

// byHand creates a container as a killed Teal, or somebody who imitates it, would leave it.
func byHand(t *testing.T, name, image string, labels map[string]string, on string, endpoint *network.EndpointSettings) string {
	t.Helper()
	networks := &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{on: endpoint}}
	host := &container.HostConfig{NetworkMode: container.NetworkMode(on)}
	made, err := dockertest.Client(t).ContainerCreate(t.Context(), &container.Config{Image: image, Labels: labels}, host, networks, nil, name)
	if err != nil {
		t.Fatal(err)
	}
	return made.ID
}

func TestHostReachesAReplicaAtItsAddress(t *testing.T) {
	engine, controller := open(t, docker.Options{})
	name := app(t)
	c := ensured(t, engine, name, replica(name, local(t, dockertest.Options{Env: map[string]string{"VERSION": "41"}}), spec.Blue))
	await(t, "the app answers", func() bool {
		resp, err := http.Get("http://" + c.Address + "/")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.Header.Get("Version") == "41"
	})
	found, err := dockertest.Client(t).NetworkInspect(t.Context(), "ingress-"+controller, network.InspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if found.Options["com.docker.network.bridge.enable_icc"] != "false" || found.Labels[spec.LabelController] != controller {
		t.Errorf("ingress network: options %v, labels %v", found.Options, found.Labels)
	}
}

func TestAppIsKnownByItsColourAndDependencyByItsService(t *testing.T) {
	engine, _ := open(t, docker.Options{})
	name := app(t)
	img := local(t, dockertest.Options{})
	en := replica(name, img, spec.Green)
	en.Revision.Container.Networks[0].Aliases = []string{"hello"}
	on := name.Project + "_default"
	if got := inspect(t, ensured(t, engine, name, en).ID).NetworkSettings.Networks[on].Aliases; !contains(got, "hello", "web-green") {
		t.Errorf("aliases of the app: %v", got)
	}
	db := spec.Name{Project: name.Project, Service: "db"}
	if got := inspect(t, ensured(t, engine, db, replica(db, img, "")).ID).NetworkSettings.Networks[on].Aliases; !contains(got, "db") {
		t.Errorf("aliases of the dependency: %v", got)
	}
}

func contains(list []string, want ...string) bool {
	all := " " + strings.Join(list, " ") + " "
	for _, w := range want {
		if !strings.Contains(all, " "+w+" ") {
			return false
		}
	}
	return true
}

// A SIGKILL between create and connect leaves a container on its first network only.
func TestHalfMadeContainerIsCompleted(t *testing.T) {
	engine, controller := open(t, docker.Options{})
	name := app(t)
	img := local(t, dockertest.Options{})
	other := replica(name, img, spec.Green) // makes the networks
	if f := ensure(t, engine, name, other); f != nil {
		t.Fatal(f)
	}
	en := replica(name, img, spec.Blue)
	containerName := spec.ContainerName(name, spec.Blue, revision, 1)
	id := byHand(t, containerName, img.Digest, labels(controller, name, en), "ingress-"+controller, &network.EndpointSettings{})
	if f := ensure(t, engine, name, en); f != nil {
		t.Fatal(f)
	}
	found := inspect(t, id)
	if !found.State.Running || found.NetworkSettings.Networks[name.Project+"_default"] == nil {
		t.Errorf("state %s, networks %v", found.State.Status, found.NetworkSettings.Networks)
	}
}

func TestReplicaMovesWhenItsAddressIsTaken(t *testing.T) {
	engine, controller := open(t, docker.Options{})
	name := app(t)
	img := local(t, dockertest.Options{})
	en := replica(name, img, spec.Blue)
	before := ensured(t, engine, name, en)
	hand := person{dockertest.Client(t)}
	hand.Stop(t, before.ID)
	ip, _, err := net.SplitHostPort(before.Address)
	if err != nil {
		t.Fatal(err)
	}
	// An engine gives the address of a container that does not run to another one.
	squatter := byHand(t, name.Project+"-squatter", img.Digest, map[string]string{dockertest.LabelTest: dockertest.Label(t)},
		"ingress-"+controller, &network.EndpointSettings{IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: ip}})
	if err := hand.ContainerStart(t.Context(), squatter, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	after := ensured(t, engine, name, en)
	if after.Address == before.Address || after.State != reconcile.Running {
		t.Errorf("before %s, after %s, which is %s", before.Address, after.Address, after.State)
	}
	if !inspect(t, squatter).State.Running {
		t.Error("the other container was stopped")
	}
	hand.Remove(t, squatter)
}

func TestPortThatIsTakenMayBeFreeLater(t *testing.T) {
	engine, _ := open(t, docker.Options{})
	name := app(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	en := replica(name, local(t, dockertest.Options{}), "")
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	en.Revision.Container.Ports = []spec.Port{{HostIP: "127.0.0.1", Published: port, Target: 8080, Protocol: "tcp"}}
	wants(t, ensure(t, engine, name, en), reconcile.Infra, reconcile.ReasonPortTaken, port)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if c := ensured(t, engine, name, en); c.State != reconcile.Running {
		t.Errorf("with the port free: %+v", c)
	}
}

func TestProgramThatDoesNotExistIsPermanent(t *testing.T) {
	engine, _ := open(t, docker.Options{})
	name := app(t)
	en := replica(name, local(t, dockertest.Options{}), "")
	en.Revision.Container.Command = []string{"/no-such-program"}
	wants(t, ensure(t, engine, name, en), reconcile.Permanent, reconcile.ReasonEngineRefused, "no-such-program")
}

func TestImitationIsIgnoredAndReportedOnce(t *testing.T) {
	var log bytes.Buffer
	engine, controller := open(t, docker.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	name := app(t)
	img := local(t, dockertest.Options{})
	ensured(t, engine, name, replica(name, img, spec.Green))
	imitated := labels(controller, name, replica(name, img, spec.Blue))
	byHand(t, name.Project+"-another-name", img.Digest, imitated, "none", &network.EndpointSettings{})
	damaged := labels(controller, name, replica(name, img, spec.Blue))
	damaged[spec.LabelColour] = "red"
	byHand(t, name.Project+"-damaged", img.Digest, damaged, "none", &network.EndpointSettings{})
	for range 3 {
		seen, err := engine.Observe(t.Context(), name, reconcile.Look{})
		if err != nil || len(seen.Containers) != 1 || seen.Containers[0].Colour != spec.Green {
			t.Fatalf("seen %+v, %v", seen, err)
		}
		if apps, err := engine.Apps(t.Context()); err != nil || len(apps) != 1 {
			t.Fatalf("apps %v, %v", apps, err)
		}
	}
	if n := strings.Count(log.String(), "container with wrong labels was ignored"); n != 2 {
		t.Errorf("%d warnings, want 2:\n%s", n, log.String())
	}
}

func TestDamagedContainerKeepsItsName(t *testing.T) {
	engine, controller := open(t, docker.Options{})
	name := app(t)
	img := local(t, dockertest.Options{})
	en := replica(name, img, spec.Blue)
	damaged := labels(controller, name, en)
	damaged[spec.LabelRevision] = strings.Repeat("ffff", 16)
	id := byHand(t, spec.ContainerName(name, spec.Blue, revision, 1), img.Digest, damaged, "none", &network.EndpointSettings{})
	wants(t, ensure(t, engine, name, en), reconcile.Permanent, reconcile.ReasonNameTaken, "ffff")
	if inspect(t, id).State.Status != "created" {
		t.Error("the container was touched")
	}
}

func TestPrunedLocalImageIsPermanent(t *testing.T) {
	engine, _ := open(t, docker.Options{})
	name := app(t)
	gone := reconcile.Image{Ref: "gone:1", Digest: "sha256:" + strings.Repeat("1", 64), Local: true}
	wants(t, ensure(t, engine, name, replica(name, gone, spec.Blue)), reconcile.Permanent, reconcile.ReasonImageNotFound, "gone:1")
}

func TestCancelledStepFailsForNowAndCanBeRepeated(t *testing.T) {
	engine, _ := open(t, docker.Options{})
	name := app(t)
	en := replica(name, local(t, dockertest.Options{}), spec.Blue)
	// Each length of time ends somewhere else: before, inside or after an effect.
	for _, after := range []time.Duration{0, 5 * time.Millisecond, 30 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 400 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		f := engine.Perform(ctx, reconcile.Step{Kind: reconcile.StepEnsure, App: name, Ensure: &en}).Failure
		cancel()
		if f != nil && f.Class != reconcile.Infra {
			t.Errorf("after %s: %v", after, f)
		}
	}
	if c := ensured(t, engine, name, en); c.State != reconcile.Running || c.Address == "" {
		t.Errorf("in the end %+v", c)
	}
}

func TestLogsOfATerminalAndFollowing(t *testing.T) {
	engine, _ := open(t, docker.Options{})
	name := app(t)
	en := replica(name, local(t, dockertest.Options{}), "")
	en.Revision.Container.TTY = true
	id := ensured(t, engine, name, en).ID
	await(t, "it listens", func() bool {
		var now bytes.Buffer
		if err := engine.Logs(t.Context(), id, -1, false, &now); err != nil {
			t.Fatal(err)
		}
		return strings.Contains(now.String(), "listening")
	})
	out, in := io.Pipe()
	ctx, leave := context.WithTimeout(t.Context(), limit)
	defer leave()
	ended := make(chan error, 1)
	go func() {
		err := engine.Logs(ctx, id, -1, true, in)
		in.CloseWithError(err)
		ended <- err
	}()
	person{dockertest.Client(t)}.Stop(t, id)
	text, err := io.ReadAll(out)
	if err != nil || !strings.Contains(string(text), "listening") || !strings.Contains(string(text), "stopping") {
		t.Errorf("followed: %q, %v", text, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
