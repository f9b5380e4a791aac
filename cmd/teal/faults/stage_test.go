package faults

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"teal/deploy/docker/dockertest"
	"teal/deploy/rig"
)

var full = flag.Bool("faults.full", false, "also every API call with every fault, and the faults of registry and disk")

// long leaves a test to make faults.
func long(t *testing.T) {
	t.Helper()
	if !*full {
		t.Skip("part of make faults (-faults.full)")
	}
}

// shared is what all tests of this program use: the built program, a file
// system of the hello app, and a rig.
var shared struct {
	sync.Mutex
	folder, binary, archive string
	rig                     *rig.Rig
}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if shared.rig != nil {
		if err := shared.rig.Close(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// stage is one host with an engine, which the subtests of one test share.
type stage struct {
	*rig.Host
	t testing.TB
	// registryServer is set where the stage has one.
	registryServer *dockertest.RegistryServer
}

// versions are the images that each stage has: app:NAME.
var versions = map[string][]string{
	"v1":    {"VERSION=v1"},
	"v2":    {"VERSION=v2"},
	"v3":    {"VERSION=v3"},
	"slow2": {"VERSION=v2", "START_DELAY=4s"},
	"bad":   {"VERSION=bad", "BREAK=unhealthy"},
}

// prepare builds what all tests need, once.
func prepare(t testing.TB) *rig.Rig {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.rig != nil {
		return shared.rig
	}
	r, err := rig.New(context.Background(), rig.Options{Name: "faults-" + dockertest.Unique()})
	if err != nil {
		t.Fatal(err)
	}
	shared.rig = r
	shared.folder = r.Folder()
	shared.binary = filepath.Join(r.Folder(), "teal")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", shared.binary, "teal/cmd/teal")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build teal: %v: %s", err, out)
	}
	shared.archive = filepath.Join(r.Folder(), "app.tar")
	if err := rig.Pack(context.Background(), shared.archive, rig.Files{Copies: map[string]string{"/app": dockertest.Binary(t)}}); err != nil {
		t.Fatal(err)
	}
	return r
}

// newStage starts a host with an engine that has all versions of the app.
func newStage(t testing.TB, opts rig.HostOptions) *stage {
	t.Helper()
	r := prepare(t)
	opts.Docker = true
	h, err := r.Host(context.Background(), "h-"+dockertest.Unique(), opts)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{Host: h, t: t}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the engine's last words:\n%s", lastLines(filepath.Join(h.Folder(), "docker.log"), 30))
		}
	})
	var images []rig.Image
	for name, env := range versions {
		changes := []string{`CMD ["/app"]`}
		for _, e := range env {
			changes = append(changes, "ENV "+e)
		}
		images = append(images, rig.Image{Ref: "app:" + name, Tar: shared.archive, Changes: changes})
	}
	if err := h.Load(context.Background(), images...); err != nil {
		t.Fatal(err)
	}
	return s
}

// docker runs the engine's own client on the host and returns what it says.
func (s *stage) docker(t testing.TB, args ...string) string {
	t.Helper()
	out, err := s.dockerErr(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (s *stage) dockerErr(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := s.Run(ctx, append([]string{"docker"}, args...)...)
	return strings.TrimSpace(string(out)), err
}

// lastLines are the last lines of a file.
func lastLines(path string, most int) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}

// until waits for a condition, with a generous limit.
func until(t testing.TB, what string, met func() error) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Minute)
	for {
		err := met()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("wait until %s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

var errNotYet = errors.New("not yet")
