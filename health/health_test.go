package health

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
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

func TestTheFirstProbeIsMadeAtOnceAndTheOthersOnTime(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, p *Prober, c *told) {
		w.set("a", 200)
		w.delay = 30 * ms // is not added to the interval
		p.Watch(app, []reconcile.ProbeTarget{of("a")})
		wait(450 * ms)
		expect(t, "probes", w.times("a"), []time.Duration{0, 100 * ms, 200 * ms, 300 * ms, 400 * ms})
		want := reconcile.Probe{Attempts: 5, Successes: 5, Since: w.begun.Add(30 * ms), Words: "GET /health → 200"}
		if got := p.Probe("a"); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if got := p.Probe("nobody"); got != (reconcile.Probe{}) {
			t.Errorf("a container that is not watched has %+v", got)
		}
		wait(100 * ms)
		expect(t, "calls: first words, successes, minimum healthy time", c.take(app), []time.Duration{30 * ms, 230 * ms, 530 * ms})
	})
}

func TestASlowProbeDelaysTheNextAndNoneOverlap(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, p *Prober, _ *told) {
		w.set("a", 200)
		w.delay = 250 * ms
		p.Watch(app, []reconcile.ProbeTarget{of("a")})
		wait(800 * ms)
		expect(t, "probes", w.times("a"), []time.Duration{0, 250 * ms, 500 * ms, 750 * ms})
		w.mu.Lock()
		w.delay = 0
		w.mu.Unlock()
		wait(350 * ms) // 1150: the last slow one ends at 1000, then on time, with none to catch up
		expect(t, "probes", w.times("a")[4:], []time.Duration{1000 * ms, 1100 * ms})
		if w.most != 1 {
			t.Errorf("%d probes at once", w.most)
		}
	})
}

func TestAProbeWithoutAnAnswerEndsAtItsTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, p *Prober, c *told) {
		w.set("a", -1)
		p.Watch(app, []reconcile.ProbeTarget{of("a")})
		wait(2500 * ms)
		expect(t, "probes", w.times("a"), []time.Duration{0, time.Second, 2 * time.Second})
		want := reconcile.Probe{Attempts: 2, Failures: 2, Words: "GET /health → timed out after 1s"}
		if got := p.Probe("a"); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		expect(t, "calls: first words, failures", c.take(app), []time.Duration{time.Second, 2 * time.Second})
	})
}

func TestRowsBreak(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, p *Prober, c *told) {
		w.set("a", 503)
		p.Watch(app, []reconcile.ProbeTarget{of("a")})
		wait(350 * ms) // 4 probes
		expect(t, "first words, failures", c.take(app), []time.Duration{0, 100 * ms})
		w.set("a", 200)
		wait(200 * ms) // 6 probes
		if got, want := p.Probe("a"), (reconcile.Probe{Attempts: 6, Successes: 2, Since: w.begun.Add(400 * ms), Words: "GET /health → 200"}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		expect(t, "not unhealthy any more", c.take(app), []time.Duration{400 * ms})
		w.set("a", 0)
		wait(100 * ms)
		if got, want := p.Probe("a"), (reconcile.Probe{Attempts: 7, Failures: 1, Words: "GET /health → connection closed without an answer"}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		expect(t, "a row of two broke", c.take(app), []time.Duration{600 * ms})
		w.set("a", 200)
		wait(time.Second)
		expect(t, "successes, minimum healthy time", c.take(app), []time.Duration{900 * ms, 1200 * ms})
		wait(time.Minute)
		expect(t, "nothing new", c.take(app), nil)
		w.set("a", 500)
		wait(time.Second)
		if got := c.take(app); len(got) != 2 || got[1]-got[0] != 100*ms {
			t.Errorf("the row broke, two failures: told at %v", got)
		}
	})
}

func TestMinimumHealthyTimeIsToldOnTimeThoughAProbeIsUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, p *Prober, c *told) {
		w.set("a", 200)
		target := of("a")
		target.Health.Successes = 1
		p.Watch(app, []reconcile.ProbeTarget{target})
		wait(50 * ms)
		w.set("a", -1) // the second probe, at 100 ms, hangs until 1100 ms
		wait(950 * ms)
		expect(t, "calls", c.take(app), []time.Duration{0, 500 * ms})
	})
}

func TestANewRunStartsAnew(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, p *Prober, _ *told) {
		w.set("a", 200)
		p.Watch(app, []reconcile.ProbeTarget{of("a")})
		wait(950 * ms)
		same := of("a")
		p.Watch(app, []reconcile.ProbeTarget{same, same}) // named twice is once
		wait(0)
		if got := p.Probe("a"); got.Attempts != 10 {
			t.Errorf("watched again: %+v", got)
		}
		again := of("a")
		again.StartedAt = again.StartedAt.Add(time.Second)
		p.Watch(app, []reconcile.ProbeTarget{again})
		wait(0)
		if got, want := p.Probe("a"), (reconcile.Probe{Attempts: 1, Successes: 1, Since: w.begun.Add(950 * ms), Words: "GET /health → 200"}); got != want {
			t.Errorf("a new run: %+v, want %+v", got, want)
		}
		wait(200 * ms)
		expect(t, "probes", w.times("a")[9:], []time.Duration{900 * ms, 950 * ms, 1050 * ms, 1150 * ms})
	})
}

func TestAnotherQuestionStartsAnewAnotherPaceDoesNot(t *testing.T) {
	change := map[string]struct {
		edit func(*reconcile.ProbeTarget)
		anew bool
	}{
		"interval":    {func(x *reconcile.ProbeTarget) { x.Interval = 50 * ms }, false},
		"its source":  {func(x *reconcile.ProbeTarget) { x.Health.Interval, x.Health.Restarts = 7, 7 }, false},
		"thresholds":  {func(x *reconcile.ProbeTarget) { x.Health.Successes, x.Health.Failures = 9, 9 }, false},
		"deadline":    {func(x *reconcile.ProbeTarget) { x.Health.Deadline = 7 }, false},
		"min healthy": {func(x *reconcile.ProbeTarget) { x.Health.MinHealthy = 7 }, false},
		"path":        {func(x *reconcile.ProbeTarget) { x.Health.Path = "/else" }, true},
		"header":      {func(x *reconcile.ProbeTarget) { x.Health.Headers = map[string]string{"X": "y"} }, true},
		"statuses":    {func(x *reconcile.ProbeTarget) { x.Health.Statuses = []spec.StatusRange{{From: 200, To: 299}} }, true},
		"timeout":     {func(x *reconcile.ProbeTarget) { x.Health.Timeout = spec.Duration(time.Minute) }, true},
		"kind":        {func(x *reconcile.ProbeTarget) { x.Health.Kind = spec.HealthTCP }, true},
		"address":     {func(x *reconcile.ProbeTarget) { x.Address = "b:80" }, true},
	}
	for _, name := range slices.Sorted(maps.Keys(change)) {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, p *Prober, _ *told) {
				w.set("a", 200)
				w.set("b", 200)
				p.Watch(app, []reconcile.ProbeTarget{of("a")})
				wait(950 * ms)
				next := of("a")
				change[name].edit(&next)
				p.Watch(app, []reconcile.ProbeTarget{next})
				wait(0)
				if got := p.Probe("a").Attempts; change[name].anew != (got == 1) || !change[name].anew && got < 10 {
					t.Errorf("%d attempts after the change", got)
				}
			})
		})
	}
}

func TestAnotherIntervalTakesEffectAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, p *Prober, _ *told) {
		w.set("a", 200)
		target := of("a")
		target.Interval = 400 * ms
		p.Watch(app, []reconcile.ProbeTarget{target})
		wait(130 * ms)
		target.Interval = 200 * ms
		p.Watch(app, []reconcile.ProbeTarget{target})
		wait(100 * ms)
		target.Interval = 20 * ms // the last one was 30 ms ago: due now
		p.Watch(app, []reconcile.ProbeTarget{target})
		wait(45 * ms)
		expect(t, "probes", w.times("a"), []time.Duration{0, 200 * ms, 230 * ms, 250 * ms, 270 * ms})
	})
}

func TestOtherThresholdsAreWeighedAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, p *Prober, c *told) {
		w.set("a", 200)
		target := of("a")
		target.Health.Successes = 50
		p.Watch(app, []reconcile.ProbeTarget{target})
		wait(350 * ms)
		expect(t, "first words", c.take(app), []time.Duration{0})
		target.Health.Successes = 4
		p.Watch(app, []reconcile.ProbeTarget{target})
		wait(300 * ms)
		expect(t, "enough by now, then minimum healthy time", c.take(app), []time.Duration{350 * ms, 500 * ms})
	})
}

func TestWatchReplacesTheTargetsOfOneApp(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, p *Prober, _ *told) {
		for _, host := range []string{"a", "b", "c"} {
			w.set(host, 200)
		}
		p.Watch(app, []reconcile.ProbeTarget{of("a"), of("b")})
		p.Watch(other, []reconcile.ProbeTarget{of("c")})
		wait(250 * ms)
		p.Watch(app, []reconcile.ProbeTarget{of("b")})
		wait(100 * ms)
		if p.Probe("a").Attempts != 0 || p.Probe("b").Attempts != 4 || p.Probe("c").Attempts != 4 {
			t.Errorf("a %+v, b %+v, c %+v", p.Probe("a"), p.Probe("b"), p.Probe("c"))
		}
		p.Watch(app, nil)
		wait(500 * ms)
		if a, b, c := len(w.times("a")), len(w.times("b")), len(w.times("c")); a != 3 || b != 4 || c != 9 {
			t.Errorf("probed %d, %d and %d times", a, b, c)
		}
	})
}

func TestAStoppedTargetSaysNothingMore(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, p *Prober, c *told) {
		w.set("a", -1)
		p.Watch(app, []reconcile.ProbeTarget{of("a")})
		wait(100 * ms) // the first probe hangs
		p.Watch(app, nil)
		wait(5 * time.Second)
		expect(t, "calls", c.take(app), nil)
		if w.open != 0 {
			t.Error("the probe under way was not cut short")
		}
	})
}

func TestAResultOfAReplacedTargetTellsNobody(t *testing.T) {
	p := New(Options{})
	p.Watch(app, []reconcile.ProbeTarget{of("a")})
	old := p.targets["a"]
	next := of("a")
	next.StartedAt = next.StartedAt.Add(time.Second)
	p.Watch(app, []reconcile.ProbeTarget{next})
	p.counted(old, outcome{passed, "late"}, time.Now())
	if got := p.Probe("a"); got != (reconcile.Probe{}) || len(p.notices.take()) > 0 {
		t.Errorf("the new run has %+v of the old one", got)
	}
}

// 200 targets that begin together are probed together once, at once, and are
// spread from then on.
func TestSteadyTargetsAreSpread(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, p *Prober, _ *told) {
		const n = 200
		var targets []reconcile.ProbeTarget
		for i := range n {
			host := fmt.Sprint("c", i)
			w.set(host, 200)
			target := of(host)
			target.Interval = time.Second
			targets = append(targets, target)
		}
		p.Watch(app, targets)
		wait(10 * time.Second)
		perSlot := map[time.Duration]int{}
		for _, target := range targets {
			times := w.times(target.Container)
			if times[0] != 0 {
				t.Fatalf("first probe at %v", times[0])
			}
			if first := times[1]; first <= 500*ms || first > time.Second {
				t.Fatalf("second probe at %v", first)
			}
			for i := 2; i < len(times); i++ {
				if gap := times[i] - times[i-1]; gap != time.Second {
					t.Fatalf("then %v apart", gap)
				}
			}
			perSlot[times[2].Truncate(50*ms)]++
		}
		for slot, count := range perSlot {
			if count > n/4 { // a tenth would be even
				t.Errorf("%d of %d probes in the 50 ms from %v", count, n, slot)
			}
		}
	})
}

func TestAChangedThatBlocksHoldsNoProbeUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("a", 200)
		blocked := make(chan struct{})
		var calls []spec.Name
		p := New(Options{Dial: w.dial, Changed: func(name spec.Name) {
			<-blocked
			calls = append(calls, name)
		}})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		p.Watch(app, []reconcile.ProbeTarget{of("a")}) // before it runs
		go func() { ended <- p.Run(ctx) }()
		wait(950 * ms)
		if got := p.Probe("a").Attempts; got != 10 {
			t.Errorf("%d probes", got)
		}
		close(blocked)
		wait(10 * ms)
		if len(calls) != 2 { // the one that blocked, and one for all since
			t.Errorf("told %d times", len(calls))
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestRunEndsWhileProbesHangAndRunsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inside atomic.Int64
		hung := func(ctx context.Context, _, _ string) (net.Conn, error) {
			inside.Add(1)
			defer inside.Add(-1)
			<-ctx.Done()
			time.Sleep(50 * ms) // an end takes its time
			return nil, ctx.Err()
		}
		p := New(Options{Dial: hung})
		p.Watch(app, []reconcile.ProbeTarget{of("a"), of("b")})
		for range 2 {
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- p.Run(ctx) }()
			wait(100 * ms)
			if err := p.Run(t.Context()); !errors.Is(err, errRunning) {
				t.Errorf("run twice at once: %v", err)
			}
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if n := inside.Load(); n != 0 {
				t.Errorf("%d probes go on after the end", n)
			}
			if got := p.Probe("a"); got != (reconcile.Probe{}) {
				t.Errorf("a probe that was cut short was counted: %+v", got)
			}
		}
	})
}

func TestDockerTargetsCountStartingAndSilenceNeitherWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		status, away := reconcile.HealthStarting, error(nil)
		set := func(s reconcile.EngineHealth, err error) {
			mu.Lock()
			defer mu.Unlock()
			status, away = s, err
		}
		p := New(Options{Docker: engine(func() (reconcile.EngineHealth, string, error) {
			mu.Lock()
			defer mu.Unlock()
			return status, "", away
		})})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- p.Run(ctx) }()
		target := of("a")
		target.Health.Kind = spec.HealthDocker
		p.Watch(app, []reconcile.ProbeTarget{target})
		begun := time.Now()
		for _, step := range []struct {
			status reconcile.EngineHealth
			err    error
			want   reconcile.Probe
		}{
			{reconcile.HealthStarting, nil, reconcile.Probe{Attempts: 2, Words: "docker → starting"}},
			{reconcile.HealthHealthy, nil, reconcile.Probe{Attempts: 4, Successes: 2, Since: begun.Add(200 * ms), Words: "docker → healthy"}},
			{"", errors.New("away"), reconcile.Probe{Attempts: 6, Successes: 2, Since: begun.Add(200 * ms), Words: "docker → the engine did not answer: away"}},
			{reconcile.HealthUnhealthy, nil, reconcile.Probe{Attempts: 8, Failures: 2, Words: "docker → unhealthy"}},
			{reconcile.HealthStarting, nil, reconcile.Probe{Attempts: 10, Failures: 2, Words: "docker → starting"}},
		} {
			set(step.status, step.err)
			if step.want.Attempts == 2 {
				wait(150 * ms)
			} else {
				wait(200 * ms)
			}
			if got := p.Probe("a"); got != step.want {
				t.Errorf("got %+v, want %+v", got, step.want)
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
