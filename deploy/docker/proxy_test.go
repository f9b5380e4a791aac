package docker_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"teal/deploy/docker"
	"teal/deploy/docker/dockertest"
	"teal/reconcile"
	"teal/spec"
)

// proxy is a wanted proxy: the hello app stands for it, on a free port.
func proxy(t *testing.T) (want docker.ProxySpec, address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	address = l.Addr().String()
	return docker.ProxySpec{
		Binary: dockertest.Binary(t), StateDir: t.TempDir(), Listen: []string{address}, Grace: 2 * time.Second,
		Env: map[string]string{"PORT": strconv.Itoa(l.Addr().(*net.TCPAddr).Port), "VERSION": "first"},
	}, address
}

// proxied makes sure of a proxy and returns what was found.
func proxied(t *testing.T, engine *docker.Engine, want docker.ProxySpec) docker.ProxyState {
	t.Helper()
	t.Cleanup(func() { // the image too, which no test's label marks
		if err := engine.RemoveAll(context.Background(), true); err != nil {
			t.Error(err)
		}
	})
	state, err := engine.EnsureProxy(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func awaitVersion(t *testing.T, address, version string) {
	t.Helper()
	await(t, "the proxy answers as "+version, func() bool {
		resp, err := http.Get("http://" + address + "/")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.Header.Get("Version") == version
	})
}

func TestProxyIsMadeOnceAndMadeAgain(t *testing.T) {
	engine, controller := open(t, docker.Options{})
	want, address := proxy(t)
	first := proxied(t, engine, want)
	awaitVersion(t, address, "first")
	if !first.Started || first.Outdated || first.Name != "teal-proxy-"+controller || !strings.HasPrefix(first.Image, "teal-proxy:") {
		t.Errorf("first: %+v", first)
	}
	if again := proxied(t, engine, want); again.Container != first.Container || again.Started || again.Outdated {
		t.Errorf("again: %+v", again)
	}
	hand := person{dockertest.Client(t)}
	hand.Stop(t, first.Container)
	if after := proxied(t, engine, want); after.Container != first.Container || !after.Started {
		t.Errorf("stopped by hand: %+v", after)
	}
	hand.Pause(t, first.Container)
	proxied(t, engine, want)
	awaitVersion(t, address, "first")
	hand.Remove(t, first.Container)
	if after := proxied(t, engine, want); after.Container == first.Container || !after.Started {
		t.Errorf("removed by hand: %+v", after)
	}
	awaitVersion(t, address, "first")
}

func TestOutdatedProxyServesUntilItIsReplaced(t *testing.T) {
	engine, _ := open(t, docker.Options{})
	want, address := proxy(t)
	first := proxied(t, engine, want)
	awaitVersion(t, address, "first")
	want.Env["VERSION"] = "second"
	if state := proxied(t, engine, want); !state.Outdated || state.Started || state.Container != first.Container {
		t.Errorf("changed: %+v", state)
	}
	awaitVersion(t, address, "first")
	want.Replace = true
	if state := proxied(t, engine, want); state.Outdated || !state.Started || state.Container == first.Container {
		t.Errorf("replaced: %+v", state)
	}
	awaitVersion(t, address, "second")
	want.Env["VERSION"], want.Replace = "third", false
	person{dockertest.Client(t)}.Stop(t, proxied(t, engine, want).Container)
	if state := proxied(t, engine, want); state.Outdated || !state.Started {
		t.Errorf("changed while it did not run: %+v", state)
	}
	awaitVersion(t, address, "third")
}

func TestEngineRestartsAProxyThatCrashes(t *testing.T) {
	engine, _ := open(t, docker.Options{})
	want, _ := proxy(t)
	want.Env["CRASH_AFTER"] = "300ms"
	state := proxied(t, engine, want)
	await(t, "the engine has restarted it", func() bool { return inspect(t, state.Container).RestartCount > 0 })
}

func TestProxyThatKeepsExitingIsAnErrorWithItsWords(t *testing.T) {
	engine, _ := open(t, docker.Options{})
	want, _ := proxy(t)
	want.Env["BREAK"] = "exit"
	proxied(t, engine, want)
	await(t, "its words", func() bool {
		_, err := engine.EnsureProxy(t.Context(), want)
		return err != nil && strings.Contains(err.Error(), "keeps exiting") && strings.Contains(err.Error(), "BREAK=exit")
	})
	delete(want.Env, "BREAK")
	await(t, "a better one takes its place", func() bool {
		state, err := engine.EnsureProxy(t.Context(), want)
		return err == nil && !state.Outdated
	})
}

func TestProxyPortThatIsTakenIsNamed(t *testing.T) {
	engine, _ := open(t, docker.Options{})
	want, address := proxy(t)
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = engine.EnsureProxy(t.Context(), want)
	f, ok := errors.AsType[*reconcile.Failure](err)
	if !ok {
		t.Fatalf("error %v", err)
	}
	wants(t, f, reconcile.Infra, reconcile.ReasonPortTaken, address)
}

func TestProxyLeavesStrangersAlone(t *testing.T) {
	engine, controller := open(t, docker.Options{})
	want, _ := proxy(t)
	hand := person{dockertest.Client(t)}
	id := hand.Create(t, "teal-proxy-"+controller)
	_, err := engine.EnsureProxy(t.Context(), want)
	f, ok := errors.AsType[*reconcile.Failure](err)
	if !ok {
		t.Fatalf("error %v", err)
	}
	wants(t, f, reconcile.Permanent, reconcile.ReasonNameTaken, "teal-proxy-"+controller)
	if !hand.Exists(t, id) {
		t.Error("the stranger's container is gone")
	}
}

func TestProxyThatCannotBe(t *testing.T) {
	engine, _ := open(t, docker.Options{})
	for words, change := range map[string]func(*docker.ProxySpec){
		"CGO_ENABLED=0":   func(s *docker.ProxySpec) { s.Binary = "/bin/sh" },
		"read program":    func(s *docker.ProxySpec) { s.Binary = "/etc/passwd" },
		"no such file":    func(s *docker.ProxySpec) { s.StateDir += "/missing" },
		"absolute path":   func(s *docker.ProxySpec) { s.StateDir = "here" },
		"listen address":  func(s *docker.ProxySpec) { s.Listen = []string{"8000"} },
		"no such file or": func(s *docker.ProxySpec) { s.Binary = "/no/such/program" },
	} {
		want, _ := proxy(t)
		change(&want)
		if _, err := engine.EnsureProxy(t.Context(), want); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("error %v, want %q", err, words)
		}
	}
}

func TestRemoveAllLeavesNothingOfOursAndAllOfOthers(t *testing.T) {
	engine, controller := open(t, docker.Options{})
	other, otherController := open(t, docker.Options{Ingress: docker.Ingress{Name: "ingress-" + controller}})
	name := app(t)
	img := local(t, dockertest.Options{})
	en := replica(name, img, spec.Blue)
	named := name.Project + "_data"
	en.Revision.Container.Mounts = []spec.Mount{{Type: spec.MountVolume, Source: named, Target: "/data", Volume: &spec.Volume{Name: named}}}
	ensured(t, engine, name, en)
	want, _ := proxy(t)
	proxied(t, engine, want)
	neighbour := app(t)
	ensured(t, other, neighbour, replica(neighbour, img, spec.Blue))

	if err := engine.RemoveAll(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	left(t, controller, 0, 1, 1) // the ingress network that the neighbour is on, and the volume
	left(t, otherController, 1, 1, 0)
	if err := engine.RemoveAll(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	left(t, controller, 0, 1, 0)
	if err := other.RemoveAll(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	left(t, controller, 0, 0, 0)
	left(t, otherController, 0, 0, 0)
}

// left counts what a controller has on the engine.
func left(t *testing.T, controller string, containers, networks, volumes int) {
	t.Helper()
	hand := dockertest.Client(t)
	by := filters.NewArgs(filters.Arg("label", spec.LabelController+"="+controller))
	c, err := hand.ContainerList(t.Context(), container.ListOptions{All: true, Filters: by})
	if err != nil || len(c) != containers {
		t.Errorf("%d containers of %s, %v; want %d", len(c), controller, err, containers)
	}
	n, err := hand.NetworkList(t.Context(), network.ListOptions{Filters: by})
	if err != nil || len(n) != networks {
		t.Errorf("%d networks of %s, %v; want %d", len(n), controller, err, networks)
	}
	v, err := hand.VolumeList(t.Context(), volume.ListOptions{Filters: by})
	if err != nil || len(v.Volumes) != volumes {
		t.Errorf("%d volumes of %s, %v; want %d", len(v.Volumes), controller, err, volumes)
	}
}
