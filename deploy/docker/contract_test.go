package docker_test

import (
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"teal/deploy/docker"
	"teal/deploy/docker/contract"
	"teal/deploy/docker/dockertest"
	"teal/reconcile"
)

func TestContract(t *testing.T) {
	t.Parallel()
	contract.Run(t, func(t *testing.T) contract.Subject {
		engine, _ := open(t, docker.Options{})
		return contract.Subject{
			Engine: engine,
			Image:  func(t testing.TB, b contract.Behaviour) reconcile.Image { return local(t, behaviours[b]) },
			By:     person{dockertest.Client(t)},
		}
	})
}

// The same holds for a host whose replicas publish ports.
func TestContractOnAnAddress(t *testing.T) {
	t.Parallel()
	contract.Run(t, func(t *testing.T) contract.Subject {
		engine, _ := open(t, onHost())
		return contract.Subject{
			Engine: engine,
			Image:  func(t testing.TB, b contract.Behaviour) reconcile.Image { return local(t, behaviours[b]) },
			By:     person{dockertest.Client(t)},
		}
	})
}

var behaviours = map[contract.Behaviour]dockertest.Options{
	contract.Serves: {},
	contract.Exits:  {Env: map[string]string{"BREAK": "exit"}},
}

// person works on the engine by hand.
type person struct{ *client.Client }

func (p person) Create(t testing.TB, name string) string {
	t.Helper()
	ref := dockertest.Image(t, "stranger", dockertest.Options{})
	made, err := p.ContainerCreate(t.Context(), &container.Config{Image: ref, Labels: map[string]string{dockertest.LabelTest: dockertest.Label(t)}}, nil, nil, nil, name)
	if err != nil {
		t.Fatal(err)
	}
	return made.ID
}

func (p person) Stop(t testing.TB, id string) {
	t.Helper()
	if err := p.ContainerStop(t.Context(), id, container.StopOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (p person) Pause(t testing.TB, id string) {
	t.Helper()
	if err := p.ContainerPause(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

func (p person) Restart(t testing.TB, id string) {
	t.Helper()
	if err := p.ContainerRestart(t.Context(), id, container.StopOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (p person) Remove(t testing.TB, id string) {
	t.Helper()
	if err := p.ContainerRemove(t.Context(), id, container.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
}

func (p person) Exists(t testing.TB, id string) bool {
	t.Helper()
	_, err := p.ContainerInspect(t.Context(), id)
	if err != nil && !errdefs.IsNotFound(err) {
		t.Fatal(err)
	}
	return err == nil
}

var _ contract.Engine = (*docker.Engine)(nil)
