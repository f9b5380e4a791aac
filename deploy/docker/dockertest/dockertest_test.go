package dockertest_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"teal/deploy/docker/dockertest"
	"teal/spec"
)

func TestImageRunsAndIsRemovedWithItsContainer(t *testing.T) {
	engine := dockertest.Client(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var ref, id string
	t.Run("inside a test", func(t *testing.T) {
		controller := dockertest.ControllerID(t)
		ref = dockertest.Image(t, "v1", dockertest.Options{Env: map[string]string{"VERSION": "one two", "BREAK": "exit"}})
		made, err := engine.ContainerCreate(ctx, &container.Config{Image: ref, Labels: map[string]string{spec.LabelController: controller}}, nil, nil, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		id = made.ID
		if err := engine.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
			t.Fatal(err)
		}
		ended, failed := engine.ContainerWait(ctx, id, container.WaitConditionNotRunning)
		select {
		case end := <-ended:
			if end.StatusCode != 1 {
				t.Errorf("exit status %d, want 1", end.StatusCode)
			}
		case err := <-failed:
			t.Fatal(err)
		}
	})
	if _, err := engine.ContainerInspect(ctx, id); !errdefs.IsNotFound(err) {
		t.Errorf("the container is still there: %v", err)
	}
	if _, err := engine.ImageInspect(ctx, ref); !errdefs.IsNotFound(err) {
		t.Errorf("the image is still there: %v", err)
	}
}

func TestRegistryKnowsWhatWasPushed(t *testing.T) {
	server := dockertest.Registry(t, nil)
	ref, digest := server.Push(t, "team/hello:1", dockertest.Options{})
	parsed, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := remote.Head(parsed); err != nil || got.Digest.String() != digest {
		t.Fatalf("digest %v, %v; want %s", got, err, digest)
	}
}

func TestFaultyRegistryAnswersAsTold(t *testing.T) {
	server := dockertest.Faulty(t)
	server.Answer(http.StatusTooManyRequests, "TOOMANYREQUESTS", "slow down", "Retry-After: 7")
	resp, err := http.Get("http://" + server.Address + "/v2/team/hello/manifests/1")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "7" {
		t.Fatalf("status %d, body %s, %v", resp.StatusCode, body, err)
	}
}
