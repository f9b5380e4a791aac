package docker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync/atomic"
	"testing"

	"teal/deploy/docker"
	"teal/deploy/docker/dockertest"
	"teal/reconcile"
	"teal/spec"
)

// An engine that ended while it started a container says this to every later
// start of it.
func TestAHalfStartedContainerIsMadeAgain(t *testing.T) {
	for _, words := range []string{
		"task %s: already exists: unknown",
		"failed to start shim: mkdir /run/containerd/io.containerd.runtime.v2.task/moby/%s: file exists: unknown",
	} {
		halfStarted(t, words)
	}
}

func halfStarted(t *testing.T, words string) {
	t.Helper()
	var refused atomic.Int32
	dial := dockertest.Client(t).Dialer()
	behind := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "engine" },
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dial(ctx)
		}},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, start := strings.CutSuffix(r.URL.Path, "/start")
		if id = id[strings.LastIndex(id, "/")+1:]; start && refused.Add(1) == 1 {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusInternalServerError)
			json.NewEncoder(w).Encode(map[string]string{"message": fmt.Sprintf(words, id)})
			return
		}
		behind.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	engine, _ := open(t, docker.Options{Host: "tcp://" + server.Listener.Addr().String()})
	name := app(t)
	c := ensured(t, engine, name, replica(name, local(t, dockertest.Options{}), spec.Blue))
	if c.State != reconcile.Running || refused.Load() != 2 {
		t.Errorf("%s after %d starts, want it running after the second", c.State, refused.Load())
	}
}
