package embedded

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"teal/reconcile"
)

// strictApp reads requests byte by byte and accepts one way of writing them
// only. What a proxy passes on to it cannot be read in two ways.
type strictApp struct {
	address string
	mu      sync.Mutex
	seen    []string // "GET /path host"
	wrong   []string // what could be read in two ways
	open    []net.Conn
}

func newStrictApp(t *testing.T) *strictApp {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	a := &strictApp{address: l.Addr().String()}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			a.mu.Lock()
			a.open = append(a.open, c)
			a.mu.Unlock()
			all.Go(func() { a.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		a.mu.Lock()
		for _, c := range a.open {
			c.Close()
		}
		a.mu.Unlock()
		all.Wait()
	})
	return a
}

func (a *strictApp) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	for {
		if c.SetDeadline(time.Now().Add(20*time.Second)) != nil {
			return
		}
		request, err := readStrictly(r)
		a.mu.Lock()
		if request != "" {
			a.seen = append(a.seen, request)
		}
		if err != nil && !errors.Is(err, io.EOF) && !errors.As(err, new(net.Error)) {
			a.wrong = append(a.wrong, err.Error())
		}
		a.mu.Unlock()
		if err != nil {
			return
		}
		if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); err != nil {
			return
		}
	}
}

// taken returns what came, and forgets it.
func (a *strictApp) taken() (seen, wrong []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen, wrong = a.seen, a.wrong
	a.seen, a.wrong = nil, nil
	return seen, wrong
}

// strictLine reads a line that ends with CRLF and holds no other CR or LF.
func strictLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", io.EOF
	}
	text, ok := strings.CutSuffix(line, "\r\n")
	if !ok || strings.ContainsAny(text, "\r\n\x00") {
		return "", fmt.Errorf("a line %q does not end with CRLF alone", line)
	}
	return text, nil
}

func readStrictly(r *bufio.Reader) (string, error) {
	first, err := strictLine(r)
	if err != nil {
		return "", err
	}
	words := strings.Split(first, " ")
	if len(words) != 3 || words[2] != "HTTP/1.1" || !strings.HasPrefix(words[1], "/") {
		return "", fmt.Errorf("the first line is %q", first)
	}
	host, length, chunked := "", -1, false
	for {
		line, err := strictLine(r)
		if err != nil {
			return "", err
		}
		if line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ": ")
		if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
			return "", fmt.Errorf("the header %q", line)
		}
		switch strings.ToLower(name) {
		case "host":
			if host != "" {
				return "", errors.New("two Host headers")
			}
			host = value
		case "content-length":
			if length >= 0 || chunked {
				return "", errors.New("two lengths")
			}
			if length, err = strconv.Atoi(value); err != nil || strconv.Itoa(length) != value {
				return "", fmt.Errorf("the length %q", value)
			}
		case "transfer-encoding":
			if chunked || length >= 0 || value != "chunked" {
				return "", fmt.Errorf("two lengths, or the encoding %q", value)
			}
			chunked = true
		}
	}
	return words[0] + " " + words[1] + " " + host, strictBody(r, length, chunked)
}

func strictBody(r *bufio.Reader, length int, chunked bool) error {
	if !chunked {
		_, err := io.CopyN(io.Discard, r, int64(max(0, length)))
		return err
	}
	for {
		line, err := strictLine(r)
		if err != nil {
			return err
		}
		size, err := strconv.ParseUint(line, 16, 31)
		if err != nil || strconv.FormatUint(size, 16) != strings.ToLower(line) {
			return fmt.Errorf("the chunk's size %q", line)
		}
		if _, err := io.CopyN(io.Discard, r, int64(size)); err != nil {
			return err
		}
		if end, err := strictLine(r); err != nil || end != "" {
			return fmt.Errorf("after a chunk stands %q (%w)", end, err)
		}
		if size == 0 {
			return nil
		}
	}
}

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
	{"a line without a colon", "GET / HTTP/1.1\r\nHost: h\r\nX\r\n\r\n" + smuggled, true},
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

func TestSmuggling(t *testing.T) {
	p := startProxy(t, Config{Limits: Limits{HeaderTime: time.Second, Stall: time.Second}})
	app := newStrictApp(t)
	applyTarget(t, p, app.address, func(r *reconcile.Route) { r.Host = "h" })
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			nc, br := dialProxy(t, p)
			_, err := io.WriteString(nc, a.request+last)
			must(t, err)
			answers, err := io.ReadAll(br)
			if err != nil && errors.Is(err, net.ErrClosed) {
				t.Fatal(err)
			}
			seen, wrong := app.taken()
			for _, s := range seen {
				if strings.Contains(s, "smuggled") || !strings.HasSuffix(s, " h") {
					t.Errorf("the app saw %q", s)
				}
			}
			if len(wrong) > 0 {
				t.Errorf("the app was sent what can be read in two ways: %q", wrong)
			}
			if a.refused && len(seen) > 0 && seen[0] != "GET /last h" {
				t.Errorf("the app saw %q, and was to see nothing; answers:\n%s", seen, answers)
			}
		})
	}
}

// TestSpoofing: what the app is told of a client cannot be made up by it, nor
// taken away.
func TestSpoofing(t *testing.T) {
	p := startProxy(t, Config{})
	serveApp(t, p, func(w http.ResponseWriter, r *http.Request) {
		if err := r.Header.Write(w); err != nil {
			t.Error(err)
		}
	})
	nc, br := dialProxy(t, p)
	_, err := io.WriteString(nc, strings.Join([]string{
		"GET / HTTP/1.1", "Host: h",
		"Connection: close, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, X-Real-Ip, Authorization, Cookie",
		"X-Forwarded-For: 6.6.6.6", "x_forwarded_for: 6.6.6.6", "X-Forwarded-Host: evil", "X-Forwarded-Proto: evil", "X-Forwarded-Port: 6666",
		"X-Real-IP: 6.6.6.6", "x-real_ip: 6.6.6.6", "Forwarded: for=6.6.6.6", "Teal-Preview: true", "TEAL-PREVIEW: x",
		"Proxy-Authorization: 6666", "Te: trailers", "Keep-Alive: 6666", "", "",
	}, "\r\n"))
	must(t, err)
	resp, err := http.ReadResponse(br, nil)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	text := string(body)
	for _, made := range []string{"6.6.6.6", "evil", "6666", "Teal-Preview", "Keep-Alive"} {
		if strings.Contains(text, made) {
			t.Errorf("the app was told %q:\n%s", made, text)
		}
	}
	for _, real := range []string{"X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http\r", "X-Forwarded-Host: h\r"} {
		if !strings.Contains(text, real) {
			t.Errorf("the app was not told %q:\n%s", real, text)
		}
	}
}

// TestTricksWithPlaces: other ways to write a host or path lead to the same
// route, or to none; never past a route to what lies below another.
func TestTricksWithPlaces(t *testing.T) {
	p := startProxy(t, Config{})
	app := newStrictApp(t)
	applyTarget(t, p, app.address, func(r *reconcile.Route) { r.Host, r.Path = "h", "/app" })
	for target, reaches := range map[string]bool{
		"GET /app h": true, "GET /app/ h": true, "GET /app/x h": true, "GET /app?x h": true, "GET /app H": true, "GET /app h.": true, "GET /app h:99": true,
		"GET /apple h": false, "GET /APP h": false, "GET /app%2fx h": true, "GET /x%2f..%2fapp h": false, "GET // h": false, "GET //app h": false, "GET /x/../app h": false,
		"GET /./app h": false, "GET /%2e/app h": false, "GET /app h..": false, "GET /app h.evil": false, "GET /app evil.h": false, "GET /app h:x:y": false,
		"GET /app [h]": false, "GET /app 127.0.0.1": false,
	} {
		words := strings.Split(target, " ")
		nc, br := dialProxy(t, p)
		_, err := io.WriteString(nc, words[0]+" "+words[1]+" HTTP/1.1\r\nHost: "+words[2]+"\r\nConnection: close\r\n\r\n")
		must(t, err)
		got := status(t, br)
		seen, _ := app.taken()
		if (len(seen) > 0) != reaches || (got == http.StatusOK) != reaches {
			t.Errorf("%s: status %d, the app saw %q", target, got, seen)
		}
	}
}

func TestHugeHeads(t *testing.T) {
	p := startProxy(t, Config{})
	app := newStrictApp(t)
	applyTarget(t, p, app.address, nil)
	for name, head := range map[string]string{
		"one huge header": "X: " + strings.Repeat("x", 4<<20), "many headers": strings.Repeat("X: y\r\n", 1<<19) + "Z: z",
		"a huge target": "", "a huge name": strings.Repeat("x", 4<<20) + ": y",
	} {
		t.Run(name, func(t *testing.T) {
			nc, br := dialProxy(t, p)
			target := "/"
			if head == "" {
				target, head = "/"+strings.Repeat("x", 4<<20), "X: y"
			}
			go func() { // it is cut off in the middle
				_, _ = io.WriteString(nc, "GET "+target+" HTTP/1.1\r\nHost: h\r\n"+head+"\r\n\r\n")
			}()
			resp, err := http.ReadResponse(br, nil)
			if err == nil {
				defer resp.Body.Close()
				if resp.StatusCode < 400 || resp.StatusCode >= 500 {
					t.Errorf("status %d", resp.StatusCode)
				}
			}
			if seen, _ := app.taken(); len(seen) > 0 {
				t.Errorf("the app saw %d requests", len(seen))
			}
		})
	}
}
