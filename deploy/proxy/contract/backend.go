package contract

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// server is an app's container, as far as a proxy can tell: it answers its name.
type server struct {
	address string
	name    string
	hits    atomic.Int64
	srv     *http.Server
	done    sync.WaitGroup
}

// start runs a backend that answers its name to everything.
func (e *env) start(name string) *server { return e.startWith(name, nil) }

// startWith runs a backend with a handler of its own.
func (e *env) startWith(name string, h http.HandlerFunc) *server {
	e.t.Helper()
	ln, err := net.Listen("tcp", net.JoinHostPort(e.BackendHost, "0"))
	if err != nil {
		e.t.Fatal(err)
	}
	return e.serveOn(ln, name, h)
}

func (e *env) serveOn(ln net.Listener, name string, h http.HandlerFunc) *server {
	s := &server{address: ln.Addr().String(), name: name}
	if h == nil {
		h = func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err == nil {
				fmt.Fprint(w, name)
			}
		}
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	s.srv = &http.Server{Protocols: protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.hits.Add(1)
		h(w, r)
	})}
	s.done.Go(func() { _ = s.srv.Serve(ln) }) // ends by stop
	e.t.Cleanup(s.stop)
	return s
}

// stop ends the backend as SIGKILL would: listener and connections at once.
func (s *server) stop() {
	_ = s.srv.Close() // the second call finds nothing
	s.done.Wait()
}

// rawServer is a backend below HTTP: what it does with a connection is up to
// the test. Its connections are closed when the test ends.
func (e *env) rawServer(serve func(net.Conn)) *server {
	e.t.Helper()
	ln, err := net.Listen("tcp", net.JoinHostPort(e.BackendHost, "0"))
	if err != nil {
		e.t.Fatal(err)
	}
	s := &server{address: ln.Addr().String(), srv: &http.Server{}}
	var mu sync.Mutex
	var open []net.Conn
	var over bool
	s.done.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			if open = append(open, nc); over {
				_ = nc.Close()
			}
			mu.Unlock()
			s.done.Go(func() {
				defer nc.Close()
				s.hits.Add(1)
				serve(nc)
			})
		}
	})
	e.t.Cleanup(func() {
		_ = ln.Close()
		mu.Lock()
		over = true
		for _, nc := range open {
			_ = nc.Close() // those that ended are closed already
		}
		mu.Unlock()
		s.done.Wait()
	})
	return s
}

// refusing returns an address on which nothing listens.
func (e *env) refusing() *server {
	e.t.Helper()
	ln, err := net.Listen("tcp", net.JoinHostPort(e.BackendHost, "0"))
	if err != nil {
		e.t.Fatal(err)
	}
	defer ln.Close()
	return &server{address: ln.Addr().String()}
}

func mustNot(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
