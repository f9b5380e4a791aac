package nginx

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"teal/reconcile"
)

// An operator's own server block sends one location to an app; everything else
// in it is the operator's, also after switches, and after the app is gone.
func TestOwnServerBlock(t *testing.T) {
	address := freeAddress(t)
	r := startNginx(t, Options{})
	blue, green := app(t, "blue"), app(t, "green")
	must(t, r.apply(1, shopRoute(blue, green, 0)))
	must(t, os.WriteFile(filepath.Join(r.dir, "site.conf"), fmt.Appendf(nil, `server {
	listen %s;
	add_header Site mine always;
	location = /own { return 200 "own"; }
	location /api/ { include %s/teal/%s; }
	location / { include %[2]s/teal/%s; }
}
`, address, r.dir, IncludeFile(shop), IncludeFile(shop)), 0o644))
	_, err := r.place.Nginx(t.Context(), "-s", "reload")
	must(t, err)
	ask := func(path string, headers ...string) string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
		must(t, err)
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		must(t, err)
		return fmt.Sprint(resp.StatusCode, " ", string(body), " ", resp.Header.Get("Site"))
	}
	eventually(t, "the operator's block is loaded", func() bool { return ask("/own") == "200 own mine" })
	reloads := r.driver.Reloads()
	for i, want := range []string{"blue", "green", "blue"} {
		must(t, r.apply(uint64(i+2), shopRoute(blue, green, 100*(i%2))))
		for _, path := range []string{"/", "/api/x"} {
			for _, accept := range []string{"*/*", "text/event-stream"} { // the way with long timeouts
				if got := ask(path, "Accept", accept); got != "200 "+want+" mine" {
					t.Errorf("switch %d: %s for %s answers %q", i, path, accept, got)
				}
			}
		}
	}
	if r.driver.Reloads() != reloads {
		t.Errorf("%d reloads", r.driver.Reloads()-reloads)
	}
	must(t, r.apply(5))
	if got := ask("/"); !strings.HasPrefix(got, "404 ") {
		t.Errorf("without a route: %q", got)
	}
	if got := ask("/own"); got != "200 own mine" {
		t.Errorf("without a route, the operator's own location: %q", got)
	}
}

// A key that does not belong to its certificate is refused before anything is
// written, and one that was renewed is loaded.
func TestCertificates(t *testing.T) {
	servers, _ := testServers(t)
	chain, key, _ := newCertificate(t)
	_, strange, _ := newCertificate(t)
	use := key
	servers.Certificate = func() ([]byte, []byte, error) { return chain, use, nil }
	r := startNginx(t, Options{Servers: servers})
	blue, green := app(t, "blue"), app(t, "green")
	must(t, r.apply(1, shopRoute(blue, green, 0)))
	use = strange
	if err := r.apply(2, shopRoute(blue, green, 100)); err == nil || !strings.Contains(err.Error(), "private key does not match public key") {
		t.Errorf("a key that does not match: %v", err)
	}
	if got := getFrom(t, servers.Listen[0]); got != "blue" {
		t.Errorf("after the refusal %q serves", got)
	}
	chain, use, _ = newCertificate(t)
	before := r.driver.Reloads()
	must(t, r.driver.Refresh(t.Context()))
	must(t, r.driver.Refresh(t.Context()))
	if got := r.driver.Reloads() - before; got != 1 {
		t.Errorf("a renewed certificate took %d reloads, want 1", got)
	}
	info, err := os.Stat(filepath.Join(r.dir, "teal/current", keyFile))
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v", info.Mode())
	}
}

func TestVersions(t *testing.T) {
	for text, want := range map[string]string{
		"nginx version: nginx/1.18.0 (Ubuntu)\nconfigure arguments: --with-http_v2_module": "1.18.0 false false",
		"nginx version: nginx/1.26.3\n":    "1.26.3 false true",
		"nginx version: nginx/1.27.4\n":    "1.27.4 true true",
		"nginx version: openresty/1.29.1 ": "1.29.1 true true",
		"nginx version: nginx/1.17.10\n":   "it is 1.17.10; 1.18.0 or newer is needed",
		"bash: nginx: not found":           `"bash: nginx: not found" names no version`,
	} {
		v, err := parseVersion(text)
		got := fmt.Sprint(v.number[0], ".", v.number[1], ".", v.number[2], " ", v.keeps(), " ", v.http2On())
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestLogLines(t *testing.T) {
	for text, want := range map[string]string{
		"shop.web blue 37 200 0.012 GET OK 100 100":  "shop.web blue false 12.5ms true",
		"shop.web green 0 502 1.000 POST OK 150 150": "shop.web green true 1.0005s true",
		"shop.web blue 37 200 0.000 GET OK 40 100":   "shop.web blue true 500µs true",  // ended early
		"shop.web blue 37 200 0.000 GET - 40 100":    "shop.web blue false 500µs true", // the client went away
		"shop.web blue 37 200 0.000 HEAD OK 0 100":   "shop.web blue false 500µs true",
		"shop.web blue 37 304 0.000 GET OK 0 100":    "shop.web blue false 500µs true",
		"shop.web blue 37 101 9.000 GET OK 40 -":     "shop.web blue false 9.0005s false",
		"shop.web blue p37 200 0.000 GET OK 100 100": "no",
		"shop.web blue 37 200 x GET OK 100 100":      "no",
		"shop.web blue 37":                           "no",
		"":                                           "no",
	} {
		l, ok := parseLine("<190>Nov 22 19:37:29 teal: " + text)
		got := fmt.Sprint(l.app, " ", l.colour, " ", l.failed, " ", l.took, " ", l.timed)
		if !ok {
			got = "no"
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// BenchmarkReload reloads under 1,000 POST per second on kept connections, as
// Teal does where an address or a limit changes and as "nginx -s reload" does by
// itself, and reports how many requests are lost per reload.
func BenchmarkReload(b *testing.B) {
	for _, plain := range []bool{false, true} {
		b.Run(map[bool]string{false: "teal", true: "plain"}[plain], func(b *testing.B) { benchReload(b, plain) })
	}
}

func benchReload(b *testing.B, plain bool) {
	servers, _ := testServers(b)
	r := startNginx(b, Options{Servers: servers})
	route := shopRoute(app(b, "blue"), app(b, "green"), 0)
	must(b, r.apply(1, route))
	load := startPosts(servers.Listen[0])
	var took time.Duration
	for i := range b.N {
		began := time.Now()
		if plain {
			_, err := r.place.Nginx(b.Context(), "-s", "reload")
			must(b, err)
		} else {
			route.MaxBody = int64(1000 + i)
			must(b, r.driver.Apply(b.Context(), reconcile.Table{Seq: uint64(i + 2), Routes: []reconcile.Route{route}}))
		}
		took += time.Since(began)
		<-time.After(time.Duration(500+rand.IntN(300)) * time.Millisecond)
	}
	sent, lost, first := load()
	b.ReportMetric(float64(lost)/float64(b.N), "lost/reload")
	b.ReportMetric(float64(sent), "sent")
	b.ReportMetric(float64(took.Milliseconds())/float64(b.N), "ms/apply")
	b.ReportMetric(0, "ns/op")
	if lost > 0 {
		b.Logf("the first lost: %v", first)
	}
}

// startPosts sends 1,000 POST per second over 64 kept connections, none twice.
func startPosts(address string) (stop func() (sent, lost int64, first error)) {
	const connections, rate = 64, 1000
	var sent, lost atomic.Int64
	var first error
	var once sync.Once
	quit := make(chan struct{})
	due := make(chan struct{}, connections)
	var all sync.WaitGroup
	for range connections {
		all.Go(func() {
			p := &poster{address: address}
			defer p.close()
			for range due {
				sent.Add(1)
				if err := p.post(); err != nil {
					lost.Add(1)
					once.Do(func() { first = err })
				}
			}
		})
	}
	all.Go(func() {
		defer close(due)
		tick := time.NewTicker(time.Second / rate)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				due <- struct{}{}
			case <-quit:
				return
			}
		}
	})
	return func() (int64, int64, error) {
		close(quit)
		all.Wait()
		return sent.Load(), lost.Load(), first
	}
}

// poster is one kept connection. It repeats nothing: a standard client would hide
// most of what is lost.
type poster struct {
	address string
	conn    net.Conn
	br      *bufio.Reader
}

func (p *poster) post() error {
	if p.conn == nil {
		conn, err := net.Dial("tcp", p.address)
		if err != nil {
			return err
		}
		p.conn, p.br = conn, bufio.NewReader(conn)
	}
	if _, err := io.WriteString(p.conn, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"); err != nil {
		p.close()
		return err
	}
	resp, err := http.ReadResponse(p.br, nil)
	if err != nil {
		p.close()
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", resp.StatusCode)
	}
	if err != nil || resp.Close {
		p.close()
	}
	return err
}

func (p *poster) close() {
	if p.conn != nil {
		_ = p.conn.Close() // what counts was read
		p.conn = nil
	}
}
