package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"teal/deploy/docker"
	"teal/deploy/docker/dockertest"
	"teal/deploy/fleet"
	"teal/deploy/rig"
	"teal/reconcile"
	"teal/spec"
)

// limit is for what has to happen, on however slow a machine.
const limit = 2 * time.Minute

// lab is a rig with engines that have one image in common.
type lab struct {
	rig   *rig.Rig
	hosts []*rig.Host
	image reconcile.Image
}

// newLab starts a host for each of names, reachable in every way.
func newLab(t testing.TB, names ...string) *lab {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	r, err := rig.New(ctx, rig.Options{Name: "fleet-" + dockertest.Unique()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	l := &lab{rig: r}
	for _, name := range names {
		h, err := r.Host(ctx, name, rig.HostOptions{Docker: true, TLS: true, SSH: true})
		if err != nil {
			t.Fatal(err)
		}
		l.hosts = append(l.hosts, h)
	}
	l.load(ctx, t)
	return l
}

// load gives all hosts the same image: made on the first, carried to the others.
func (l *lab) load(ctx context.Context, t testing.TB) {
	t.Helper()
	archive, saved := filepath.Join(t.TempDir(), "hello.tar"), filepath.Join(l.rig.Folder(), "image.tar")
	if err := rig.Pack(ctx, archive, rig.Files{Copies: map[string]string{"/app": dockertest.Binary(t)}}); err != nil {
		t.Fatal(err)
	}
	if err := l.hosts[0].Load(ctx, rig.Image{Ref: "hello:1", Tar: archive, Changes: []string{`CMD ["/app"]`}}); err != nil {
		t.Fatal(err)
	}
	run := func(h *rig.Host, argv ...string) string {
		out, err := h.Run(ctx, argv...)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	run(l.hosts[0], "docker", "save", "-o", saved, "hello:1")
	for _, h := range l.hosts[1:] {
		run(h, "docker", "load", "-i", saved)
	}
	l.image = reconcile.Image{Ref: "hello:1", Digest: run(l.hosts[0], "docker", "image", "inspect", "-f", "{{.Id}}", "hello:1"), Local: true}
}

// text of a host, by the way it is reached.
func viaUnix(h *rig.Host) string { return h.URL() + "?address=" + h.Address.String() }

func viaTLS(h *rig.Host) string {
	f := h.TLSFiles()
	return fmt.Sprintf("%s?address=%s&ca=%s&cert=%s&key=%s", h.TLSURL(), h.Address, f.CA, f.Cert, f.Key)
}

func viaSSH(h *rig.Host) string {
	return fmt.Sprintf("%s%s?address=%s&identity=%s&known_hosts=%s", h.SSHURL(), h.Socket(), h.Address, h.Identity(), h.KnownHosts())
}

// reports are what a fleet told of its hosts, one after the other.
type reports struct {
	mu   sync.Mutex
	told []string
}

func (r *reports) add(host string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	what := host + " is back"
	if err != nil {
		what = host + " is lost: " + err.Error()
	}
	r.told = append(r.told, what)
}

func (r *reports) has(words string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Contains(strings.Join(r.told, "\n"), words)
}

func (r *reports) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string{}, r.told...)
}

// open returns a fleet of the hosts that are named by NAME=TEXT.
func open(t testing.TB, limits fleet.Limits, hosts ...string) (*fleet.Fleet, *reports) {
	t.Helper()
	told := &reports{}
	opts := fleet.Options{
		Engine: docker.Options{ControllerID: "test-" + dockertest.Unique(), Ingress: docker.Ingress{Name: "ingress-" + dockertest.Unique()}},
		Report: told.add, Limits: limits,
	}
	for _, h := range hosts {
		name, text, _ := strings.Cut(h, "=")
		parsed, err := fleet.ParseHost(name, text)
		if err != nil {
			t.Fatal(err)
		}
		opts.Hosts = append(opts.Hosts, parsed)
	}
	f, err := fleet.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f, told
}

// watching is a running Watch.
type watching struct {
	mu      sync.Mutex
	ready   int
	changed map[spec.Name]int
}

// watch runs Watch until the test ends, and returns once it is ready.
func watch(t testing.TB, f *fleet.Fleet) *watching {
	t.Helper()
	w := &watching{changed: map[spec.Name]int{}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- f.Watch(ctx, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.ready++
		}, func(app spec.Name) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.changed[app]++
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the watch ended with %v", err)
		}
		if w.ready != 1 {
			t.Errorf("ready was called %d times", w.ready)
		}
	})
	await(t, "the watch is ready", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.ready > 0
	})
	return w
}

// count is how often an app was said to have changed.
func (w *watching) count(app spec.Name) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed[app]
}

func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %s: %s", limit, what)
		case <-tick.C:
		}
	}
}

func newApp() spec.Name { return spec.Name{Project: "p" + dockertest.Unique(), Service: "web"} }

// replica is the n-th of an app, on a host.
func (l *lab) replica(app spec.Name, n int, host string) reconcile.Step {
	return reconcile.Step{Kind: reconcile.StepEnsure, App: app, Ensure: &reconcile.Ensure{
		Colour: spec.Blue, Replica: n, Generation: int64(n), Rollout: "r-1", Host: host,
		Revision: reconcile.Revision{ID: strings.Repeat("0123abcd", 8), Image: l.image, Port: 8080, Container: spec.Container{
			Image: l.image.Ref, Restart: "no", Networks: []spec.Network{{Name: app.Project + "_default"}},
		}},
	}}
}

func perform(t testing.TB, f *fleet.Fleet, step reconcile.Step) reconcile.Outcome {
	t.Helper()
	out := f.Perform(t.Context(), step)
	if out.Failure != nil {
		t.Fatalf("%s: %s: %s", step, out.Failure.Reason, out.Failure.Message)
	}
	return out
}

// on are the containers of a sight, as "host:replica", with * for a lost one.
func on(seen reconcile.Seen) string {
	var out []string
	for _, c := range seen.Containers {
		text := fmt.Sprintf("%s:%d", c.Host, c.Replica)
		if c.Lost {
			text += "*"
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

func aways(seen reconcile.Seen) string {
	var out []string
	for _, a := range seen.Away {
		out = append(out, a.Host)
	}
	return strings.Join(out, " ")
}

func observe(t testing.TB, f *fleet.Fleet, app spec.Name, hosts ...string) reconcile.Seen {
	t.Helper()
	seen, err := f.Observe(t.Context(), app, reconcile.Look{Hosts: hosts})
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

// folder is one with a short path, for sockets.
func folder(t testing.TB) string {
	t.Helper()
	out, err := os.MkdirTemp("", "teal-fleet-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(out); err != nil {
			t.Error(err)
		}
	})
	return out
}
