package contract

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"teal/spec"
)

// mirror answers with the head it got, one header per line, sorted.
func (e *env) mirror() *server { return e.startWith("mirror", mirrored) }

func mirrored(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	lines := []string{fmt.Sprintf("body %d", len(body)), "host " + r.Host, "uri " + r.RequestURI, "proto " + r.Proto, fmt.Sprint("framing ", r.ContentLength, r.TransferEncoding)}
	for name, values := range r.Header {
		for _, v := range values {
			lines = append(lines, strings.ToLower(name)+": "+v)
		}
	}
	slices.Sort(lines)
	w.Header().Set("Connection", "X-Hop")
	w.Header().Set("X-Hop", "1")
	w.Header().Set("Keep-Alive", "timeout=30")
	fmt.Fprint(w, strings.Join(lines, "\n"))
}

func testForwarded(t *testing.T, e *env) {
	e.apply(routeTo(on(spec.Blue, "r1", e.mirror())))
	lines := strings.Split(e.getHost("shop.example.com", "/a%2Fb//c?q=%20&x;y", "X-Forwarded-For: 192.0.2.66", "X-Forwarded-Proto: https",
		"X-Forwarded-Host: evil.example", "Forwarded: for=192.0.2.66", "X_Forwarded_For: 192.0.2.66", "X-Real-Ip: 192.0.2.66",
		"Accept: text/html", "User-Agent: test").body, "\n")
	for _, want := range []string{
		"x-forwarded-for: 127.0.0.1", "x-forwarded-proto: http", "x-forwarded-host: shop.example.com",
		"host shop.example.com", "uri /a%2Fb//c?q=%20&x;y", "accept: text/html", "user-agent: test",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("the app does not see %q", want)
		}
	}
	for _, line := range lines {
		if strings.Contains(line, "192.0.2.66") || strings.Contains(line, "evil") {
			t.Errorf("the app believes a stranger: %q", line)
		}
	}
}

func testHopByHop(t *testing.T, e *env) {
	e.apply(routeTo(on(spec.Blue, "r1", e.mirror())))
	a := e.get("/", "Connection: keep-alive, X-Private", "X-Private: 1", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive",
		"Proxy-Authorization: Basic eA==", "Upgrade: h2c", "TE: gzip", "Teal-Preview: nonsense", "X-Public: 1")
	for line := range strings.SplitSeq(a.body, "\n") {
		for _, hop := range []string{"x-private", "keep-alive", "proxy-", "upgrade", "te:", "teal-preview", "connection"} {
			if strings.HasPrefix(line, hop) && (hop != "x-private" || e.Features.NamedHops) {
				t.Errorf("the app sees %q", line)
			}
		}
	}
	if !strings.Contains(a.body, "x-public: 1") {
		t.Error("an ordinary header was lost")
	}
	for _, hop := range []string{"X-Hop", "Keep-Alive"} {
		if a.header.Get(hop) != "" && (hop != "X-Hop" || e.Features.NamedHops) {
			t.Errorf("the client sees %s", hop)
		}
	}
}

// What two servers could read differently is refused, or reaches the app in one
// unmistakable form; never does a part of it become a second request.
func testSmuggling(t *testing.T, e *env) {
	var counted tally
	e.apply(routeTo(on(spec.Blue, "r1", e.startWith("mirror", func(w http.ResponseWriter, r *http.Request) {
		counted.add(r.URL.Path)
		mirrored(w, r)
	}))))
	for name, req := range map[string]string{
		"both lengths":        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
		"two lengths":         "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
		"a list of lengths":   "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 2\r\n\r\nxx",
		"a signed length":     "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\nx",
		"two encodings":       "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
		"an odd encoding":     "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		"a bad chunk":         "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nxx\r\n0\r\n\r\n",
		"a huge chunk":        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nxx\r\n0\r\n\r\n",
		"a space in a name":   "GET / HTTP/1.1\r\nHost: h\r\nContent-Length : 5\r\n\r\nhello",
		"a folded line":       "GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\n Transfer-Encoding: chunked\r\n\r\n",
		"two hosts":           "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"no host":             "GET / HTTP/1.1\r\n\r\n",
		"a line end in value": "GET / HTTP/1.1\r\nHost: h\r\nX-A: a\rb\r\n\r\n",
		"a space in a path":   "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
		"a host with a path":  "GET / HTTP/1.1\r\nHost: h/x\r\n\r\n",
	} {
		own := "/" + strings.ReplaceAll(name, " ", "-")
		c := e.dial()
		c.send(strings.Replace(req, " / HTTP", " "+own+" HTTP", 1))
		a, err := c.receive("GET")
		if err == nil && a.status == http.StatusOK && name != "both lengths" && name != "a folded line" {
			t.Errorf("%s: was passed on: %s", name, a.body)
		}
		if err == nil && a.status == http.StatusOK && name == "both lengths" &&
			(!strings.Contains(a.body, "framing -1 [chunked]") || strings.Contains(a.body, "content-length")) {
			t.Errorf("%s: the app sees %s", name, a.body)
		}
		_ = c.nc.Close()
		if n := counted.of(own); n > 1 {
			t.Errorf("%s: became %d requests", name, n)
		}
		counted.known(own) // it may still be on its way
	}
	if others := counted.others(); len(others) > 0 {
		t.Errorf("the app got requests that nobody sent: %q", others)
	}
}

// tally counts requests by path.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
	sent   []string
}

func (c *tally) add(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[string]int{}
	}
	c.counts[path]++
}

func (c *tally) of(path string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[path]
}

// known says that path was sent.
func (c *tally) known(path string) { c.sent = append(c.sent, path) }

// others are the paths that came and were not sent.
func (c *tally) others() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Sorted(maps.Keys(c.counts)), func(p string) bool { return slices.Contains(c.sent, p) })
}

func testBodyLimit(t *testing.T, e *env) {
	r := routeTo(on(spec.Blue, "r1", e.mirror()))
	r.MaxBody = 1000
	e.apply(r)
	if a := e.post("/", strings.Repeat("x", 1000)); a.status != http.StatusOK || !strings.Contains(a.body, "body 1000") {
		t.Errorf("a body of the limit: %d", a.status)
	}
	if a := e.post("/", strings.Repeat("x", 1001)); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a body over the limit: %d, want 413", a.status)
	}
	c := e.dial()
	chunked := "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" + strings.Repeat("x", 1000) + "\r\n"
	if a := c.ask(chunked + "0\r\n\r\n"); a.status != http.StatusOK {
		t.Errorf("a chunked body of the limit: %d", a.status)
	}
	if a := c.ask(chunked + "1\r\nx\r\n0\r\n\r\n"); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a chunked body over the limit: %d, want 413", a.status)
	}
	e.eventually("nothing is in flight, no failure is counted", func() bool {
		got := e.traffic(app, "r1")
		return got.InFlight == 0 && got.Failures == 0
	})
}

func testHeaderLimit(t *testing.T, e *env) {
	e.apply(routeTo(on(spec.Blue, "r1", e.start("app"))))
	c := e.dial()
	_, _ = io.WriteString(c.nc, request("GET", "/", "h", "", "X-Big: "+strings.Repeat("x", 2<<20))) // it may stop reading
	if a, err := c.receive("GET"); err == nil && a.status != http.StatusRequestHeaderFieldsTooLarge && a.status != http.StatusBadRequest {
		t.Errorf("a head of 2 MiB: status %d, want 431", a.status)
	}
}
