package health

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"teal/reconcile"
	"teal/spec"
)

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
