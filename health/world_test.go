package health

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// world is a network in memory, in the bubble of a test. Every container answers
// with the status that is set for it; 0 resets, -1 never answers.
type world struct {
	mu     sync.Mutex
	status map[string]int             // by host
	delay  time.Duration              // before an answer
	probes map[string][]time.Duration // when, since the start of the test
	begun  time.Time
	open   int // connections at this moment
	most   int
	wg     sync.WaitGroup
}

func newWorld() *world {
	return &world{status: map[string]int{}, probes: map[string][]time.Duration{}, begun: time.Now()}
}

func (w *world) dial(_ context.Context, _, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.probes[host] = append(w.probes[host], time.Since(w.begun))
	near, far := net.Pipe()
	w.open++
	w.most = max(w.most, w.open)
	status, delay := w.status[host], w.delay
	w.wg.Go(func() { w.answer(far, status, delay) })
	return &counted{Conn: near, close: sync.OnceFunc(w.closed)}, nil
}

func (w *world) closed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open--
}

// counted tells when it is closed.
type counted struct {
	net.Conn
	close func()
}

func (c *counted) Close() error {
	c.close()
	return c.Conn.Close()
}

func (w *world) answer(conn net.Conn, status int, delay time.Duration) {
	defer func() { _ = conn.Close() }() // a pipe: cannot fail
	if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
		return
	}
	switch {
	case status < 0:
		_, _ = io.Copy(io.Discard, conn) // until the prober is gone
	case status > 0:
		time.Sleep(delay) // the bubble's clock
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n", status)
	}
}

func (w *world) set(host string, status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status[host] = status
}

// times returns when host was probed.
func (w *world) times(host string) []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.probes[host])
}

// told are the calls of Changed.
type told struct {
	mu    sync.Mutex
	begun time.Time
	at    map[spec.Name][]time.Duration
}

func (c *told) changed(app spec.Name) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at[app] = append(c.at[app], time.Since(c.begun))
}

// take returns the times of the calls for app since it was last asked.
func (c *told) take(app spec.Name) []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.at[app]
	delete(c.at, app)
	return out
}

const ms = time.Millisecond

var (
	app   = spec.Name{Project: "shop", Service: "was"}
	other = spec.Name{Project: "shop", Service: "api"}
)

// of is a target that is probed every 100 ms.
func of(container string) reconcile.ProbeTarget {
	return reconcile.ProbeTarget{
		Container: container, StartedAt: time.Unix(1, 0), Address: container + ":80", Interval: 100 * ms,
		Health: spec.Health{
			Kind: spec.HealthHTTP, Path: "/health", Timeout: spec.Duration(time.Second), Successes: 3, Failures: 2,
			MinHealthy: spec.Duration(500 * ms), Headers: map[string]string{"X-Token": secret},
		},
	}
}

// bubble runs test with a prober that runs, on a clock that jumps.
func bubble(t *testing.T, test func(t *testing.T, w *world, p *Prober, c *told)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		c := &told{begun: time.Now(), at: map[spec.Name][]time.Duration{}}
		p := New(Options{Dial: w.dial, Changed: c.changed})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- p.Run(ctx) }()
		synctest.Wait()
		test(t, w, p, c)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		w.wg.Wait()
	})
}

// wait lets d pass, and all that happens until then.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func expect[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
