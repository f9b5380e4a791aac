package pennyway_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"teal/cmd/load/loadgen"
	"teal/deploy/docker/dockertest"
	"teal/deploy/rig"
	"teal/examples/pennyway/stage"
	"teal/reconcile"
)

// folder holds the built program and is removed when all tests have ended.
var folder string

func TestMain(m *testing.M) {
	code := m.Run()
	if folder != "" {
		if err := os.RemoveAll(folder); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

var binary = sync.OnceValues(func() (string, error) {
	var err error
	if folder, err = os.MkdirTemp("", "teal-pennyway"); err != nil {
		return "", err
	}
	path := filepath.Join(folder, "teal")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", path, "teal/cmd/teal")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func newStage(t *testing.T, hosts int) *stage.Stage {
	t.Helper()
	s, err := stage.New(t.Context(), stage.Options{Name: "pennyway-" + dockertest.Unique(), Hosts: hosts})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if t.Failed() {
			words, err := s.Bastion.Run(ctx, "tail", "-n", "60", "/var/log/nginx/error.log")
			t.Logf("nginx's own log (%v):\n%s", err, words)
		}
		must(t, s.Close(ctx))
	})
	return s
}

// start starts a controller on what prepare prepared; it is stopped, and its log
// shown if the test failed, when the test ends.
func start(t *testing.T, prepare func(context.Context, string) (*stage.Teal, error)) *stage.Teal {
	t.Helper()
	teal := prepared(t, prepare)
	must(t, teal.Start(t.Context()))
	return teal
}

// prepared is a controller that was not started yet.
func prepared(t *testing.T, prepare func(context.Context, string) (*stage.Teal, error)) *stage.Teal {
	t.Helper()
	program, err := binary()
	must(t, err)
	teal, err := prepare(t.Context(), program)
	must(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if t.Failed() {
			out, err := teal.Run(ctx, "status")
			t.Logf("teal status (%v):\n%s\nthe controller's log:\n%s", err, out, teal.LastWords())
		}
		if err := teal.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return teal
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// load sends requests on kept connections, half of them POST, until the test
// calls the returned function, which counts them and wants none failed.
func load(t *testing.T, s *stage.Stage) (stop func()) {
	t.Helper()
	return loadWith(t, loadgen.Config{URL: s.URL(), Rate: 100, Connections: 8}, 0)
}

// loadWith is load with requests of the caller's, of which some answers may be
// cut in the middle.
func loadWith(t *testing.T, c loadgen.Config, cut int) (stop func()) {
	t.Helper()
	g, err := loadgen.New(t.Context(), c)
	must(t, err)
	g.Start(t.Context())
	t.Cleanup(func() { g.Stop() })
	return func() {
		t.Helper()
		r := g.Stop()
		t.Logf("%s", r)
		if r.Failed > r.Failures[loadgen.Closed] || r.Failures[loadgen.Closed] > int64(cut) || r.OK == 0 {
			t.Errorf("%d of %d requests failed", r.Failed, r.Sent)
		}
	}
}

// settled waits until the app is served by version and nothing is under way.
func settled(t *testing.T, teal *stage.Teal, version string) reconcile.Status {
	t.Helper()
	return app(t, teal, version+" serves and is settled", func(a reconcile.Status) bool {
		return a.Serving.OK && a.Synced.OK && a.Phase == "" && serves(a) == "pennyway/was:"+version
	})
}

func app(t *testing.T, teal *stage.Teal, what string, met func(reconcile.Status) bool) reconcile.Status {
	t.Helper()
	a, err := teal.App(t.Context(), what, met)
	must(t, err)
	return a
}

// serves is the image that has all traffic; "" if none has.
func serves(a reconcile.Status) string {
	for _, c := range a.Colours {
		if c.Weight == 100 {
			return c.Image
		}
	}
	return ""
}

// deploy changes the version in the desired state.
func deploy(t *testing.T, teal *stage.Teal, from, to string) {
	t.Helper()
	_, err := teal.Edit("pennyway/was:"+from, "pennyway/was:"+to)
	must(t, err)
}

// run is one command on a host.
func run(t *testing.T, h *rig.Host, argv ...string) string {
	t.Helper()
	out, err := h.Run(t.Context(), argv...)
	must(t, err)
	return string(out)
}
