package fleet_test

import (
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"teal/deploy/docker/contract"
	"teal/deploy/docker/dockertest"
	"teal/reconcile"
)

// image makes an image of the hello app on the machine's own engine.
func image(t testing.TB, b contract.Behaviour) reconcile.Image {
	t.Helper()
	opts := dockertest.Options{}
	if b == contract.Exits {
		opts.Env = map[string]string{"BREAK": "exit"}
	}
	ref := dockertest.Image(t, "v1", opts)
	found, err := dockertest.Client(t).ImageInspect(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return reconcile.Image{Ref: ref, Digest: found.ID, Local: true}
}

// person works on the engine by hand.
type person struct{ *client.Client }

func (p person) Create(t testing.TB, name string) string {
	t.Helper()
	ref := dockertest.Image(t, "stranger", dockertest.Options{})
	labels := map[string]string{dockertest.LabelTest: dockertest.Label(t)}
	made, err := p.ContainerCreate(t.Context(), &container.Config{Image: ref, Labels: labels}, nil, nil, nil, name)
	must(t, err)
	return made.ID
}

func (p person) Stop(t testing.TB, id string) {
	t.Helper()
	must(t, p.ContainerStop(t.Context(), id, container.StopOptions{}))
}

func (p person) Pause(t testing.TB, id string) {
	t.Helper()
	must(t, p.ContainerPause(t.Context(), id))
}

func (p person) Restart(t testing.TB, id string) {
	t.Helper()
	must(t, p.ContainerRestart(t.Context(), id, container.StopOptions{}))
}

func (p person) Remove(t testing.TB, id string) {
	t.Helper()
	must(t, p.ContainerRemove(t.Context(), id, container.RemoveOptions{Force: true}))
}

func (p person) Exists(t testing.TB, id string) bool {
	t.Helper()
	_, err := p.ContainerInspect(t.Context(), id)
	if !errdefs.IsNotFound(err) {
		must(t, err)
	}
	return err == nil
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
