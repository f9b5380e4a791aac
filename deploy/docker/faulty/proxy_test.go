package faulty_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"teal/deploy/docker/faulty"
)

// start puts a proxy before an engine that counts the starts it does.
func start(t *testing.T) (*faulty.Proxy, *http.Client, *atomic.Int32) {
	t.Helper()
	folder := t.TempDir()
	engine := httptest.NewUnstartedServer(nil)
	done := new(atomic.Int32)
	engine.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if faulty.CallOf(r) == "ContainerStart" {
			body, err := io.ReadAll(r.Body)
			if err != nil || string(body) != "body" {
				t.Errorf("body %q, %v", body, err)
			}
			done.Add(1)
		}
		w.WriteHeader(http.StatusNoContent)
	})
	l, err := net.Listen("unix", filepath.Join(folder, "engine"))
	if err != nil {
		t.Fatal(err)
	}
	engine.Listener.Close()
	engine.Listener = l
	engine.Start()
	t.Cleanup(engine.Close)
	p, err := faulty.Listen(t.Context(), filepath.Join(folder, "proxy"), filepath.Join(folder, "engine"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(folder, "proxy"))
	}}}
	return p, client, done
}

// post starts a container and returns the status; 0: no answer.
func post(t *testing.T, client *http.Client, limit time.Duration) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	body, w := io.Pipe()
	go func() {
		_, err := io.WriteString(w, "body")
		w.CloseWithError(err)
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://docker/v1.41/containers/x/start", body)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}

func TestFaultsHitWhatTheyWereTold(t *testing.T) {
	for _, c := range []struct {
		kind   faulty.Kind
		limit  time.Duration
		status int
		done   int32
	}{
		{faulty.Failed, time.Minute, 500, 0},
		{faulty.Cut, time.Minute, 0, 0},
		{faulty.Lost, time.Minute, 0, 1},
		{faulty.Late, 100 * time.Millisecond, 0, 1}, // the caller goes before
	} {
		t.Run(string(c.kind), func(t *testing.T) {
			t.Parallel()
			p, client, done := start(t)
			if got := post(t, client, time.Minute); got != http.StatusNoContent || done.Load() != 1 {
				t.Fatalf("without a fault: %d, done %d times", got, done.Load())
			}
			p.Break(faulty.Fault{Call: "ContainerStop", Kind: c.kind})
			p.Break(faulty.Fault{Call: "ContainerStart", Kind: c.kind, Times: 1, For: time.Hour})
			if got := post(t, client, c.limit); got != c.status {
				t.Errorf("status %d, want %d", got, c.status)
			}
			until(t, func() bool { return done.Load() == 1+c.done })
			if got := post(t, client, time.Minute); got != http.StatusNoContent || done.Load() != 2+c.done || p.Hit() != 1 {
				t.Errorf("after the fault: %d, done %d times, hit %d", got, done.Load(), p.Hit())
			}
			p.Heal()
			if seen := p.Seen()["ContainerStart"]; seen != 3 {
				t.Errorf("seen %d times", seen)
			}
		})
	}
}

func until(t *testing.T, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !met(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within a minute")
		}
	}
}
