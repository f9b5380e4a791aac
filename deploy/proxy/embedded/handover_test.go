package embedded

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"teal/reconcile"
)

// successor starts another proxy with the settings of p.
func successor(t *testing.T, p *running, instance string) *running {
	t.Helper()
	young := &running{config: p.config, client: p.client}
	young.config.Instance = instance
	young.start(t)
	t.Cleanup(func() { young.stop(t) })
	return young
}

// inFlight is what is in flight as the driver sees it.
func inFlight(t *testing.T, p *running) int {
	t.Helper()
	s, err := p.client.Read(t.Context())
	must(t, err)
	n := 0
	for _, app := range s.Traffic {
		for _, tr := range app.Traffic {
			n += tr.InFlight
		}
	}
	return n
}

// While a proxy ends after its successor took over, the two serve one table, and
// what is in flight in both is counted: else a colour could be stopped that the
// old one still sends requests to.
func TestTwoProxiesServeOneTable(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	old := startProxy(t, Config{Instance: "old", Limits: Limits{Shutdown: 10 * time.Second}})
	serveApp(t, old, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/long" {
			close(entered)
			<-release
		}
		fmt.Fprint(w, "first")
	})
	long, longAnswer := dialProxy(t, old)
	_, err := io.WriteString(long, "GET /long HTTP/1.1\r\nHost: h\r\n\r\n")
	must(t, err)
	<-entered
	kept, keptAnswer := dialProxy(t, old)
	_, err = io.WriteString(kept, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	must(t, err)
	if got := status(t, keptAnswer); got != http.StatusOK {
		t.Fatalf("before: %d", got)
	}

	middle := successor(t, old, "middle") // a chain of three
	young := successor(t, middle, "young")
	if name, err := young.client.Instance(t.Context()); name != "young" {
		t.Errorf("%q answers, %v", name, err)
	}
	if n := inFlight(t, young); n != 1 {
		t.Errorf("%d in flight, want the one in the oldest proxy", n)
	}
	second := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	t.Cleanup(second.Close)
	applyTarget(t, young, strings.TrimPrefix(second.URL, "http://"), nil)
	_, err = io.WriteString(kept, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	must(t, err)
	resp, err := http.ReadResponse(keptAnswer, nil)
	must(t, err)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted || !resp.Close {
		t.Errorf("a kept connection to the old proxy: %d, to be closed %v; want the new table and a close", resp.StatusCode, resp.Close)
	}
	close(release)
	if got := status(t, longAnswer); got != http.StatusOK {
		t.Errorf("the long request: %d", got)
	}
	await(t, "nothing is in flight", func() bool { return inFlight(t, young) == 0 })
}

// A successor that cannot serve changes nothing.
func TestAHandoverThatFails(t *testing.T) {
	old := startProxy(t, Config{Instance: "old"})
	serveApp(t, old, echoLength)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	for name, change := range map[string]func(*Config){
		"a port is taken":      func(c *Config) { c.Listen = append(c.Listen[:1:1], taken.Addr().String()) },
		"a metrics port, too":  func(c *Config) { c.Metrics = taken.Addr().String() },
		"no certificate":       func(c *Config) { c.CertFile = "/nowhere" },
		"its table is damaged": func(c *Config) { cutInHalf(t, c.StateDir+"/"+tableFile) },
	} {
		t.Run(name, func(t *testing.T) {
			c := old.config
			c.Instance = "young"
			change(&c)
			if err := Serve(t.Context(), c); err == nil {
				t.Fatal("it served")
			}
			await(t, "the old proxy answers the driver", func() bool {
				name, err := old.client.Instance(t.Context())
				return err == nil && name == "old"
			})
			nc, br := dialProxy(t, old)
			_, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
			must(t, err)
			if got := status(t, br); got != http.StatusOK {
				t.Errorf("a request: %d", got)
			}
			s, err := old.client.Read(t.Context())
			must(t, err)
			table := s.Table
			table.Seq++
			must(t, old.client.Apply(t.Context(), table))
		})
	}
	young := successor(t, old, "young")
	if name, err := young.client.Instance(t.Context()); name != "young" {
		t.Errorf("%q answers, %v", name, err)
	}
}

// A proxy whose successor has gone follows nobody, so it ends soon.
func TestAProxyWithoutItsSuccessorHurries(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	old := startProxy(t, Config{})
	serveApp(t, old, func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-release
	})
	defer close(release)
	nc, br := dialProxy(t, old)
	_, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	must(t, err)
	<-entered
	ctx, crash := context.WithCancel(t.Context())
	ready, ended := make(chan Addresses, 1), make(chan error, 1)
	c := old.config
	c.Ready = func(a Addresses) { ready <- a }
	go func() { ended <- Serve(ctx, c) }()
	<-ready
	crash()
	must(t, <-ended)
	if _, err := br.ReadByte(); err == nil {
		t.Error("a request that outlived the limits was answered")
	}
}

func TestInFlightIsAdded(t *testing.T) {
	app := func(name string, counts ...reconcile.Traffic) reconcile.AppTraffic {
		out := reconcile.AppTraffic{Traffic: counts}
		out.App.Project, out.App.Service = "p", name
		return out
	}
	count := func(revision string, inFlight, upgraded int) reconcile.Traffic {
		return reconcile.Traffic{Colour: "blue", Revision: revision, InFlight: inFlight, Upgraded: upgraded, Requests: 7}
	}
	got := plusInFlight(
		[]reconcile.AppTraffic{app("a", count("r1", 1, 0))},
		[]reconcile.AppTraffic{app("a", count("r1", 2, 3), count("r2", 0, 1), count("r3", 0, 0)), app("b", count("r1", 4, 0))},
	)
	want := "[{p/a [{blue r1 3 3} {blue r2 0 1}]} {p/b [{blue r1 4 0}]}]"
	var have []string
	for _, a := range got {
		var counts []string
		for _, c := range a.Traffic {
			counts = append(counts, fmt.Sprintf("{%s %s %d %d}", c.Colour, c.Revision, c.InFlight, c.Upgraded))
		}
		have = append(have, fmt.Sprintf("{%s [%s]}", a.App, strings.Join(counts, " ")))
	}
	if text := "[" + strings.Join(have, " ") + "]"; text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}
