package docker_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"teal/deploy/docker"
	"teal/deploy/docker/dockertest"
	"teal/reconcile"
	"teal/spec"
)

// wire passes bytes between a socket of the test's own and the engine's, until
// it is cut.
type wire struct {
	path     string
	mu       sync.Mutex
	listener net.Listener
	open     []net.Conn
	running  sync.WaitGroup
}

func (w *wire) connect(t *testing.T) {
	t.Helper()
	l, err := net.Listen("unix", w.path)
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	w.listener = l
	w.mu.Unlock()
	dial := dockertest.Client(t).Dialer()
	w.running.Go(func() { // ends when the listener is closed
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := dial(context.Background())
			if err != nil {
				near.Close()
				return
			}
			w.mu.Lock()
			w.open = append(w.open, near, far)
			late := w.listener != l
			w.mu.Unlock()
			if late {
				near.Close()
				far.Close()
				return
			}
			w.running.Go(func() { pipe(near, far) })
			w.running.Go(func() { pipe(far, near) })
		}
	})
}

func pipe(to, from net.Conn) {
	_, copying := io.Copy(to, from) // ends when either side is closed, which is no fault
	_ = errors.Join(copying, to.Close())
}

// cut ends what passes and waits for the end.
func (w *wire) cut() {
	w.mu.Lock()
	w.listener.Close()
	w.listener = nil
	for _, c := range w.open {
		c.Close()
	}
	w.open = nil
	w.mu.Unlock()
	w.running.Wait()
}

func TestEngineIsFoundAgainAfterItWasAway(t *testing.T) {
	w := &wire{path: filepath.Join(t.TempDir(), "engine.sock")}
	w.connect(t)
	engine, _ := open(t, docker.Options{Host: "unix://" + w.path})
	name := app(t)
	img := local(t, dockertest.Options{})
	en := replica(name, img, spec.Blue)
	ensured(t, engine, name, en)
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- engine.Watch(t.Context(), func() { close(ready) }, func(spec.Name) {}) }()
	<-ready
	w.cut()
	select {
	case err := <-ended:
		if err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("the watch ended with %v", err)
		}
	case <-time.After(limit):
		t.Fatal("the watch goes on without an engine")
	}
	if _, err := engine.Observe(t.Context(), name, reconcile.Look{}); err == nil {
		t.Error("an engine that is away shows something")
	}
	if _, err := engine.Apps(t.Context()); err == nil {
		t.Error("an engine that is away lists apps")
	}
	wants(t, ensure(t, engine, name, en), reconcile.Infra, reconcile.ReasonEngineUnavailable, "")
	wants(t, resolve(t, engine, img.Ref, spec.PullMissing).Failure, reconcile.Infra, reconcile.ReasonEngineUnavailable, "")
	w.connect(t)
	defer w.cut()
	if c := ensured(t, engine, name, en); c.State != reconcile.Running {
		t.Errorf("%+v", c)
	}
}

// answering is an engine that answers every question about a container, and
// nothing else, with status and words.
func answering(t *testing.T, status int, words string) *docker.Engine {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		w.Header().Set("Content-Type", "application/json")
		if strings.Contains(r.URL.Path, "/containers/") {
			w.WriteHeader(status)
			json.NewEncoder(w).Encode(map[string]string{"message": words})
		}
	}))
	t.Cleanup(server.Close)
	engine, err := docker.New(docker.Options{ControllerID: "test", Host: "tcp://" + server.Listener.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

func TestAnswersAreClassified(t *testing.T) {
	for _, c := range []struct {
		status int
		words  string
		class  reconcile.FailureClass
		reason reconcile.Reason
	}{
		{500, "write /var/lib/docker/tmp/x: no space left on device", reconcile.Infra, reconcile.ReasonDiskFull},
		{500, "driver failed programming external connectivity on endpoint x: Bind for 0.0.0.0:80 failed: port is already allocated", reconcile.Infra, reconcile.ReasonPortTaken},
		{500, "Error starting userland proxy: listen tcp4 0.0.0.0:80: bind: address already in use", reconcile.Infra, reconcile.ReasonPortTaken},
		{403, "failed to set up container networking: Address already in use", reconcile.Infra, reconcile.ReasonAddressTaken},
		{500, "something broke", reconcile.Infra, reconcile.ReasonEngineUnavailable},
		{503, "the daemon is shutting down", reconcile.Infra, reconcile.ReasonEngineUnavailable},
		{409, "removal of container x is already in progress", reconcile.Infra, reconcile.ReasonEngineUnavailable},
		{400, "invalid mount config", reconcile.Permanent, reconcile.ReasonEngineRefused},
		{403, "authorization denied by plugin", reconcile.Permanent, reconcile.ReasonEngineRefused},
	} {
		f := answering(t, c.status, c.words).Perform(t.Context(), reconcile.Step{Kind: reconcile.StepStop, Container: "x"}).Failure
		wants(t, f, c.class, c.reason, c.words)
	}
}

func TestEngineThatHangsIsGivenUp(t *testing.T) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		if !strings.HasSuffix(r.URL.Path, "_ping") {
			<-hang
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(hang) })
	engine, err := docker.New(docker.Options{
		ControllerID: "test", Host: "tcp://" + server.Listener.Addr().String(), Limits: docker.Limits{Call: 50 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	name := spec.Name{Project: "p", Service: "web"}
	if _, err := engine.Observe(t.Context(), name, reconcile.Look{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("observe: %v", err)
	}
	step := reconcile.Step{Kind: reconcile.StepRemove, Container: "x"}
	wants(t, engine.Perform(t.Context(), step).Failure, reconcile.Infra, reconcile.ReasonEngineUnavailable, "deadline")
}

// An engine that was upgraded, or another one in its place, is spoken to in its
// own version.
func TestVersionIsNegotiatedAnewAfterALoss(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	engine, err := docker.New(docker.Options{ControllerID: "test", Host: "tcp://" + address})
	if err != nil {
		t.Fatal(err)
	}
	for i, version := range []string{"1.41", "1.43"} {
		if i > 0 {
			if _, err := engine.Apps(t.Context()); err == nil {
				t.Fatal("an engine that is away lists apps")
			}
			if listener, err = net.Listen("tcp", address); err != nil {
				t.Fatal(err)
			}
		}
		asked := make(chan string, 10)
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Api-Version", version)
			asked <- r.URL.Path
			_, _ = io.WriteString(w, "[]") // the answer to a ping is not read
		}))
		server.Listener.Close()
		server.Listener = listener
		server.Start()
		if _, err := engine.Apps(t.Context()); err != nil {
			t.Error(err)
		}
		server.Close()
		close(asked)
		last := ""
		for path := range asked {
			last = path
		}
		if !strings.HasPrefix(last, "/v"+version+"/") {
			t.Errorf("an engine of version %s was asked for %s", version, last)
		}
	}
}

func TestStepsOfOthersAreRefused(t *testing.T) {
	engine, _ := open(t, docker.Options{})
	for _, kind := range []reconcile.StepKind{reconcile.StepRoute, reconcile.StepUnroute, reconcile.StepEnsure, reconcile.StepTest, "dance"} {
		wants(t, engine.Perform(t.Context(), reconcile.Step{Kind: kind}).Failure, reconcile.Permanent, reconcile.ReasonEngineRefused, string(kind))
	}
}
