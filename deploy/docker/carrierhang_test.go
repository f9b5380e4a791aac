package docker_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teal/deploy/docker"
	"teal/deploy/docker/dockertest"
	"teal/deploy/docker/faulty"
	"teal/spec"
)

// An engine that takes a program and never answers keeps nobody waiting beyond
// the limit: whoever asks has a turn that others wait for.
func TestAProgramThatIsNeverAnsweredIsGivenUp(t *testing.T) {
	host := dockertest.Client(t).DaemonHost()
	socket := filepath.Join(t.TempDir(), "d")
	p, err := faulty.Listen(t.Context(), socket, strings.TrimPrefix(host, "unix://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	engine, _ := open(t, docker.Options{Host: "unix://" + socket, Limits: docker.Limits{Call: 5 * time.Second}})
	name := app(t)
	c := ensured(t, engine, name, replica(name, local(t, dockertest.Options{}), spec.Blue))
	p.Break(faulty.Fault{Call: "ContainerExecAttach", Kind: faulty.Late, For: time.Hour})
	ended := make(chan error, 1)
	go func() {
		_, _, err := engine.Exec(t.Context(), c.ID, "/app")
		ended <- err
	}()
	select {
	case err := <-ended:
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(limit):
		t.Fatal("it is still waited for")
	}
}
