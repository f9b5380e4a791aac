package health

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"teal/reconcile"
	"teal/spec"
)

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
