package nginx

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"teal/reconcile"
)

// A worker that ends must not cut the answers that it is passing on, those of
// other sites of the same nginx included: answers of several pieces through a
// plain proxy_pass, each request on a connection of its own, through reloads.
func TestReloadCutsNoAnswer(t *testing.T) {
	piece := strings.Repeat("0123456789abcdef", 250)
	const pieces, reloads = 6, 12
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-time.After(time.Millisecond)
		for range pieces {
			_, _ = io.WriteString(w, piece) // the client sees what is missing
		}
	}))
	t.Cleanup(srv.Close)
	snippets, site := t.TempDir(), freeAddress(t)
	must(t, os.Mkdir(filepath.Join(snippets, "http.d"), 0o755))
	must(t, os.WriteFile(filepath.Join(snippets, "http.d", "site.conf"),
		fmt.Appendf(nil, "server {\n\tlisten %s;\n\tlocation / { proxy_pass %s; }\n}\n", site, srv.URL), 0o644))
	servers, _ := testServers(t)
	r := startNginx(t, Options{Servers: servers, Snippets: snippets})
	route := shopRoute(app(t, "blue"), app(t, "green"), 0)
	must(t, r.apply(1, route))

	var sent atomic.Int64
	var all sync.WaitGroup
	quit := make(chan struct{})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	all.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
			}
			sent.Add(1)
			all.Go(func() {
				resp, err := client.Get("http://" + site + "/")
				if err != nil {
					t.Errorf("request: %v", err)
					return
				}
				body, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close() // it was read to its end
				if err != nil || len(body) != pieces*len(piece) {
					t.Errorf("status %d, %d of %d bytes: %v", resp.StatusCode, len(body), pieces*len(piece), err)
				}
			})
		}
	})
	for i := range reloads {
		route.MaxBody = int64(1000 + i)
		must(t, r.driver.Apply(t.Context(), reconcile.Table{Seq: uint64(i + 2), Routes: []reconcile.Route{route}}))
	}
	close(quit)
	all.Wait()
	if n := sent.Load(); n < reloads {
		t.Errorf("only %d requests were sent", n)
	}
}
