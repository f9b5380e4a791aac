package nginx

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
)

// heard is what the app hears of a client that came through another proxy, which
// says so in headers.
func heard(t *testing.T, o Options) (body string, answer http.Header) {
	t.Helper()
	r := startNginx(t, o)
	backend := appWith(t, func(w http.ResponseWriter, q *http.Request) {
		fmt.Fprintf(w, "%s|%s|%s", q.Header.Get("X-Forwarded-For"), q.Header.Get("X-Forwarded-Proto"), q.Header.Get("X-Forwarded-Host"))
	})
	must(t, r.apply(1, shopRoute(backend, backend, 0)))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+o.Servers.Listen[0]+"/", nil)
	must(t, err)
	req.Header.Set("X-Forwarded-For", "203.0.113.9")
	req.Header.Set("X-Forwarded-Proto", "https")
	req.Header.Set("X-Forwarded-Host", "shop.example.com")
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Do(req)
	must(t, err)
	defer resp.Body.Close()
	read, err := io.ReadAll(resp.Body)
	must(t, err)
	return string(read), resp.Header
}

// What a client says of itself is passed on only by a proxy that is trusted.
func TestClientsBehindAnotherProxy(t *testing.T) {
	servers, _ := testServers(t)
	if got, _ := heard(t, Options{Servers: servers}); got != "127.0.0.1|http|"+servers.Listen[0] {
		t.Errorf("from nobody that is trusted: %s", got)
	}
	servers, _ = testServers(t)
	trusted := Options{Servers: servers, Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	if got, _ := heard(t, trusted); got != "203.0.113.9, 127.0.0.1|https|shop.example.com" {
		t.Errorf("from a trusted proxy: %s", got)
	}
}

// The operator's directives stand in the http block, in each server and in each
// location of Teal's.
func TestSnippetsAreIncluded(t *testing.T) {
	servers, _ := testServers(t)
	snippets := filepath.Join(t.TempDir(), "snippets")
	for name, text := range map[string]string{
		"http.d/a.conf":     "map $uri $mine {\n\tdefault everywhere;\n}\n",
		"server.d/b.conf":   "set $where server;\n",
		"location.d/c.conf": "add_header Mine \"$mine $where\" always;\n",
	} {
		file := filepath.Join(snippets, name)
		must(t, os.MkdirAll(filepath.Dir(file), 0o755))
		must(t, os.WriteFile(file, []byte(text), 0o644))
	}
	if _, answer := heard(t, Options{Servers: servers, Snippets: snippets}); answer.Get("Mine") != "everywhere server" {
		t.Errorf("the header is %q", answer.Get("Mine"))
	}
}
