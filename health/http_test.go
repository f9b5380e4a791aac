package health

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"teal/spec"
)

// secret is a header value that must show up nowhere.
const secret = "s3cr3t-t0ken"

// serve answers every connection with answer, on a real listener, and returns
// its address. The connection is closed after answer returned.
func serve(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			answer(conn)
			_ = conn.Close() // answer may have closed it
		}
	}()
	t.Cleanup(func() {
		_ = l.Close() // a test may have closed it
		<-done
	})
	return l.Addr().String()
}

// says answers with text, after it has read the request's header.
func says(text string) func(net.Conn) {
	return func(conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			_, _ = io.WriteString(conn, text) // the prober may be gone
		}
	}
}

func ask(t *testing.T, address string, h spec.Health, timeout time.Duration) (outcome, time.Duration) {
	t.Helper()
	if h.Path == "" {
		h.Path = "/health"
	}
	h.Headers = map[string]string{"X-Token": secret}
	begun := time.Now()
	out := newHTTPCheck(new(net.Dialer).DialContext, address, h).within(t.Context(), timeout)
	if strings.Contains(out.words, secret) {
		t.Errorf("the words %q tell a header's value", out.words)
	}
	return out, time.Since(begun)
}

func TestHTTPAnswers(t *testing.T) {
	big := strings.Repeat("x", maxBody)
	long := func(body string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	only := func(ranges ...spec.StatusRange) spec.Health { return spec.Health{Statuses: ranges} }
	cases := []struct {
		name   string
		answer string
		health spec.Health
		want   outcome
	}{
		{"200", long("fine"), spec.Health{}, outcome{passed, "GET /health → 200"}},
		{"503", "HTTP/1.1 503 Busy\r\n\r\n", spec.Health{}, outcome{failed, "GET /health → 503"}},
		{"503 is what is asked for", "HTTP/1.1 503 Busy\r\n\r\n", only(spec.StatusRange{From: 200, To: 204}, spec.StatusRange{From: 503, To: 503}), outcome{passed, "GET /health → 503"}},
		{"beyond the range", "HTTP/1.1 205 X\r\n\r\n", only(spec.StatusRange{From: 200, To: 204}), outcome{failed, "GET /health → 205"}},
		{"a redirect is an answer", "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", spec.Health{}, outcome{passed, "GET /health → 302"}},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nold", spec.Health{Body: "^old$"}, outcome{passed, "GET /health → 200"}},
		{"query, which may be a secret", long(""), spec.Health{Path: "/v3/api?x=1&y=%20"}, outcome{passed, "GET /v3/api → 200"}},
		{"body matches", long("status: UP"), spec.Health{Body: `status:\s+UP`}, outcome{passed, "GET /health → 200"}},
		{"body in chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nst\r\n3\r\natu\r\n0\r\n\r\n", spec.Health{Body: "^statu$"}, outcome{passed, "GET /health → 200"}},
		{"body does not match", long("DOWN " + secret), spec.Health{Body: "UP"}, outcome{failed, "GET /health → 200, body does not match UP"}},
		{"status before body", "HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\nUP", spec.Health{Body: "UP"}, outcome{failed, "GET /health → 500"}},
		{"match at the end of the limit", long(big[2:] + "UP" + big), spec.Health{Body: "UP"}, outcome{passed, "GET /health → 200"}},
		{"match beyond the limit", long(big + "UP"), spec.Health{Body: "UP"}, outcome{failed, "GET /health → 200, body does not match UP"}},
		{"body cut short", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nUP", spec.Health{Body: "UP"}, outcome{failed, "GET /health → 200, body: connection closed in the middle of the answer"}},
		{"body cut short that nobody asked for", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nUP", spec.Health{}, outcome{passed, "GET /health → 200"}},
		{"interim answers", "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", spec.Health{}, outcome{passed, "GET /health → 200"}},
		{"interim answers only", strings.Repeat("HTTP/1.1 103 Early\r\n\r\n", 99), spec.Health{}, outcome{failed, "GET /health → no end of interim answers"}},
		{"upgrade", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", spec.Health{}, outcome{failed, "GET /health → 101"}},
		{"nothing", "", spec.Health{}, outcome{failed, "GET /health → connection closed without an answer"}},
		{"half a header", "HTTP/1.1 200 OK\r\nX: 1", spec.Health{}, outcome{failed, "GET /health → connection closed in the middle of the answer"}},
		{"garbage", "\x00\x01\x02 X-Token: " + secret + "\r\n\r\n", spec.Health{}, outcome{failed, "GET /health → not a valid HTTP answer"}},
		{"a greeting", "SSH-2.0-OpenSSH_9.2 " + secret + "\r\n", spec.Health{}, outcome{failed, "GET /health → not a valid HTTP answer"}},
		{"a wrong length", "HTTP/1.1 200 OK\r\nContent-Length: " + secret + "\r\n\r\n", spec.Health{}, outcome{failed, "GET /health → not a valid HTTP answer"}},
		{"a huge header", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n", spec.Health{}, outcome{failed, "GET /health → header too large"}},
		{"endless headers", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: 1\r\n", 1<<18), spec.Health{}, outcome{failed, "GET /health → header too large"}},
		{"a huge body", long(strings.Repeat("x", 8<<20)), spec.Health{}, outcome{passed, "GET /health → 200"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got, _ := ask(t, serve(t, says(c.answer)), c.health, 5*time.Second); got != c.want {
				t.Errorf("got %v %q, want %v %q", got.verdict, got.words, c.want.verdict, c.want.words)
			}
		})
	}
}

func TestHTTPOfThoseThatDoNotAnswer(t *testing.T) {
	closed := serve(t, func(net.Conn) {})
	deaf, err := net.Listen("tcp", "127.0.0.1:0") // the kernel connects, nobody accepts
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = deaf.Close() })
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	hold := func(text string) func(net.Conn) { // writes, then waits for the prober to go
		return func(conn net.Conn) {
			says(text)(conn)
			_, _ = io.Copy(io.Discard, conn) // until it is gone
		}
	}
	cases := []struct {
		name    string
		address string
		health  spec.Health
		want    outcome
		within  [2]time.Duration
	}{
		{"nobody listens", gone.Addr().String(), spec.Health{}, outcome{failed, "GET /health → connection refused"}, [2]time.Duration{0, time.Second}},
		{"nobody accepts", deaf.Addr().String(), spec.Health{}, outcome{failed, "GET /health → timed out after 300ms"}, [2]time.Duration{300 * time.Millisecond, time.Second}},
		{"closes at once", closed, spec.Health{}, outcome{}, [2]time.Duration{0, time.Second}},
		{"resets", serve(t, reset), spec.Health{}, outcome{failed, "GET /health → connection reset"}, [2]time.Duration{0, time.Second}},
		{"never answers", serve(t, hold("")), spec.Health{}, outcome{failed, "GET /health → timed out after 300ms"}, [2]time.Duration{300 * time.Millisecond, time.Second}},
		{"stops in the header", serve(t, hold("HTTP/1.1 200 OK\r\n")), spec.Health{}, outcome{failed, "GET /health → timed out after 300ms"}, [2]time.Duration{300 * time.Millisecond, time.Second}},
		{"stops in a body that matters", serve(t, hold("HTTP/1.1 200 OK\r\n\r\nUP")), spec.Health{Body: "UP"}, outcome{failed, "GET /health → 200, body: timed out after 300ms"}, [2]time.Duration{300 * time.Millisecond, time.Second}},
		{"a body without end", serve(t, hold("HTTP/1.1 200 OK\r\n\r\nUP")), spec.Health{}, outcome{passed, "GET /health → 200"}, [2]time.Duration{drainTime, time.Second}},
		{"an address that is none", "nohost", spec.Health{}, outcome{failed, "GET /health → cannot connect"}, [2]time.Duration{0, time.Second}},
		{"no address", "", spec.Health{}, outcome{unknown, "GET /health → no address yet"}, [2]time.Duration{0, time.Second}},
		{"a wrong path", gone.Addr().String(), spec.Health{Path: "health"}, outcome{failed, "GET health → the path is not valid"}, [2]time.Duration{0, time.Second}},
		{"a wrong pattern", gone.Addr().String(), spec.Health{Body: "("}, outcome{failed, "GET /health → the body pattern is not valid"}, [2]time.Duration{0, time.Second}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, took := ask(t, c.address, c.health, 300*time.Millisecond)
			if c.want == (outcome{}) { // the kernel decides which of the two it sees
				if got.verdict != failed || !strings.Contains(got.words, "connection ") {
					t.Errorf("got %v %q", got.verdict, got.words)
				}
			} else if got != c.want {
				t.Errorf("got %v %q, want %v %q", got.verdict, got.words, c.want.verdict, c.want.words)
			}
			if took < c.within[0] || took > c.within[1] {
				t.Errorf("took %v, want %v", took, c.within)
			}
		})
	}
}

// reset reads the request and resets the connection.
func reset(conn net.Conn) {
	if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
		_ = conn.(*net.TCPConn).SetLinger(0) // Close then sends RST
	}
}

func TestHTTPRequestIsWhatWasConfigured(t *testing.T) {
	var conns atomic.Int64
	got := make(chan *http.Request, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r }))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	address := server.Listener.Addr().String()
	for i, c := range []struct {
		health spec.Health
		host   string
	}{
		{spec.Health{Path: "/a?b=c"}, address},
		{spec.Health{Path: "/a?b=c", Host: "api.example.com"}, "api.example.com"},
		{spec.Health{Path: "/a?b=c", Headers: map[string]string{"host": "h.example.com", "x-token": secret}}, "h.example.com"},
	} {
		out := newHTTPCheck(new(net.Dialer).DialContext, address, c.health).within(t.Context(), time.Second)
		r := <-got
		if out.verdict != passed || r.Method != http.MethodGet || r.RequestURI != "/a?b=c" || r.Host != c.host {
			t.Errorf("%v: %s %s of %s", out, r.Method, r.RequestURI, r.Host)
		}
		if want := c.health.Headers["x-token"]; r.Header.Get("X-Token") != want || r.UserAgent() != "teal-health" {
			t.Errorf("headers %v", r.Header)
		}
		if n := conns.Load(); n != int64(i+1) {
			t.Errorf("%d connections for %d probes", n, i+1)
		}
	}
	for _, headers := range []map[string]string{{"X-Token": secret + "\r\nX: y"}, {"X Token": secret}} {
		out := newHTTPCheck(new(net.Dialer).DialContext, address, spec.Health{Path: "/", Headers: headers}).within(t.Context(), time.Second)
		if out.verdict != failed || strings.Contains(out.words, secret) || !strings.Contains(out.words, "is not valid") {
			t.Errorf("%v", out)
		}
	}
}
