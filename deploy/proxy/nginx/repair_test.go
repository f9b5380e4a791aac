package nginx

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"teal/reconcile"
	"teal/spec"
)

var shop = spec.Name{Project: "shop", Service: "web"}

// app answers its name on an address of its own until the test ends.
func app(t testing.TB, name string) string {
	t.Helper()
	return appWith(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) })
}

func appWith(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	srv := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(ln) // ends by Close
	}()
	t.Cleanup(func() {
		_ = srv.Close()
		<-done
	})
	return ln.Addr().String()
}

// shopRoute sends green of 100 requests to the second address.
func shopRoute(blue, green string, weight int) reconcile.Route {
	return reconcile.Route{App: shop, Host: "*", Path: "/", Backends: []reconcile.Backend{
		{Colour: spec.Blue, Revision: "r1", Weight: 100 - weight, Targets: []string{blue}},
		{Colour: spec.Green, Revision: "r2", Weight: weight, Targets: []string{green}},
	}}
}

func (r *running) apply(seq uint64, routes ...reconcile.Route) error {
	return r.driver.Apply(r.t.Context(), reconcile.Table{Seq: seq, Routes: routes})
}

func (r *running) route() reconcile.Route {
	r.t.Helper()
	s, err := r.driver.Read(r.t.Context())
	must(r.t, err)
	if got := s.Served(shop).Route; got != nil {
		return *got
	}
	return reconcile.Route{}
}

func getFrom(t testing.TB, address string) string {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Get("http://" + address + "/")
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	return string(body)
}

// Whoever changes flags by hand changes what nginx serves. The read back shows
// that, and the next table repairs it without a reload.
func TestFlagsChangedByHand(t *testing.T) {
	servers, _ := testServers(t)
	r := startNginx(t, Options{Servers: servers})
	blue, green := app(t, "blue"), app(t, "green")
	link := filepath.Join(r.dir, "teal/flags", fileOf(shop))
	seq := uint64(1)
	must(t, r.apply(seq, shopRoute(blue, green, 100)))
	reloads, workers := r.driver.Reloads(), r.workers()
	for _, c := range []struct {
		what string
		do   func() error
		want int // weight of green
	}{
		{"one flag is removed", func() error { return os.Remove(filepath.Join(link, "37")) }, 99},
		{"the link is removed", func() error { return os.Remove(link) }, 0},
		{"a folder stands in the link's place", func() error {
			return errors.Join(os.Remove(link), os.Mkdir(link, 0o755), os.WriteFile(filepath.Join(link, "5"), nil, 0o644))
		}, 1},
		{"all flags are removed", func() error {
			set, err := filepath.EvalSymlinks(link)
			return errors.Join(err, os.RemoveAll(set))
		}, 0},
	} {
		must(t, c.do())
		got := r.route()
		if len(got.Backends) != 2 || got.Backends[1].Weight != c.want || got.Backends[0].Weight != 100-c.want {
			t.Errorf("%s: read back as %+v, want green at %d", c.what, got.Backends, c.want)
		}
		seq++
		must(t, r.apply(seq, shopRoute(blue, green, 100)))
		if got := r.route(); got.Backends[1].Weight != 100 || getFrom(t, servers.Listen[0]) != "green" {
			t.Errorf("%s: not repaired: %+v", c.what, got.Backends)
		}
	}
	if r.driver.Reloads() != reloads || r.workers() != workers {
		t.Errorf("%d reloads, workers %s, were %s", r.driver.Reloads()-reloads, r.workers(), workers)
	}
}

// A configuration that was edited may send requests anywhere: no targets are
// told, and the next table loads Teal's own again.
func TestConfigurationChangedByHand(t *testing.T) {
	servers, _ := testServers(t)
	r := startNginx(t, Options{Servers: servers})
	blue, green := app(t, "blue"), app(t, "green")
	must(t, r.apply(1, shopRoute(blue, green, 0)))
	for i, file := range []string{"current/" + httpFile, "current/shop.web.conf", "current/shop.web.rule", included} {
		path := filepath.Join(r.dir, "teal", file)
		content, err := os.ReadFile(path)
		must(t, err)
		must(t, os.WriteFile(path, append([]byte("# mine\n"), content...), 0o644))
		if got := r.route(); len(got.Backends) != 2 || len(got.Backends[0].Targets) != 0 {
			t.Errorf("with %s edited: %+v, want no targets", file, got.Backends)
		}
		must(t, r.apply(uint64(i+2), shopRoute(blue, green, 0)))
		if got := r.route(); len(got.Backends[0].Targets) != 1 || getFrom(t, servers.Listen[0]) != "blue" {
			t.Errorf("%s was not repaired: %+v", file, got.Backends)
		}
	}
}

// A table is made from the one that was read back, with another app's route
// changed. What the read back did not know of the rest, goes on as it was.
func TestAnotherAppsChangeKeepsWhatServes(t *testing.T) {
	servers, _ := testServers(t)
	r := startNginx(t, Options{Servers: servers})
	blue, green := app(t, "blue"), app(t, "green")
	other := shopRoute(green, green, 0)
	other.App.Service, other.Path = "other", "/other"
	must(t, r.apply(1, shopRoute(blue, green, 0), other))
	path := filepath.Join(r.dir, "teal", "current", httpFile)
	content, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, append([]byte("# mine\n"), content...), 0o644))
	got := r.route()
	if len(got.Backends) != 2 || len(got.Backends[0].Targets) != 0 {
		t.Fatalf("read back as %+v, want no targets", got.Backends)
	}
	must(t, r.apply(2, got))
	if served := getFrom(t, servers.Listen[0]); served != "blue" {
		t.Errorf("after the other app left, %q serves", served)
	}
	must(t, r.apply(3, shopRoute(blue, green, 0)))
	if got := r.route(); len(got.Backends[0].Targets) != 1 || got.Backends[0].Targets[0] != blue {
		t.Errorf("read back as %+v", got.Backends)
	}
}

// A snippet of the operator that nginx does not understand: its own words come
// back, and what served goes on.
func TestBrokenSnippet(t *testing.T) {
	servers, _ := testServers(t)
	snippets := filepath.Join(t.TempDir(), "snippets")
	must(t, os.MkdirAll(filepath.Join(snippets, "server.d"), 0o755))
	r := startNginx(t, Options{Servers: servers, Snippets: snippets})
	blue, green := app(t, "blue"), app(t, "green")
	must(t, r.apply(1, shopRoute(blue, green, 0)))
	broken := filepath.Join(snippets, "server.d/site.conf")
	must(t, os.WriteFile(broken, []byte("# mine\nproxy_lose_everything on;\n"), 0o644))
	elsewhere := shopRoute(app(t, "other"), green, 0)
	err := r.apply(2, elsewhere)
	failure, classified := errors.AsType[*reconcile.Failure](err)
	if !errors.Is(err, ErrRefused) || !classified || !strings.Contains(failure.Message, broken+":2") || !strings.Contains(failure.Message, "proxy_lose_everything") {
		t.Errorf("the refusal is %v; want nginx' words with %s:2", err, broken)
	}
	if got := r.route(); got.Backends[0].Targets[0] != blue || getFrom(t, servers.Listen[0]) != "blue" {
		t.Errorf("after the refusal: %+v", got.Backends)
	}
	must(t, os.WriteFile(broken, []byte("add_header Site mine always;\n"), 0o644))
	must(t, r.apply(2, elsewhere))
	if got := getFrom(t, servers.Listen[0]); got != "other" {
		t.Errorf("after the snippet was mended %q serves", got)
	}
}

// An nginx that was killed is started again by the read back, and one whose
// folder was emptied as well gets its files again.
func TestKilled(t *testing.T) {
	servers, _ := testServers(t)
	r := startNginx(t, Options{Servers: servers})
	blue, green := app(t, "blue"), app(t, "green")
	must(t, r.apply(1, shopRoute(blue, green, 100)))
	for _, what := range []string{"killed", "killed and emptied", "emptied"} {
		if strings.HasPrefix(what, "killed") {
			r.end(syscall.SIGKILL)
		}
		if strings.HasSuffix(what, "emptied") {
			must(t, os.RemoveAll(filepath.Join(r.dir, "teal")))
			must(t, os.MkdirAll(filepath.Join(r.dir, "teal"), 0o755))
		}
		if got := r.route(); len(got.Backends) != 2 || got.Backends[1].Weight != 100 || len(got.Backends[1].Targets) != 1 {
			t.Errorf("%s: %+v", what, got.Backends)
		}
		if got := getFrom(t, servers.Listen[0]); got != "green" {
			t.Errorf("%s: %q serves", what, got)
		}
	}
}

// A request that began before a reload is still counted after it, by the worker
// that the reload has replaced.
func TestInFlightThroughReload(t *testing.T) {
	servers, _ := testServers(t)
	r := startNginx(t, Options{Servers: servers})
	entered, release := make(chan struct{}), make(chan struct{})
	slow := appWith(t, func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		fmt.Fprint(w, "slow")
	})
	must(t, r.apply(1, shopRoute(slow, app(t, "green"), 0)))
	answered := make(chan string)
	go func() { answered <- getFrom(t, servers.Listen[0]) }()
	<-entered
	must(t, r.apply(2, shopRoute(slow, app(t, "other green"), 100)))
	inFlight := func() int {
		s, err := r.driver.Read(t.Context())
		must(t, err)
		return s.Served(shop).Traffic[0].InFlight
	}
	if got := inFlight(); got != 1 {
		t.Errorf("after a reload %d requests are in flight, want 1", got)
	}
	r.drive() // a controller that was started anew sees it, too
	if got := inFlight(); got != 1 {
		t.Errorf("after a restart of the controller %d requests are in flight, want 1", got)
	}
	close(release)
	if got := <-answered; got != "slow" {
		t.Errorf("the request that a reload met got %q", got)
	}
	eventually(t, "nothing is in flight", func() bool { return inFlight() == 0 })
}
