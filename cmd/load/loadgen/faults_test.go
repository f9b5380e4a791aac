package loadgen

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const limit = 10 * time.Second

func waitFor(t *testing.T, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !met(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain", limit)
		}
	}
}

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}

func start(t *testing.T, cfg Config) *Generator {
	t.Helper()
	g, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	g.Start(t.Context())
	t.Cleanup(func() { g.Stop() })
	return g
}

// rudeServer answers requests on raw connections, so that it can misbehave.
type rudeServer struct {
	url  string
	seen atomic.Int64
}

// serveRudely calls answer with every request and its number on its connection,
// from 1, until it returns false; then the connection is closed.
func serveRudely(t *testing.T, answer func(c *net.TCPConn, nth int) bool) *rudeServer {
	t.Helper()
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s := &rudeServer{url: "http://" + listener.Addr().String()}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			c, err := listener.AcceptTCP()
			if err != nil {
				return
			}
			work.Go(func() { s.serve(c, answer) })
		}
	})
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
		work.Wait()
	})
	return s
}

func (s *rudeServer) serve(c *net.TCPConn, answer func(*net.TCPConn, int) bool) {
	defer c.Close()
	reader := bufio.NewReader(c)
	for nth := 1; ; nth++ {
		req, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return
		}
		s.seen.Add(1)
		if !answer(c, nth) {
			return
		}
	}
}

func say(c *net.TCPConn, text string) bool {
	_, err := io.WriteString(c, text)
	return err == nil
}

const good = "HTTP/1.1 200 OK\r\nVersion: v1\r\nContent-Length: 2\r\n\r\nok"

func TestEveryFaultIsCountedOnce(t *testing.T) {
	for name, c := range map[string]struct {
		kind   Kind
		answer func(c *net.TCPConn, nth int) bool
	}{
		"reset instead of an answer": {Reset, func(c *net.TCPConn, _ int) bool {
			return c.SetLinger(0) != nil
		}},
		"closed instead of an answer": {Closed, func(*net.TCPConn, int) bool { return false }},
		"closed after the headers": {Closed, func(c *net.TCPConn, _ int) bool {
			say(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
			return false
		}},
		"closed inside a chunk": {Closed, func(c *net.TCPConn, _ int) bool {
			say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")
			return false
		}},
		"no HTTP": {Closed, func(c *net.TCPConn, _ int) bool {
			say(c, "hello\r\n\r\n")
			return false
		}},
		"502 on a kept connection": {Status, func(c *net.TCPConn, _ int) bool {
			return say(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
		}},
		"redirect, which is not followed": {Status, func(c *net.TCPConn, _ int) bool {
			return say(c, "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")
		}},
		"half an answer, then nothing": {TimedOut, func(c *net.TCPConn, _ int) bool {
			return say(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")
		}},
		"no answer": {TimedOut, func(*net.TCPConn, int) bool { return true }},
	} {
		t.Run(name, func(t *testing.T) {
			server := serveRudely(t, c.answer)
			g := start(t, Config{URL: server.url, Rate: 200, Timeout: 300 * time.Millisecond, Connections: 2, Samples: 4})
			waitFor(t, func() bool { return g.Snapshot().Sent >= 20 })
			r := g.Stop()
			if r.Sent != server.seen.Load() {
				t.Errorf("sent %d, the server saw %d", r.Sent, server.seen.Load())
			}
			if r.Failed != r.Sent || r.Failures[c.kind] != r.Sent || r.OK != 0 {
				t.Errorf("want every request to fail as %q:\n%s", c.kind, r)
			}
			if len(r.Errors) != 4 || r.Errors[0].Text == "" || r.Errors[0].At.IsZero() {
				t.Errorf("failures are kept as %+v", r.Errors)
			}
		})
	}
}

func TestNothingListens(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := fmt.Sprintf("http://%s/", listener.Addr())
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	g := start(t, Config{URL: url, Rate: 200})
	waitFor(t, func() bool { return g.Snapshot().Sent >= 20 })
	if r := g.Stop(); r.Failures[Refused] != r.Sent {
		t.Errorf("want every request refused:\n%s", r)
	}
}

// A server that closes a kept connection instead of answering is what net/http
// hides from users of GET: it repeats the request on another connection.
func TestLostRequestsOnKeptConnectionsAreNotRepeated(t *testing.T) {
	for method, c := range map[string]struct {
		share float64
		kind  Kind
	}{"GET": {-1, Replayed}, "POST": {1, Closed}} {
		t.Run(method, func(t *testing.T) {
			var lost atomic.Int64
			server := serveRudely(t, func(c *net.TCPConn, nth int) bool {
				if nth%3 == 0 {
					lost.Add(1)
					return false
				}
				return say(c, good)
			})
			g := start(t, Config{URL: server.url, Rate: 300, Post: c.share, Connections: 1})
			waitFor(t, func() bool { return g.Snapshot().Sent >= 60 })
			r := g.Stop()
			if lost.Load() == 0 || r.Failed != lost.Load() || r.Failures[c.kind] != lost.Load() {
				t.Errorf("the server lost %d, want as many %q:\n%s", lost.Load(), c.kind, r)
			}
		})
	}
}
