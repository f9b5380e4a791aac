package contract

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"teal/spec"
)

func testRetryUnsent(t *testing.T, e *env) {
	e.apply(routeTo(on(spec.Blue, "r1", e.refusing(), e.start("up"), e.refusing())))
	c := e.dial()
	for i := range 30 {
		if a := c.ask(request("POST", "/", "h", "body")); a.body != "up" {
			t.Fatalf("POST %d: %d %q, want the target that listens", i, a.status, a.body)
		}
	}
}

// A backend that takes a part of a POST and dies: the POST may have been acted
// upon, so it must not be sent again.
func testNoReplay(t *testing.T, e *env) {
	for name, body := range map[string]string{"small": "hello", "large": strings.Repeat("x", 1<<20)} {
		t.Run(name, func(t *testing.T) {
			dying := func(nc net.Conn) { _, _ = io.ReadFull(nc, make([]byte, 40)) }
			one, two := e.rawServer(dying), e.rawServer(dying)
			e.apply(routeTo(on(spec.Blue, "r-"+name, one, two)))
			c := e.dial()
			_, _ = io.WriteString(c.nc, request("POST", "/", "h", body)) // the proxy may stop reading
			a, err := c.receive("POST")
			if err == nil && a.status != http.StatusBadGateway {
				t.Errorf("status %d, want 502", a.status)
			}
			if n := one.hits.Load() + two.hits.Load(); n != 1 {
				t.Errorf("the POST was sent %d times", n)
			}
		})
	}
}

// A backend that takes a POST on a kept connection and closes it without a word:
// that looks like a connection that had died before, and still the POST may have
// been acted upon. A GET is safe to send again.
func testNoReplayOnKept(t *testing.T, e *env) {
	for _, method := range []string{"POST", "GET"} {
		var seen atomic.Int64
		s := e.rawServer(func(nc net.Conn) {
			br := bufio.NewReader(nc)
			for {
				r, err := http.ReadRequest(br)
				if err != nil {
					return
				}
				_, err = io.Copy(io.Discard, r.Body)
				if err != nil || seen.Add(1) == 2 {
					return
				}
				if _, err := io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); err != nil {
					return
				}
			}
		})
		e.apply(routeTo(on(spec.Blue, "r-"+method, s)))
		c := e.dial()
		c.ask(request(method, "/", "h", bodyFor(method)))
		a := c.ask(request(method, "/", "h", bodyFor(method)))
		switch {
		case method == "POST" && (a.status != http.StatusBadGateway || seen.Load() != 2):
			t.Errorf("the POST was sent %d times, status %d; want once and 502", seen.Load()-1, a.status)
		case method == "GET" && (a.status != http.StatusOK || seen.Load() != 3):
			t.Errorf("the GET was sent %d times, status %d; want it sent again", seen.Load()-1, a.status)
		}
	}
}

// An app that closes idle connections early, and one that closes each
// connection after some requests: no POST may be lost to that.
func testKeptConnections(t *testing.T, e *env) {
	var conns atomic.Int64
	s := e.rawServer(func(nc net.Conn) {
		conns.Add(1)
		br := bufio.NewReader(nc)
		for range 5 {
			if nc.SetReadDeadline(time.Now().Add(1200*time.Millisecond)) != nil {
				return
			}
			r, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return
			}
			if _, err := io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); err != nil {
				return
			}
		}
	})
	e.apply(routeTo(on(spec.Blue, "r1", s)))
	c := e.dial()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i := range 40 {
		<-tick.C
		if a := c.ask(request("POST", "/", "h", "x")); a.status != http.StatusOK {
			t.Fatalf("POST %d: %d %q", i, a.status, a.body)
		}
	}
	for _, pause := range []time.Duration{1100, 1190, 1200, 1210, 1300} {
		timer := time.NewTimer(pause * time.Millisecond)
		<-timer.C
		if a := c.ask(request("POST", "/", "h", "x")); a.status != http.StatusOK {
			t.Errorf("POST after %d ms: %d %q", pause, a.status, a.body)
		}
	}
	if conns.Load() < 2 || conns.Load() > 30 {
		t.Errorf("%d connections for 45 requests: none was kept, or none was replaced", conns.Load())
	}
}

func bodyFor(method string) string {
	if method == "POST" {
		return "x"
	}
	return ""
}

func testBrokenAnswer(t *testing.T, e *env) {
	for name, head := range map[string]string{
		"with a length": "Content-Length: 100\r\n\r\nhalf",
		"chunked":       "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
	} {
		s := e.rawServer(func(nc net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(nc)); err == nil {
				_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\n"+head)
			}
		})
		revision := strings.ReplaceAll(name, " ", "-")
		e.apply(routeTo(on(spec.Blue, revision, s)))
		c := e.dial()
		c.send(request("GET", "/", "h", ""))
		if a, err := c.receive("GET"); err == nil {
			t.Errorf("%s: a broken answer looks complete: %d %q", name, a.status, a.body)
		}
		if name == "chunked" && !e.Features.BrokenChunked {
			continue
		}
		e.eventually("a failure is counted", func() bool { return e.traffic(app, revision).Failures == 1 })
	}
}

func testClientGone(t *testing.T, e *env) {
	entered, gone := make(chan struct{}), make(chan struct{})
	s := e.startWith("slow", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the server watches for the end after that
		close(entered)
		<-r.Context().Done()
		close(gone)
	})
	e.apply(routeTo(on(spec.Blue, "r1", s)))
	c := e.dial()
	c.send(request("POST", "/", "h", "x"))
	<-entered
	mustNot(t, c.nc.Close())
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Fatal("the app was not told that its client has gone")
	}
	e.eventually("nothing is in flight, no failure is counted", func() bool {
		got := e.traffic(app, "r1")
		return got.InFlight == 0 && got.Failures == 0
	})
}

func testHold(t *testing.T, e *env) {
	down := e.refusing()
	r := routeTo(on(spec.Blue, "r1", down))
	r.Hold = spec.Duration(20 * time.Second)
	e.apply(r)
	c := e.dial()
	c.send(request("POST", "/", "h", "kept"))
	early := time.NewTimer(300 * time.Millisecond)
	<-early.C
	ln, err := net.Listen("tcp", down.address)
	mustNot(t, err)
	e.serveOn(ln, "back", nil)
	if a, err := c.receive("POST"); err != nil || a.body != "back" {
		t.Errorf("a held POST got %d %q, %v", a.status, a.body, err)
	}
	empty := routeTo(on(spec.Blue, "r2"))
	empty.Hold = spec.Duration(20 * time.Second)
	e.apply(empty)
	c.send(request("GET", "/", "h", ""))
	e.apply(routeTo(on(spec.Blue, "r3", e.start("new"))))
	if a, err := c.receive("GET"); err != nil || a.body != "new" {
		t.Errorf("a request held for a colour without targets got %d %q, %v", a.status, a.body, err)
	}
}

func testHoldLimit(t *testing.T, e *env) {
	r := routeTo(on(spec.Blue, "r1", e.refusing()))
	r.Hold = spec.Duration(300 * time.Millisecond)
	e.apply(r)
	began := time.Now()
	a := e.get("/")
	if took := time.Since(began); a.status != http.StatusBadGateway || took < 250*time.Millisecond || took > 5*time.Second {
		t.Errorf("after %v: status %d; want 502 after 300 ms", took, a.status)
	}
}

func testTimeout(t *testing.T, e *env) {
	release := make(chan struct{})
	s := e.startWith("slow", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	r := routeTo(on(spec.Blue, "r1", s))
	r.Timeout = spec.Duration(200 * time.Millisecond)
	e.apply(r)
	if a := e.get("/"); a.status != http.StatusGatewayTimeout {
		t.Errorf("GET: status %d, want 504", a.status)
	}
	if a := e.post("/", strings.Repeat("x", 100_000)); a.status != http.StatusGatewayTimeout {
		t.Errorf("POST: status %d, want 504", a.status)
	}
	if n := s.hits.Load(); n != 2 {
		t.Errorf("the app saw %d requests, want 2", n)
	}
}
