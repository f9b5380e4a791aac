package faults

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"teal/deploy/docker/dockertest"
	"teal/deploy/rig"
	"teal/reconcile"
)

// registryHost is where each stage that has one finds its registry. Engines take
// a registry on the loopback address without TLS.
const registryHost = "127.0.0.1:5000"

// plainRegistry is the same registry at an address that is not private: only an
// engine that was told to would speak to it without TLS, so that Teal has to ask
// by way of the engine.
const plainRegistry = "198.51.100.7:5000"

// registry starts a real registry for the stage's host, behind a place for
// faults, with team/app:2 and team/app:3 in it.
func (s *stage) registry(t testing.TB) *dockertest.FaultyRegistry {
	t.Helper()
	server := dockertest.Registry(t, nil)
	server.Push(t, "team/app:2", dockertest.Options{Env: map[string]string{"VERSION": "v2"}})
	server.Push(t, "team/app:3", dockertest.Options{Env: map[string]string{"VERSION": "v3"}})
	s.registryServer = server
	ip, _, err := net.SplitHostPort(plainRegistry)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Run(t.Context(), "ip", "addr", "add", ip+"/32", "dev", "lo"); err != nil {
		t.Fatal(err)
	}
	before := func(address string) *dockertest.FaultyRegistry {
		l, err := s.Listen(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		return dockertest.FaultyBefore(t, server, l)
	}
	before(plainRegistry)
	return before(registryHost)
}

// TestRegistryFails takes the registry away in every way while a new version is
// wanted: stable serves on, what is wrong is told with the registry's words, and
// the rollout goes on by itself, or is held where trying again is of no use.
func TestRegistryFails(t *testing.T) {
	long(t)
	t.Parallel()
	for _, c := range []struct {
		name   string
		fault  func(f *dockertest.FaultyRegistry)
		reason reconcile.Reason
		words  string
		held   bool
	}{
		{"denied", func(f *dockertest.FaultyRegistry) { f.Answer(http.StatusForbidden, "DENIED", "not for you") }, reconcile.ReasonImageDenied, "not for you", true},
		{"unauthorized", func(f *dockertest.FaultyRegistry) { f.Answer(http.StatusUnauthorized, "UNAUTHORIZED", "who are you") }, reconcile.ReasonImageDenied, "who are you", true},
		{"no such image", func(f *dockertest.FaultyRegistry) {
			f.Answer(http.StatusNotFound, "MANIFEST_UNKNOWN", "never heard of it")
		}, reconcile.ReasonImageNotFound, "team/app:2", true},
		{"too many requests", func(f *dockertest.FaultyRegistry) {
			f.Answer(http.StatusTooManyRequests, "TOOMANYREQUESTS", "slow down", "Retry-After: 2")
		}, reconcile.ReasonRegistryUnavailable, "429", false},
		{"broken", func(f *dockertest.FaultyRegistry) { f.Answer(http.StatusBadGateway, "UNKNOWN", "out of order") }, reconcile.ReasonRegistryUnavailable, "team/app:2", false},
		{"away", func(f *dockertest.FaultyRegistry) { f.Break(hangUp) }, reconcile.ReasonRegistryUnavailable, "team/app:2", false},
		{"hanging", func(f *dockertest.FaultyRegistry) { f.Break(hang) }, reconcile.ReasonRegistryUnavailable, "team/app:2", false},
		{"hanging in a layer", func(f *dockertest.FaultyRegistry) { f.Break(inLayers(hang)) }, reconcile.ReasonRegistryUnavailable, "no progress", false},
		{"half a layer", func(f *dockertest.FaultyRegistry) { f.Break(inLayers(half)) }, reconcile.ReasonRegistryUnavailable, "team/app:2", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, rig.HostOptions{})
			f := s.registry(t)
			x := newSite(t, s)
			x.edit(x.wants("app:v1"))
			x.start("--engine-limit", limit)
			x.settled("v1")
			stop := x.load()
			c.fault(f)
			wish := func(n string) string {
				return strings.Replace(x.wants(registryHost+"/team/app:"+n), "never", "missing", 1)
			}
			x.edit(wish("2"))
			st := x.says("it is told", func(s reconcile.Status) bool {
				return s.Hold != nil && c.held || s.Backoff != nil && !c.held
			})
			said, reason := "", reconcile.Reason("")
			if c.held {
				said, reason = st.Hold.Message, st.Hold.Reason
			} else {
				said, reason = st.Backoff.Failure.Message, st.Backoff.Failure.Reason
			}
			if reason != c.reason || !strings.Contains(said, c.words) {
				t.Errorf("told as %s: %q, want %s with %q", reason, said, c.reason, c.words)
			}
			if out, _ := x.teal("status"); !strings.Contains(out, "team/app:2") {
				t.Errorf("status does not name the image:\n%s", out)
			}
			f.Break(nil)
			if c.held {
				x.edit(wish("3"))
				x.settled("v3")
			} else {
				x.settled("v2")
			}
			x.only()
			lossless(t, stop())
		})
	}
}

// hangUp ends the connection without an answer.
func hangUp(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }

// hang answers nothing until the client has gone.
func hang(_ http.ResponseWriter, r *http.Request) bool {
	<-r.Context().Done()
	return true
}

// half sends the beginning of a layer and hangs up.
func half(w http.ResponseWriter, _ *http.Request) bool {
	w.Header().Set("Content-Length", "100000")
	_, _ = io.WriteString(w, "half a layer") // it is not to come through
	panic(http.ErrAbortHandler)
}

// inLayers does a fault to blobs only: a manifest is told as it is.
func inLayers(fault func(http.ResponseWriter, *http.Request) bool) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		return strings.Contains(r.URL.Path, "/blobs/") && fault(w, r)
	}
}
