package loadgen

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestGoodAnswersAreCountedByMethodAndVersion(t *testing.T) {
	var gets, posts atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		switch {
		case r.Method == http.MethodPost && n == 7 && err == nil && r.Header.Get("X-Mark") == "m" && r.Host == "app.test":
			posts.Add(1)
		case r.Method == http.MethodGet && n == 0:
			gets.Add(1)
		default:
			w.WriteHeader(http.StatusBadRequest)
		}
		w.Header().Set(VersionHeader, "v1")
	}))
	defer server.Close()

	g := start(t, Config{URL: server.URL, Rate: 400, Body: 7, Host: "app.test", Header: http.Header{"X-Mark": {"m"}}})
	waitFor(t, func() bool { return g.Snapshot().Sent >= 100 })
	r := g.Stop()

	if r.Failed != 0 || r.InFlight != 0 || r.OK != r.Sent {
		t.Fatalf("not all were good:\n%s", r)
	}
	if r.Gets != gets.Load() || r.Posts != posts.Load() || r.Gets-r.Posts > 1 || r.Gets-r.Posts < -1 {
		t.Errorf("sent %d GET and %d POST, the server saw %d and %d", r.Gets, r.Posts, gets.Load(), posts.Load())
	}
	v := r.Versions["v1"]
	if v.Count != r.Sent || v.First.Before(v.FirstSent) || v.Last.Before(v.First) || v.LastSent.Before(v.FirstSent) {
		t.Errorf("version v1 was seen as %+v of %d", v, r.Sent)
	}
	if r.Latency.P50 == 0 || r.Latency.P50 > r.Latency.P95 || r.Latency.P99 > r.Latency.Max {
		t.Errorf("latency %+v is not in order", r.Latency)
	}
}

func TestShareOfPosts(t *testing.T) {
	for _, c := range []struct {
		share float64
		want  int
	}{{-1, 0}, {0.1, 10}, {0.5, 50}, {0.75, 75}, {1, 100}} {
		cfg, _, err := Config{URL: "http://127.0.0.1/", Post: c.share}.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		g, posts := &Generator{cfg: cfg}, 0
		for n := range 100 {
			if g.method(n) == http.MethodPost {
				posts++
			}
		}
		if posts != c.want {
			t.Errorf("a share of %g made %d of 100 requests a POST, want %d", c.share, posts, c.want)
		}
	}
}

func TestScheduleDoesNotWaitForAnswers(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()

	g := start(t, Config{URL: server.URL, Rate: 200})
	waitFor(t, func() bool { return g.Snapshot().InFlight >= 50 })
	if r := g.Snapshot(); r.OK+r.Failed != 0 {
		t.Errorf("%d answers although the server holds all", r.OK+r.Failed)
	}
	close(release)
	if r := g.Stop(); r.Failed != 0 || r.OK != r.Sent {
		t.Errorf("stop did not wait for the answers under way:\n%s", r)
	}
}

func TestTooManyUnderWayAreFailures(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, _ *http.Request) { <-release }))
	defer server.Close()

	g := start(t, Config{URL: server.URL, Rate: 200, MaxInFlight: 5, Post: -1, Samples: 3})
	waitFor(t, func() bool { return g.Snapshot().Failures[Saturated] >= 20 })
	close(release)
	r := g.Stop()
	if r.Failed != r.Failures[Saturated] || r.OK+r.Failed != r.Sent {
		t.Errorf("the count does not add up:\n%s", r)
	}
	if len(r.Errors) != 3 || len(r.Warnings) == 0 {
		t.Errorf("kept %d failures word for word and %d warnings, want 3 and some", len(r.Errors), len(r.Warnings))
	}
}

func TestLapForgetsVersions(t *testing.T) {
	var version atomic.Value
	version.Store("v1")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(VersionHeader, version.Load().(string))
	}))
	defer server.Close()

	g := start(t, Config{URL: server.URL, Rate: 300})
	waitFor(t, func() bool { return g.SinceLap()["v1"].Count > 0 })
	version.Store("v2")
	waitFor(t, func() bool { return g.SinceLap()["v2"].Count > 0 })
	if lap := g.Lap(); lap["v1"].Count == 0 || lap["v2"].Count == 0 {
		t.Errorf("the lap saw %v", lap)
	}
	waitFor(t, func() bool { return g.SinceLap()["v2"].Count > 20 })
	g.Lap()
	waitFor(t, func() bool { return g.SinceLap()["v2"].Count > 0 })
	if lap := g.Lap(); lap["v1"].Count != 0 {
		t.Errorf("the later lap saw %v", lap)
	}
	if r := g.Stop(); len(r.Versions) != 2 {
		t.Errorf("the report saw %v", r.Versions)
	}
}

func TestEndedContextStopsSendingButNotAnswers(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, _ *http.Request) { <-release }))
	defer server.Close()

	ctx, cancel := contextOf(t)
	g, err := New(ctx, Config{URL: server.URL, Rate: 200})
	if err != nil {
		t.Fatal(err)
	}
	g.Start(ctx)
	waitFor(t, func() bool { return g.Snapshot().InFlight >= 10 })
	cancel()
	close(release)
	if r := g.Stop(); r.Failed != 0 {
		t.Errorf("the end of the context failed requests:\n%s", r)
	}
}

func TestForeignAddressesAreRefused(t *testing.T) {
	for _, url := range []string{"http://192.0.2.1/", "http://8.8.8.8:80/", "https://[2001:db8::1]/"} {
		if _, err := New(t.Context(), Config{URL: url}); !errors.Is(err, ErrForeignAddress) {
			t.Errorf("New for %s: %v, want ErrForeignAddress", url, err)
		}
		if _, err := NewSockets(t.Context(), SocketConfig{URL: "ws" + url[4:]}); !errors.Is(err, ErrForeignAddress) {
			t.Errorf("NewSockets for %s: %v, want ErrForeignAddress", url, err)
		}
	}
	if _, err := dialer().DialContext(t.Context(), "tcp", "192.0.2.1:80"); !errors.Is(err, ErrForeignAddress) {
		t.Errorf("dial: %v, want ErrForeignAddress", err)
	}
	for _, url := range []string{"http://127.0.0.1:1/", "http://localhost:1/", "http://10.1.2.3/", "http://[::1]/"} {
		if _, err := New(t.Context(), Config{URL: url}); err != nil {
			t.Errorf("New for %s: %v", url, err)
		}
	}
}

func TestConfigThatCannotBeSentIsRefused(t *testing.T) {
	for name, c := range map[string]Config{
		"no URL":         {},
		"no scheme":      {URL: "127.0.0.1:8000"},
		"other scheme":   {URL: "ftp://127.0.0.1/"},
		"negative rate":  {URL: "http://127.0.0.1/", Rate: -1},
		"rate too high":  {URL: "http://127.0.0.1/", Rate: 1e6},
		"share over one": {URL: "http://127.0.0.1/", Post: 1.5},
		"negative size":  {URL: "http://127.0.0.1/", Body: -1},
	} {
		if _, err := New(t.Context(), c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestReportBlamesALateClient(t *testing.T) {
	r := Report{MaxLag: time.Second}
	r.warn()
	if len(r.Warnings) != 1 {
		t.Errorf("a lag of 1 s gave the warnings %q", r.Warnings)
	}
	r = Report{MaxLag: tolerableLag}
	r.warn()
	if len(r.Warnings) != 0 {
		t.Errorf("a tolerable lag gave the warnings %q", r.Warnings)
	}
}
