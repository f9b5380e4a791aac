package docker_test

import (
	"archive/tar"
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/volume"

	"teal/deploy/docker"
	"teal/deploy/docker/dockertest"
	"teal/reconcile"
	"teal/spec"
)

const password = "hunter2-in-a-file"

// secretReplica is a dependency with secrets in two places.
func secretReplica(name spec.Name, img reconcile.Image) reconcile.Ensure {
	en := replica(name, img, "")
	en.Revision.Container.Secrets = []spec.Secret{
		{Target: "/etc/app/key.pem", UID: 1000, GID: 1001, Mode: 0o400, Content: "\x00binary\xff"},
		{Target: "/run/secrets/password", Mode: 0o444, Content: password},
	}
	return en
}

// file is what a container has at a path.
func file(t *testing.T, id, path string) (header tar.Header, content string) {
	t.Helper()
	stream, _, err := dockertest.Client(t).CopyFromContainer(t.Context(), id, path)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	archive := tar.NewReader(stream)
	h, err := archive.Next()
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(archive)
	if err != nil {
		t.Fatal(err)
	}
	return *h, string(all)
}

// hasSecrets checks the files of secretReplica.
func hasSecrets(t *testing.T, id string) {
	t.Helper()
	if h, content := file(t, id, "/run/secrets/password"); content != password || h.Uid != 0 || h.Gid != 0 || h.FileInfo().Mode().Perm() != 0o444 {
		t.Errorf("the password is %q, %+v", content, h)
	}
	if h, content := file(t, id, "/etc/app/key.pem"); content != "\x00binary\xff" || h.Uid != 1000 || h.Gid != 1001 || h.FileInfo().Mode().Perm() != 0o400 {
		t.Errorf("the key is %q, %+v", content, h)
	}
	if h, _ := file(t, id, "/etc/app"); h.FileInfo().Mode().Perm() != 0o755 || h.Uid != 0 {
		t.Errorf("its folder is %+v", h)
	}
}

func TestSecretsAreThereThroughAContainersLife(t *testing.T) {
	var mu sync.Mutex
	var order []string
	engine, _ := open(t, docker.Options{Point: func(name string) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, name)
	}})
	name := app(t)
	en := secretReplica(name, local(t, dockertest.Options{}))
	made := ensured(t, engine, name, en)
	hasSecrets(t, made.ID)
	if put, started := slices.Index(order, "docker.CopyToContainer/after"), slices.Index(order, "docker.ContainerStart/before"); put < 0 || put > started {
		t.Errorf("not put there before the start: %q", order)
	}
	text, err := json.Marshal(inspect(t, made.ID))
	if err != nil || strings.Contains(string(text), password) {
		t.Errorf("the engine tells it: %s %v", text, err)
	}
	by := dockertest.Client(t)
	if err := by.ContainerRestart(t.Context(), made.ID, container.StopOptions{}); err != nil {
		t.Fatal(err)
	}
	hasSecrets(t, made.ID)
	if err := by.ContainerRemove(t.Context(), made.ID, container.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	again := ensured(t, engine, name, en)
	if again.ID == made.ID {
		t.Fatal("it was not removed")
	}
	hasSecrets(t, again.ID)
}

// TestSecretsAfterACreationThatWasCutShort: a container that was made and got
// nothing yet is never started without them.
func TestSecretsAfterACreationThatWasCutShort(t *testing.T) {
	img := local(t, dockertest.Options{})
	for _, at := range []string{"docker.ContainerCreate/after", "docker.CopyToContainer/before", "docker.CopyToContainer/after"} {
		id := dockertest.ControllerID(t)
		ctx, cancel := context.WithCancel(t.Context())
		cut, _ := open(t, docker.Options{ControllerID: id, Point: func(name string) {
			if name == at {
				cancel()
			}
		}})
		name := app(t)
		en := secretReplica(name, img)
		if out := cut.Perform(ctx, reconcile.Step{Kind: reconcile.StepEnsure, App: name, Ensure: &en}); out.Failure == nil {
			t.Fatalf("%s: was not cut short", at)
		}
		engine, _ := open(t, docker.Options{ControllerID: id})
		hasSecrets(t, ensured(t, engine, name, en).ID)
	}
}

// TestSecretsOnAReadOnlyRoot: they are on a volume that goes with the container.
func TestSecretsOnAReadOnlyRoot(t *testing.T) {
	engine, _ := open(t, docker.Options{})
	name := app(t)
	en := secretReplica(name, local(t, dockertest.Options{}))
	c := &en.Revision.Container
	c.ReadOnly, c.User = true, "1000:1000"
	c.Secrets = []spec.Secret{{Target: "/run/secrets/password", Mode: 0o440, UID: 1000, Content: password}}
	made := ensured(t, engine, name, en)
	check := func() {
		t.Helper()
		if h, content := file(t, made.ID, "/run/secrets/password"); content != password || h.Uid != 1000 || h.FileInfo().Mode().Perm() != 0o440 {
			t.Errorf("%q %+v", content, h)
		}
	}
	check()
	if err := dockertest.Client(t).ContainerRestart(t.Context(), made.ID, container.StopOptions{}); err != nil {
		t.Fatal(err)
	}
	check()
	mounts := inspect(t, made.ID).Mounts
	if len(mounts) != 1 || mounts[0].Destination != spec.SecretsFolder {
		t.Fatalf("mounts %+v", mounts)
	}
	if f := engine.Perform(t.Context(), reconcile.Step{Kind: reconcile.StepRemove, App: name, Container: made.ID}).Failure; f != nil {
		t.Fatal(f)
	}
	left, err := dockertest.Client(t).VolumeList(t.Context(), volume.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range left.Volumes {
		if v.Name == mounts[0].Name {
			t.Errorf("the volume with the secret is left")
		}
	}
}
