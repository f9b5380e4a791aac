package contract

import (
	"fmt"
	"net/http"
	"testing"

	"teal/reconcile"
	"teal/spec"
)

func testSwitch(t *testing.T, e *env) {
	blue, green := e.start("blue"), e.start("green")
	e.apply(routeTo(on(spec.Green, "r2", green), on(spec.Blue, "r1", blue)))
	c := e.dial() // one connection throughout
	for i := range 50 {
		first, second := on(spec.Blue, "r1", blue), on(spec.Green, "r2", green)
		want := "blue"
		if i%2 == 1 {
			first, second, want = second, first, "green"
		}
		e.apply(routeTo(first, second))
		if got := c.ask(request("POST", "/", "h", "x")).body; got != want {
			t.Fatalf("switch %d: %q answered right after the switch, want %q", i, got, want)
		}
	}
}

func (e *env) share(n int) map[string]int {
	e.t.Helper()
	got := map[string]int{}
	c := e.dial()
	for range n {
		got[c.ask(request("GET", "/", "h", "")).body]++
	}
	return got
}

func testWholeWeights(t *testing.T, e *env) {
	blue, green := e.start("blue"), e.start("green")
	e.apply(routeTo(on(spec.Green, "r2", green), on(spec.Blue, "r1", blue)))
	if got := e.share(300); got["green"] != 300 {
		t.Errorf("with weights 0 and 100: %v", got)
	}
}

// With 600 requests at 30 %, 180 are expected and the standard deviation is 11:
// 120 to 240 is missed once in 20 million runs.
func testSharedWeights(t *testing.T, e *env) {
	r := weighted(on(spec.Blue, "r1", e.start("blue")), on(spec.Green, "r2", e.start("green")))
	r.Backends[0].Weight, r.Backends[1].Weight = 70, 30
	e.apply(r)
	if got := e.share(600); got["green"] < 120 || got["green"] > 240 || got["blue"]+got["green"] != 600 {
		t.Errorf("of 600 requests with weight 30: %v", got)
	}
}

func testReplicas(t *testing.T, e *env) {
	e.apply(routeTo(on(spec.Blue, "r1", e.start("one"), e.start("two"), e.start("three"))))
	got := e.share(90)
	for _, name := range []string{"one", "two", "three"} {
		if got[name] < 15 {
			t.Errorf("of 90 requests %s got %d: %v", name, got[name], got)
		}
	}
}

func (e *env) previewRoute() reconcile.Route {
	r := routeTo(on(spec.Blue, "r1", e.start("live")), on(spec.Green, "r2", e.startWith("next", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "next"+r.Header.Get("Teal-Preview"))
	})))
	r.Host, r.Path = "shop.example.com", "/shop"
	r.Preview = reconcile.Preview{Colour: spec.Green, Host: "next.example.com", Token: "let-me-in"}
	return r
}

func testPreviewHost(t *testing.T, e *env) {
	r := e.previewRoute()
	e.apply(r)
	if got := e.getHost("next.example.com", "/shop/x").body; got != "next" {
		t.Errorf("the preview host is served by %q", got)
	}
	if got := e.getHost("next.example.com", "/elsewhere").status; got != http.StatusNotFound {
		t.Errorf("the preview host outside the route's path: status %d, want 404", got)
	}
	if got := e.getHost("shop.example.com", "/shop").body; got != "live" {
		t.Errorf("the live host is served by %q", got)
	}
	r.Preview.Colour = ""
	e.apply(r)
	if a := e.getHost("next.example.com", "/shop"); a.status != http.StatusNotFound {
		t.Errorf("the preview host with nothing staged: %d %q, want 404", a.status, a.body)
	}
}

func testPreviewToken(t *testing.T, e *env) {
	r := e.previewRoute()
	e.apply(r)
	for _, c := range []struct{ header, want string }{
		{"Teal-Preview: let-me-in", "next"}, // and the app sees no header
		{"Teal-Preview: let-me-i", "live"},
		{"Teal-Preview: ", "live"},
		{"Teal-Preview: true\r\nX-Forwarded-For: 192.0.2.1", "live"}, // not from this host
		{"Teal-Preview: true\r\nVia: 1.1 somewhere", "live"},
	} {
		if got := e.getHost("shop.example.com", "/shop", c.header).body; got != c.want {
			t.Errorf("%q leads to %q, want %q", c.header, got, c.want)
		}
	}
	r.Preview.Token = ""
	e.apply(r)
	if got := e.getHost("shop.example.com", "/shop", "Teal-Preview: ").body; got != "live" {
		t.Errorf("an empty token leads to %q", got)
	}
}

func testPreviewOwnHost(t *testing.T, e *env) {
	e.apply(e.previewRoute())
	if got := e.getHost("shop.example.com", "/shop", "Teal-Preview: true").body; got != "next" {
		t.Errorf("from the own host: %q", got)
	}
}

func testCounts(t *testing.T, e *env) {
	entered, release := make(chan struct{}), make(chan struct{})
	s := e.startWith("slow", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/wait":
			entered <- struct{}{}
			<-release
		case "/fail":
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	next := e.start("next")
	e.apply(routeTo(on(spec.Blue, "r1", s), on(spec.Green, "r2", next)))
	c := e.dial()
	c.send(request("GET", "/wait", "h", ""))
	<-entered
	if got := e.traffic(app, "r1"); got.InFlight != 1 || got.Requests != 0 {
		t.Errorf("while a request runs: %+v", got)
	}
	e.apply(routeTo(on(spec.Green, "r2", next))) // gone from the table, still in flight
	if got := e.traffic(app, "r1").InFlight; got != 1 {
		t.Errorf("after the switch %d are in flight, want 1", got)
	}
	close(release)
	if _, err := c.receive("GET"); err != nil {
		t.Errorf("the request that ran during the switch: %v", err)
	}
	e.eventually("the old colour drains", func() bool { return e.traffic(app, "r1").InFlight == 0 })
	e.apply(routeTo(on(spec.Blue, "r1", s), on(spec.Green, "r2", next)))
	e.get("/")
	e.get("/fail")
	e.eventually("three requests and one failure are counted", func() bool {
		got := e.traffic(app, "r1")
		return got.Requests == 3 && got.Failures == 1 && got.InFlight == 0 && got.P99 >= got.P50 && got.P50 > 0
	})
}

func testPreviewCounts(t *testing.T, e *env) {
	e.apply(e.previewRoute())
	for range 5 {
		e.getHost("next.example.com", "/shop")
	}
	e.getHost("shop.example.com", "/shop")
	e.eventually("the live request is counted", func() bool { return e.traffic(app, "r1").Requests == 1 })
	if got := e.traffic(app, "r2"); got.Requests != 0 || got.Failures != 0 {
		t.Errorf("previews were counted as traffic: %+v", got)
	}
}
