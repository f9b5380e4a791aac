package gittest

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// HTTPS is a server of smart HTTP with a certificate of its own authority.
type HTTPS struct {
	URL      string // https://127.0.0.1:PORT
	CA       string // PEM file of the authority
	Projects string // folder of its repositories

	// User and Password are asked for if they are set.
	User, Password string
	// Wrap, when set, stands in front of git.
	Wrap atomic.Pointer[func(http.Handler) http.Handler]
	// Requests counts what was answered by git.
	Requests atomic.Int64

	git http.Handler
}

// StartHTTPS runs a server until the test ends.
func StartHTTPS(t testing.TB) *HTTPS {
	t.Helper()
	program, err := exec.LookPath("git")
	if err != nil {
		t.Fatal("this test needs git")
	}
	h := &HTTPS{Projects: t.TempDir()}
	h.git = &cgi.Handler{
		Path: program, Args: []string{"http-backend"}, InheritEnv: []string{"PATH"}, Stderr: io.Discard,
		Env: []string{"GIT_PROJECT_ROOT=" + h.Projects, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null"},
	}
	server := httptest.NewTLSServer(http.HandlerFunc(h.serve))
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	h.URL, h.CA = server.URL, filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(h.CA, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *HTTPS) serve(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	if h.Password != "" && (user != h.User || password != h.Password) {
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	next := h.git
	if wrap := h.Wrap.Load(); wrap != nil {
		next = (*wrap)(next)
	}
	h.Requests.Add(1)
	next.ServeHTTP(w, r)
}

// Repository makes an empty repository on the server.
func (h *HTTPS) Repository(t testing.TB, name string) *Repository { return New(t, h.Projects, name) }
