package docker_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"teal/deploy/docker"
	"teal/deploy/docker/dockertest"
	"teal/reconcile"
	"teal/spec"
)

const limit = 60 * time.Second

// revision is what the tests' replicas are of.
var revision = strings.Repeat("0123abcd", 8)

// open returns an engine with an ingress network and a controller of its own.
func open(t testing.TB, opts docker.Options) (engine *docker.Engine, controller string) {
	t.Helper()
	if opts.ControllerID == "" {
		opts.ControllerID = dockertest.ControllerID(t)
	}
	if opts.Ingress.Name == "" {
		opts.Ingress.Name = "ingress-" + opts.ControllerID
	}
	engine, err := docker.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return engine, opts.ControllerID
}

// local makes an image and resolves it.
func local(t testing.TB, opts dockertest.Options) reconcile.Image {
	t.Helper()
	ref := dockertest.Image(t, "v1", opts)
	found, err := dockertest.Client(t).ImageInspect(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return reconcile.Image{Ref: ref, Digest: found.ID, Local: true}
}

// app returns the name of an app of the test's own.
func app(t testing.TB) spec.Name {
	t.Helper()
	return spec.Name{Project: "p" + dockertest.Unique(), Service: "web"}
}

// replica is a routed replica of img; a dependency if colour is empty.
func replica(name spec.Name, img reconcile.Image, colour spec.Colour) reconcile.Ensure {
	en := reconcile.Ensure{
		Colour: colour, Replica: 1, Generation: 1, Rollout: "r-1",
		Revision: reconcile.Revision{ID: revision, Image: img, Port: 8080, Container: spec.Container{
			Image: img.Ref, Restart: "no", Networks: []spec.Network{{Name: name.Project + "_default"}},
		}},
	}
	if colour == "" {
		en.Revision.Port = 0
	}
	return en
}

func ensure(t testing.TB, engine *docker.Engine, name spec.Name, en reconcile.Ensure) *reconcile.Failure {
	t.Helper()
	return engine.Perform(t.Context(), reconcile.Step{Kind: reconcile.StepEnsure, App: name, Ensure: &en}).Failure
}

// ensured performs an ensure that has to go well and returns what then is there.
func ensured(t testing.TB, engine *docker.Engine, name spec.Name, en reconcile.Ensure) reconcile.Container {
	t.Helper()
	if f := ensure(t, engine, name, en); f != nil {
		t.Fatal(f)
	}
	seen, err := engine.Observe(t.Context(), name, reconcile.Look{})
	if err != nil || len(seen.Containers) != 1 {
		t.Fatalf("observed %+v, %v; want one container", seen, err)
	}
	return seen.Containers[0]
}

// wants fails the test unless f is of this class and reason and says words.
func wants(t testing.TB, f *reconcile.Failure, class reconcile.FailureClass, reason reconcile.Reason, words string) {
	t.Helper()
	if f == nil || f.Class != class || f.Reason != reason || !strings.Contains(f.Message, words) {
		t.Fatalf("got %+v; want %s %s with %q", f, class, reason, words)
	}
}

// inspect looks at a container with a client of the test's own.
func inspect(t testing.TB, id string) container.InspectResponse {
	t.Helper()
	found, err := dockertest.Client(t).ContainerInspect(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// await looks until ok, or the limit.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %s: %s", limit, what)
		case <-tick.C:
		}
	}
}
