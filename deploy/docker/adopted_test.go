package docker_test

import (
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"teal/deploy/docker"
	"teal/deploy/docker/dockertest"
	"teal/reconcile"
	"teal/spec"
)

// composed makes what "docker compose up" leaves of a service: a network, a
// volume and a running container with its own labels, known as the service.
func composed(t testing.TB, project, service string) (id string) {
	t.Helper()
	hand := dockertest.Client(t)
	ref := dockertest.Image(t, service, dockertest.Options{})
	labels := map[string]string{dockertest.LabelTest: dockertest.Label(t), "com.docker.compose.project": project}
	if _, err := hand.NetworkCreate(t.Context(), project+"_default", network.CreateOptions{Labels: labels}); err != nil {
		t.Fatal(err)
	}
	if _, err := hand.VolumeCreate(t.Context(), volume.CreateOptions{Name: project + "_data", Labels: labels}); err != nil {
		t.Fatal(err)
	}
	made, err := hand.ContainerCreate(t.Context(), &container.Config{Image: ref, Labels: labels},
		&container.HostConfig{NetworkMode: container.NetworkMode(project + "_default")},
		&network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{project + "_default": {Aliases: []string{service}}}},
		nil, project+"-"+service+"-1")
	if err != nil {
		t.Fatal(err)
	}
	person{hand}.Restart(t, made.ID)
	return made.ID
}

func TestWhatComposeMadeIsUsedAsItIs(t *testing.T) {
	name := app(t)
	old := composed(t, name.Project, "rdb")
	engine, _ := open(t, docker.Options{Name: "app-1", Address: here})
	hand := dockertest.Client(t)
	before, err := hand.NetworkInspect(t.Context(), name.Project+"_default", network.InspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	en := replica(name, local(t, dockertest.Options{}), spec.Blue)
	data := name.Project + "_data"
	en.Revision.Container.Mounts = []spec.Mount{{Type: spec.MountVolume, Source: data, Target: "/data", Volume: &spec.Volume{Name: data}}}
	answers(t, ensured(t, engine, name, en).Address)

	// The old service is found by its name from where Teal's containers are.
	step := reconcile.Step{Kind: reconcile.StepTest, App: name, Test: &reconcile.TestRun{
		Rollout: "r-1", Colour: spec.Blue, Revision: en.Revision, Target: "rdb", Test: spec.Test{Command: []string{"/app", "smoke"}},
	}}
	if f := engine.Perform(t.Context(), step).Failure; f != nil {
		t.Fatal(f)
	}
	var ran *reconcile.Container
	await(t, "the old service was asked", func() bool {
		seen, err := engine.Observe(t.Context(), name, reconcile.Look{})
		ran = seen.Test
		return err == nil && ran != nil && ran.State == reconcile.Exited
	})
	if ran.ExitCode != 0 {
		t.Errorf("the old service was not found: %+v", ran)
	}

	if err := engine.RemoveAll(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	after, err := hand.NetworkInspect(t.Context(), name.Project+"_default", network.InspectOptions{})
	if err != nil || after.ID != before.ID || len(after.Labels) != 2 || len(after.Containers) != 1 {
		t.Errorf("the network is %+v, %v", after, err)
	}
	if v, err := hand.VolumeInspect(t.Context(), data); err != nil || len(v.Labels) != 2 {
		t.Errorf("the volume is %+v, %v", v, err)
	}
	if !inspect(t, old).State.Running {
		t.Error("the old service does not run any more")
	}
}

func TestAdoptedContainersAreThoseOfThisHost(t *testing.T) {
	name := app(t)
	composed(t, name.Project, "web") // its network is removed after what is on it
	engine, controller := open(t, docker.Options{Name: "app-1"})
	img := local(t, dockertest.Options{})
	ours := ensured(t, engine, name, replica(name, img, spec.Green))
	strange := replica(name, img, spec.Blue)
	others := byHand(t, name.Project+"-others", img.Digest, labels(controller+"-2", name, strange), "none", &network.EndpointSettings{})
	t.Cleanup(func() { dockertest.Cleanup(t, controller+"-2") })
	look := reconcile.Look{Adopted: []spec.Adopted{
		{Colour: spec.Blue, Container: name.Project + "-web-1", Address: "10.0.0.5:8080"},
		{Colour: spec.Blue, Container: name.Project + "-web-1", Host: "app-2"},
		{Colour: spec.Green, Container: ours.Name, Host: "app-1"},
		{Colour: spec.Green, Container: name.Project + "-others"},
		{Colour: spec.Blue, Container: name.Project + "-gone", Host: "app-1"},
	}}
	seen, err := engine.Observe(t.Context(), name, look)
	if err != nil || len(seen.Containers) != 2 {
		t.Fatalf("%+v, %v", seen, err)
	}
	adopted, own := seen.Containers[0], seen.Containers[1]
	if !adopted.Foreign || adopted.Host != "app-1" || adopted.Address != "10.0.0.5:8080" || own.Foreign || own.ID != ours.ID {
		t.Errorf("adopted %+v, ours %+v", adopted, own)
	}
	stop := reconcile.Step{Kind: reconcile.StepStop, Container: others, Foreign: true}
	wants(t, engine.Perform(t.Context(), stop).Failure, reconcile.Permanent, reconcile.ReasonEngineRefused, controller+"-2")
}
