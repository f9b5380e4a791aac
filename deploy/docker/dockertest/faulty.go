package dockertest

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/registry"
)

// FaultyRegistry is a registry in the test's own process that fails when told
// to. It is for faults only: a pull that must work uses Registry.
type FaultyRegistry struct {
	RegistryServer
	mu    sync.Mutex
	fault func(w http.ResponseWriter, r *http.Request) bool
}

// Faulty starts a registry without faults. It is stopped when the test ends.
func Faulty(t testing.TB) *FaultyRegistry {
	t.Helper()
	return serveFaulty(t, nil, registry.New(registry.Logger(log.New(io.Discard, "", 0))))
}

// FaultyBefore puts a place for faults in front of a real registry, where l
// listens. It is closed when the test ends.
func FaultyBefore(t testing.TB, real *RegistryServer, l net.Listener) *FaultyRegistry {
	t.Helper()
	return serveFaulty(t, l, &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host = "http", real.Address
		r.Out.Host = r.In.Host // it is named in answers
	}})
}

func serveFaulty(t testing.TB, l net.Listener, healthy http.Handler) *FaultyRegistry {
	t.Helper()
	f := &FaultyRegistry{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		fault := f.fault
		f.mu.Unlock()
		if fault != nil && fault(w, r) {
			return
		}
		healthy.ServeHTTP(w, r)
	}))
	if l != nil {
		server.Listener.Close()
		server.Listener = l
	}
	server.Start()
	t.Cleanup(func() {
		server.CloseClientConnections() // an engine may keep the one of a pull that was given up
		server.Close()
	})
	f.RegistryServer = RegistryServer{Address: strings.TrimPrefix(server.URL, "http://"), Auth: authn.Anonymous}
	return f
}

// Break makes every later request go to fault first; it returns true if it has
// answered. nil ends the fault.
func (f *FaultyRegistry) Break(fault func(w http.ResponseWriter, r *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

// Answer makes every later request for a manifest or layer fail with status,
// headers ("Name: value") and the error code and words of a registry.
func (f *FaultyRegistry) Answer(status int, code, message string, headers ...string) {
	f.Break(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v2/" {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ":")
			w.Header().Set(name, strings.TrimSpace(value))
		}
		w.WriteHeader(status)
		io.WriteString(w, `{"errors":[{"code":"`+code+`","message":"`+message+`"}]}`)
		return true
	})
}
