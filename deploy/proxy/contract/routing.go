package contract

import (
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"teal/reconcile"
	"teal/spec"
)

func itoa(n int) string { return strconv.Itoa(n) }

func testEmpty(t *testing.T, e *env) {
	if a := e.get("/"); a.status != http.StatusServiceUnavailable {
		t.Errorf("before the first table: status %d, want 503", a.status)
	}
	e.apply()
	if a := e.get("/"); a.status != http.StatusNotFound {
		t.Errorf("with an empty table: status %d, want 404", a.status)
	}
}

func testMatching(t *testing.T, e *env) {
	var routes []reconcile.Route
	place := func(name, host, path string) {
		r := routeTo(on(spec.Blue, "r1", e.start(name)))
		r.App, r.Host, r.Path = spec.Name{Project: "p", Service: name}, host, path
		routes = append(routes, r)
	}
	place("api", "api.example.com", "/")
	place("api-v2", "api.example.com", "/v2")
	place("admin", "admin.example.com", "/admin/")
	place("rest", "*", "/")
	e.apply(routes...)
	for _, c := range []struct{ host, path, want string }{
		{"api.example.com", "/", "api"},
		{"API.Example.COM", "/x?y=z", "api"},
		{"api.example.com:8000", "/", "api"},
		{"api.example.com.", "/", "api"},
		{"api.example.com", "/v2", "api-v2"},
		{"api.example.com", "/v2/x", "api-v2"},
		{"api.example.com", "/v2?x", "api-v2"},
		{"api.example.com", "/v20", "api"},
		{"admin.example.com", "/admin", "admin"},
		{"admin.example.com", "/admin/x", "admin"},
		{"admin.example.com", "/other", "rest"},
		{"other.example.com", "/v2", "rest"},
		{"127.0.0.1:8000", "/", "rest"},
		{"[::1]:8000", "/", "rest"},
	} {
		if a := e.getHost(c.host, c.path); a.body != c.want {
			t.Errorf("%s%s is served by %q (%d), want %q", c.host, c.path, a.body, a.status, c.want)
		}
	}
	e.apply(routes[:1]...)
	a := e.getHost("nobody.example.com", "/")
	if a.status != http.StatusNotFound || strings.Contains(a.body, "api") {
		t.Errorf("a host without a route: %d %q; want 404 and nothing about other apps", a.status, a.body)
	}
}

func testReadBack(t *testing.T, e *env) {
	r := weighted(
		reconcile.Backend{Colour: spec.Blue, Revision: "r1", Weight: 70, Targets: []string{e.start("a").address}},
		reconcile.Backend{Colour: spec.Green, Revision: "r2", Weight: 30, Targets: []string{e.start("b").address, e.start("c").address}})
	r.Preview = reconcile.Preview{Colour: spec.Green, Host: "next.example.com", Token: "t"}
	r.Hold, r.MaxBody, r.Timeout = spec.Duration(time.Second), 1<<20, spec.Duration(time.Minute)
	want := reconcile.Table{Seq: 7, Routes: []reconcile.Route{r}}
	mustNot(t, e.Proxy.Apply(t.Context(), want))
	if got := e.read().Table; !reflect.DeepEqual(got, want) {
		t.Errorf("read back:\n got %+v\nwant %+v", got, want)
	}
}

func testRefused(t *testing.T, e *env) {
	a, b := e.start("a"), e.start("b")
	good := reconcile.Table{Seq: 5, Routes: []reconcile.Route{routeTo(on(spec.Blue, "r1", a))}}
	mustNot(t, e.Proxy.Apply(t.Context(), good))
	if err := e.Proxy.Apply(t.Context(), good); err != nil {
		t.Errorf("the same table again: %v, want no error", err)
	}
	other := routeTo(on(spec.Blue, "r1", b))
	twice := routeTo(on(spec.Blue, "r1", b))
	twice.App.Service = "other"
	light := routeTo(on(spec.Blue, "r1", b))
	light.Backends[0].Weight = 99
	nowhere := routeTo(reconcile.Backend{Colour: spec.Blue, Revision: "r1", Targets: []string{"no-port"}})
	for why, table := range map[string]reconcile.Table{
		"an older number":        {Seq: 4, Routes: []reconcile.Route{other}},
		"the same number":        {Seq: 5, Routes: []reconcile.Route{other}},
		"weights of 99":          {Seq: 6, Routes: []reconcile.Route{light}},
		"one place for two apps": {Seq: 6, Routes: []reconcile.Route{other, twice}},
		"one app twice":          {Seq: 6, Routes: []reconcile.Route{other, other}},
		"a target without port":  {Seq: 6, Routes: []reconcile.Route{nowhere}},
	} {
		if err := e.Proxy.Apply(t.Context(), table); err == nil {
			t.Errorf("a table with %s was accepted", why)
		}
	}
	if got := e.get("/").body; got != "a" || e.read().Table.Seq != 5 {
		t.Errorf("after refusals %q serves with table %d, want a with 5", got, e.read().Table.Seq)
	}
}
