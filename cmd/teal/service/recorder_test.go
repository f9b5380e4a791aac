package service

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"teal/deploy/docker"
	"teal/deploy/docker/dockertest"
	"teal/deploy/workbench"
)

// engineSocket is the real one.
const engineSocket = "/var/run/docker.sock"

// recorder stands in front of the engine's socket and notes what is asked.
type recorder struct {
	mu    sync.Mutex
	asked map[string]int // by endpoint
	alien map[string]int // requests that no endpoint is for
}

// known are the endpoints, with their patterns.
var known = sync.OnceValue(func() map[string]*regexp.Regexp {
	out := map[string]*regexp.Regexp{}
	for _, e := range docker.Endpoints() {
		out[e.Method+" "+e.Path] = regexp.MustCompile(e.Pattern())
	}
	return out
})

func (r *recorder) note(method, path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, pattern := range known() {
		if m, _, _ := strings.Cut(name, " "); m == method && pattern.MatchString(path) {
			r.asked[name]++
			return
		}
	}
	r.alien[method+" "+path]++
}

// record puts a recorder in front of the engine for all that the house does.
func record(h *house) *recorder {
	h.t.Helper()
	r := &recorder{asked: map[string]int{}, alien: map[string]int{}}
	socket := filepath.Join(h.folder, "recorder.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		h.t.Fatal(err)
	}
	forward := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host = "http", "engine"
		},
		FlushInterval: -1,
		ErrorLog:      log.New(h.log, "recorder: ", 0),
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", engineSocket)
		}},
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.note(q.Method, q.URL.Path)
		forward.ServeHTTP(w, q)
	})}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = srv.Serve(l) // ends by Close
	}()
	h.t.Cleanup(func() {
		_ = srv.Close()
		<-ended
	})
	h.env = append(h.env, "DOCKER_HOST=unix://"+socket)
	return r
}

// excused are endpoints that the lives below need not reach, and why.
var excused = map[string]string{
	"GET /_ping":                    "only where an engine refuses HEAD",
	"POST /containers/{id}/unpause": "only after somebody paused the proxy; the tests of deploy/docker do",
	"GET /distribution/{name}/json": "only where the registry is not reached from here but from the engine; the tests of deploy/docker do",
	"POST /images/{name}/tag":       "only where a pulled digest has a tag to be kept; the tests of deploy/docker do",
	"PUT /containers/{id}/archive":  "only for an nginx container that is not Teal's; the tests of deploy/proxy/nginx do",
	"GET /containers/{id}/archive":  "the same",
}

// What an app's whole life asks of the engine is listed, and what is listed is
// asked.
func TestALifeAsksWhatIsListed(t *testing.T) {
	h := newHouse(t)
	r := record(h)
	life(h)
	nginxLife(t, r)
	r.mu.Lock()
	defer r.mu.Unlock()
	for request, n := range r.alien {
		t.Errorf("asked %d times, and not listed: %s", n, request)
	}
	var missing []string
	for name := range known() {
		if _, ok := excused[name]; r.asked[name] == 0 && !ok {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	if len(missing) > 0 {
		t.Errorf("listed and never asked:\n%s", strings.Join(missing, "\n"))
	}
	t.Logf("%d endpoints were asked: %v", len(r.asked), r.asked)
}

// life deploys, updates, undoes, aborts, fails, looks and removes.
func life(h *house) {
	h.t.Helper()
	v1, v2 := image(h.t, "v1"), image(h.t, "v2")
	bad := dockertest.Image(h.t, "v3", dockertest.Options{Env: map[string]string{"VERSION": "v3", "BREAK": "unhealthy"}})
	registry := dockertest.Registry(h.t, nil)
	pulled, _ := registry.Push(h.t, "dep:1", dockertest.Options{Env: map[string]string{"VERSION": "dep"}})
	dep := "  dep:\n    image: " + pulled + "\n    volumes: [\"data:/data\"]\nvolumes:\n  data: {}\n"
	h.edit(h.wants(v1, dep))
	h.start()
	h.synced(v1)
	h.edit(h.wants(v2, dep))
	h.synced(v2)
	h.well("undo", "web", "--timeout", "2m")
	h.edit(strings.Replace(h.wants(bad, dep), "health: {http: /health}", "health: {http: /health, deadline: 3s}", 1))
	h.until("the broken version is held", func() error {
		out, err := h.teal("history", "web")
		if err == nil && !strings.Contains(out, "Unhealthy") {
			err = fmt.Errorf("not yet: %s", out)
		}
		return err
	})
	h.edit(strings.Replace(h.wants(v2, dep), "health: {http: /health}", "health: {http: /health}\n      promotion: manual", 1))
	h.until("a rollout can be aborted", func() error {
		out, err := h.teal("abort", "web")
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	h.well("doctor", "--http", h.listen)
	h.well("logs", "web", "--tail", "5")
	if out, err := exec.Command("docker", append([]string{"rm", "-f"}, h.replicas()...)...).CombinedOutput(); err != nil {
		h.t.Fatalf("remove by hand: %v: %s", err, out)
	}
	h.well("wait", "--for=serving", "--timeout", "2m")
	before := h.proxies()
	h.replace("1.1.0") // the proxy is handed over
	h.stop()
	h.start()
	h.replaced(before)
	h.stop()
	h.well("down", "--yes", "--volumes", "--controller", h.id)
}

// replicas are the ids of the app's containers.
func (h *house) replicas() []string {
	h.t.Helper()
	out, err := exec.Command("docker", "ps", "-q", "--filter", "label=teal.controller="+h.id, "--filter", "label=teal.service=web").Output()
	if err != nil || len(out) == 0 {
		h.t.Fatalf("replicas %q, %v", out, err)
	}
	return strings.Fields(string(out))
}

// nginxLife is a short life behind an nginx in a container.
func nginxLife(t *testing.T, r *recorder) {
	t.Helper()
	bench, err := workbench.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	purpose := "test-" + dockertest.Unique()
	nginx := "teal-test-nginx:" + purpose
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := bench.RemoveImages(ctx, purpose); err != nil {
			t.Error(err)
		}
		if err := bench.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := bench.MakeNginx(t.Context(), nginx, purpose); err != nil {
		t.Fatal(err)
	}
	h := newHouse(t)
	own := record(h)
	v1, v2 := image(t, "v1"), image(t, "v2")
	flags := []string{"--proxy", "nginx", "--nginx-image", nginx, "--nginx-admin", freeAddress(t)}
	h.flags = flags
	h.edit(h.wants(v1))
	h.start()
	h.synced(v1)
	h.edit(h.wants(v2))
	h.synced(v2)
	h.well(append([]string{"doctor", "--http", h.listen, "--controller", h.id}, flags...)...)
	h.stop()
	h.well("down", "--yes", "--controller", h.id)
	own.mu.Lock()
	defer own.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, n := range own.asked {
		r.asked[name] += n
	}
	for name, n := range own.alien {
		r.alien[name] += n
	}
}

// A real socket proxy that allows what is listed and nothing else: Teal works
// behind it, and others are refused.
func TestBehindASocketProxy(t *testing.T) {
	v1, v2 := image(t, "v1"), image(t, "v2")
	h := newHouse(t)
	socket := filepath.Join(h.folder, "engine.sock")
	haproxy := exec.Command("haproxy", "-db", "-f", "../../../deploy/socketproxy/haproxy.cfg")
	haproxy.Env = append(os.Environ(), "ENGINE_SOCKET="+engineSocket, "TEAL_SOCKET="+socket)
	haproxy.Stderr = h.log
	if err := haproxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = haproxy.Process.Kill()
		_ = haproxy.Wait()
	})
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}}}
	ask := func(method, path string) (int, error) {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://engine"+path, nil)
		if err != nil {
			return 0, err
		}
		resp, err := client.Do(req)
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
	h.until("the socket proxy answers", func() error {
		got, err := ask("GET", "/_ping")
		if err == nil && got != http.StatusOK {
			err = fmt.Errorf("status %d", got)
		}
		return err
	})
	for _, denied := range []string{
		"GET /v1.41/secrets", "POST /v1.41/build", "POST /v1.41/containers/prune", "POST /v1.41/containers/x/attach", "GET /v1.41/images/x/get",
		"POST /v1.41/swarm/init", "DELETE /v1.41/containers/json/../x", "GET /v1.41/containers/x%2fjson", "PUT /v1.41/containers/x/json", "GET /",
	} {
		method, path, _ := strings.Cut(denied, " ")
		if got, err := ask(method, path); err != nil || got != http.StatusForbidden {
			t.Errorf("%s: %d, %v; want it denied", denied, got, err)
		}
	}
	h.env = append(h.env, "DOCKER_HOST=unix://"+socket)
	h.edit(h.wants(v1))
	h.start()
	h.synced(v1)
	end := h.load(t.Context())
	h.edit(h.wants(v2))
	h.synced(v2)
	h.well("undo", "web", "--timeout", "2m")
	end()
	h.well("doctor", "--http", h.listen)
	h.well("logs", "web", "--tail", "5")
}
