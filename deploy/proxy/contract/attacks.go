package contract

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// smuggled is a request that the proxy answers 404 if it sees it as one, because
// no route has its host. The app sees it only if it was hidden from the proxy.
const smuggled = "GET /smuggled HTTP/1.1\r\nHost: internal\r\n\r\n"

// attacks are requests that two servers could read in two ways. Those with
// refused must not reach the app at all.
var attacks = []struct {
	name, request string
	refused       bool
}{
	{"CL.TE", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 47\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, false},
	{"TE.CL", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n2a\r\n" + smuggled[:42] + "\r\n0\r\n\r\n", false},
	{"two encodings", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n" + smuggled, true},
	{"chunked twice", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + smuggled, true},
	{"an unknown encoding", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + smuggled, true},
	{"identity", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + smuggled, true},
	{"a tab before the encoding", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\x0bchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + smuggled, true},
	{"a space after the name", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + smuggled, true},
	{"a space before the name", "POST / HTTP/1.1\r\n Host: h\r\nContent-Length: 0\r\n\r\n" + smuggled, true},
	{"a name with a space", "GET / HTTP/1.1\r\nHost: h\r\nX Y: z\r\n\r\n" + smuggled, true},
	{"a name with a NUL", "GET / HTTP/1.1\r\nHost: h\r\nX\x00Y: z\r\n\r\n" + smuggled, true},
	{"a value with a NUL", "GET / HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n" + smuggled, true},
	{"a value with a CR", "GET / HTTP/1.1\r\nHost: h\r\nX: a\rContent-Length: 9\r\n\r\n" + smuggled, true},
	{"a line without a colon", "GET / HTTP/1.1\r\nHost: h\r\nX\r\n\r\n" + smuggled, false},
	{"a folded header", "POST / HTTP/1.1\r\nHost: h\r\nX: a\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n" + smuggled, false},
	{"a folded encoding", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + smuggled, false},
	{"bare LF", "GET / HTTP/1.1\nHost: h\nX: y\n\n" + smuggled, false},
	{"two lengths", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 42\r\n\r\n" + smuggled, true},
	{"a list of lengths", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0, 42\r\n\r\n" + smuggled, true},
	{"a length with a sign", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +0\r\n\r\n" + smuggled, true},
	{"a negative length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n" + smuggled, true},
	{"a length in hex", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x2a\r\n\r\n" + smuggled, true},
	{"a length that overflows", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551616\r\n\r\n" + smuggled, true},
	{"a chunk extension", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;x=\"y\"\r\na\r\n0\r\n\r\n" + smuggled, false},
	{"a trailer", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n0\r\nContent-Length: 42\r\n\r\n" + smuggled, false},
	{"no host", "GET / HTTP/1.1\r\n\r\n" + smuggled, true},
	{"two hosts", "GET / HTTP/1.1\r\nHost: h\r\nHost: internal\r\n\r\n" + smuggled, true},
	{"a host with a path", "GET / HTTP/1.1\r\nHost: h/internal\r\n\r\n" + smuggled, true},
	{"a host with a user", "GET / HTTP/1.1\r\nHost: internal@h\r\n\r\n" + smuggled, true},
	{"an absolute target of another host", "GET http://internal/smuggled HTTP/1.1\r\nHost: h\r\n\r\n", true},
	{"an authority", "GET //internal/x HTTP/1.1\r\nHost: h\r\n\r\n", false},
	{"CONNECT", "CONNECT internal:80 HTTP/1.1\r\nHost: internal:80\r\n\r\n" + smuggled, true},
	{"an asterisk", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n" + smuggled, false},
	{"a target with a control character", "GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n" + smuggled, true},
	{"a target with a space", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n" + smuggled, true},
	{"HTTP/0.9", "GET /\r\n\r\n" + smuggled, true},
	{"another version", "GET / HTTP/1.2\r\nHost: h\r\n\r\n" + smuggled, false},
	{"an upgrade that is not taken", "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n" + smuggled, false},
	{"an upgrade to h2c", "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n" + smuggled, false},
	{"the length named by Connection", "POST / HTTP/1.1\r\nHost: h\r\nConnection: content-length\r\nContent-Length: 42\r\n\r\n" + smuggled[:42], false},
	{"the encoding named by Connection", "POST / HTTP/1.1\r\nHost: h\r\nConnection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, false},
	{"Expect of something else", "POST / HTTP/1.1\r\nHost: h\r\nExpect: something\r\nContent-Length: 42\r\n\r\n" + smuggled[:42], false},
}

// last ends a connection that is still good.
const last = "GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"

// routeOf makes the app a route of its own, and no other.
func (e *env) routeOf(a *strictApp, host, path string) {
	e.t.Helper()
	r := routeTo(reconcile.Backend{Colour: spec.Blue, Revision: "r1", Targets: []string{a.address}})
	r.Host, r.Path = host, path
	e.apply(r)
}

// told sends what it is given and returns all that is answered until the proxy
// ends the connection, or waits for more.
func (e *env) told(s string) string {
	e.t.Helper()
	c := e.dial()
	defer c.nc.Close()
	c.send(s)
	mustNot(e.t, c.nc.SetReadDeadline(time.Now().Add(3*time.Second)))
	all, _ := io.ReadAll(c.br) // it may be cut off: that, too, is an answer
	return string(all)
}

func testAttacks(t *testing.T, e *env) {
	app := e.strictApp()
	e.routeOf(app, "h", "/")
	for _, a := range attacks {
		answers := e.told(a.request + last)
		seen, wrong := app.taken()
		for _, s := range seen {
			if strings.Contains(s, "smuggled") || !strings.HasSuffix(s, " h") {
				t.Errorf("%s: the app saw %q", a.name, s)
			}
		}
		if len(wrong) > 0 {
			t.Errorf("%s: the app was sent what can be read in two ways: %q", a.name, wrong)
		}
		if a.refused && len(seen) > 0 && seen[0] != "GET /last h" {
			t.Errorf("%s: the app saw %q, and was to see nothing; answers:\n%s", a.name, seen, answers)
		}
	}
}

// testTricks: other ways to write a host or path lead to the same route, or to
// none. What a proxy makes of dots in a path, and of a port that is none,
// differs, and both are safe: it is the route's own app that sees it.
func testTricks(t *testing.T, e *env) {
	app := e.strictApp()
	e.routeOf(app, "h", "/app")
	const either = "there or nowhere"
	for _, trick := range []struct{ path, host, leads string }{
		{"/app", "h", "there"},
		{"/app/", "h", "there"},
		{"/app/x", "h", "there"},
		{"/app?x", "h", "there"},
		{"/app", "H", "there"},
		{"/app", "h.", "there"},
		{"/app", "h:99", "there"},
		{"/app%2fx", "h", "there"},
		{"/apple", "h", ""},
		{"/APP", "h", ""},
		{"/", "h", ""},
		{"/app", "h..", ""},
		{"/app", "h.evil", ""},
		{"/app", "evil.h", ""},
		{"/app", "h:x:y", either},
		{"/app", "[h]", ""},
		{"/app", "127.0.0.1", ""},
		{"/x%2f..%2fapp", "h", either},
		{"//app", "h", either},
		{"/x/../app", "h", either},
		{"/./app", "h", either},
		{"/%2e/app", "h", either},
	} {
		answer := e.told("GET " + trick.path + " HTTP/1.1\r\nHost: " + trick.host + "\r\nConnection: close\r\n\r\n")
		seen, wrong := app.taken()
		ok := strings.HasPrefix(answer, "HTTP/1.1 200 ")
		if len(wrong) > 0 || ok != (len(seen) > 0) || trick.leads == "there" && !ok || trick.leads == "" && ok {
			t.Errorf("%s of host %s, which leads %q: answer %.30q, the app saw %q %q", trick.path, trick.host, trick.leads, answer, seen, wrong)
		}
	}
}

func testHugeHeads(t *testing.T, e *env) {
	app := e.strictApp()
	e.routeOf(app, "h", "/")
	const size = 4 << 20
	for name, head := range map[string]string{
		"one huge header": "GET / HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("x", size),
		"many headers":    "GET / HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("X: y\r\n", size/6),
		"a huge target":   "GET /" + strings.Repeat("x", size) + " HTTP/1.1\r\nHost: h",
		"a huge name":     "GET / HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("x", size) + ": y",
	} {
		c := e.dial()
		var sending sync.WaitGroup
		sending.Go(func() { _, _ = io.WriteString(c.nc, head+"\r\n\r\n") }) // it is cut off in the middle
		if a, err := c.receive(http.MethodGet); err == nil && (a.status < 400 || a.status >= 500) {
			t.Errorf("%s: status %d", name, a.status)
		}
		_ = c.nc.Close()
		sending.Wait()
		if seen, _ := app.taken(); len(seen) > 0 {
			t.Errorf("%s: the app saw %d requests", name, len(seen))
		}
	}
}
