package reconcile_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

var slowRegistry = Failure{Class: Infra, Reason: ReasonRegistryUnavailable, Message: "503 Service Unavailable"}

// waits notes the same failure again and again and returns the waits after each.
func waits(name spec.Name, step Step, f Failure, times int) (out []time.Duration) {
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	rec := Record{Name: name}
	for range times {
		rec, _ = Note(rec, step, Outcome{Failure: &f}, now)
		out = append(out, rec.Backoff.Next.Sub(now))
		now = rec.Backoff.Next
	}
	return out
}

func TestBackoffGrowsToItsLimit(t *testing.T) {
	for _, c := range []struct {
		kind  StepKind
		about []time.Duration // ± 20 %
	}{
		{StepPull, []time.Duration{10, 20, 40, 80, 160, 300, 300, 300, 300, 300, 300, 300}},
		{StepEnsure, []time.Duration{10, 20, 40, 80, 160, 300}},
		{StepRoute, []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 256, 256}},
		{StepUnroute, []time.Duration{1, 2, 4}},
	} {
		got := waits(spec.Name{Project: "shop", Service: "web"}, Step{Kind: c.kind, Ensure: &Ensure{}, Route: &Route{}}, slowRegistry, len(c.about))
		for i, w := range got {
			if want := c.about[i] * time.Second; w < want*8/10 || w > want*12/10 {
				t.Errorf("%s: wait %d is %s, wanted %s ± 20 %%", c.kind, i+1, w, want)
			}
		}
	}
}

func TestBackoffSpreadsAppsThatFailTogether(t *testing.T) {
	var all []time.Duration
	for i := range 200 {
		w := waits(spec.Name{Project: "shop", Service: fmt.Sprint("app", i)}, Step{Kind: StepPull}, slowRegistry, 1)[0]
		if w < 8*time.Second || w > 12*time.Second {
			t.Errorf("a first wait of %s, wanted 8 to 12 s", w)
		}
		all = append(all, w)
	}
	if least, most := slices.Min(all), slices.Max(all); least > 8500*time.Millisecond || most < 11500*time.Millisecond {
		t.Errorf("200 apps wait %s to %s, wanted them spread over 8 to 12 s", least, most)
	}
	slices.Sort(all)
	if n := len(slices.Compact(all)); n < 100 {
		t.Errorf("200 apps have %d different waits", n)
	}
}

func TestBackoffHeedsWhatTheOtherSideAskedFor(t *testing.T) {
	f := slowRegistry
	f.RetryAfter = seconds(900)
	if w := waits(spec.Name{}, Step{Kind: StepPull}, f, 1)[0]; w != 15*time.Minute {
		t.Errorf("waits %s, wanted the 15 m that were asked for", w)
	}
	f.RetryAfter = seconds(1)
	if w := waits(spec.Name{}, Step{Kind: StepPull}, f, 1)[0]; w < 8*time.Second {
		t.Errorf("waits %s, wanted no less than its own wait", w)
	}
}

func TestBackoff(t *testing.T) {
	run(t, []row{
		{"a slow registry is waited for, and stable serves on", func(s *scenario) {
			s.runs("app:v1")
			s.host.refuse(4, StepPull, "app:v2", slowRegistry)
			s.wants("app:v2")
			s.passes(time.Minute)
			s.is(Preparing)
			s.serves(spec.Blue, "app:v1")
			s.settles()
			s.serves(spec.Green, "app:v2")
			if n := s.times("pull"); n != 5 {
				s.t.Errorf("pulled %d times, wanted 5", n)
			}
			if s.record.Backoff != nil {
				s.t.Errorf("backoff after success: %+v", s.record.Backoff)
			}
		}},
		{"no second try comes before its time, whatever wakes it", func(s *scenario) {
			s.runs("app:v1")
			s.host.refuse(9, StepPull, "app:v2", slowRegistry)
			s.wants("app:v2")
			for range 70 { // 7 s
				s.pass()
				s.now = s.now.Add(100 * time.Millisecond)
			}
			if n := s.times("pull"); n != 1 {
				s.t.Errorf("pulled %d times within 7 s", n)
			}
		}},
		{"retry does not wait", func(s *scenario) {
			s.runs("app:v1")
			s.host.refuse(1, StepPull, "app:v2", slowRegistry)
			s.wants("app:v2")
			s.until("the failure", func(bool) bool { return s.record.Backoff != nil })
			start := s.now
			s.does(VerbRetry)
			s.settles()
			s.serves(spec.Green, "app:v2")
			if took := s.record.Stable.Since.Sub(start); took > 5*time.Second {
				s.t.Errorf("stable after %s", took)
			}
		}},
		{"success starts the count anew", func(s *scenario) {
			s.runs("app:v1")
			s.host.refuse(3, StepPull, "app:v2", slowRegistry)
			s.host.refuse(1, StepPull, "app:v3", slowRegistry)
			s.wants("app:v2")
			s.settles()
			s.wants("app:v3")
			s.until("the failure", func(bool) bool { return s.record.Backoff != nil })
			if n := s.record.Backoff.Attempts; n != 1 {
				s.t.Errorf("attempt %d, wanted the first", n)
			}
		}},
		{"a registry that cannot be asked keeps a new generation waiting, and stable is repaired meanwhile", func(s *scenario) {
			s.runs("app:v1")
			s.host.refuse(99, StepResolve, "app:v2", slowRegistry)
			s.wants("app:v2")
			s.passes(30 * time.Second)
			s.removes("app:v1")
			s.passes(30 * time.Second)
			s.did("start blue-1 app:v1")
			s.serves(spec.Blue, "app:v1")
			if s.record.Generation != 1 {
				s.t.Errorf("generation %d was observed before its image was known", s.record.Generation)
			}
		}},
		{"time lost to the engine is not the candidate's", func(s *scenario) {
			s.runs("app:v1")
			s.host.refuse(8, StepEnsure, "app:v2", Failure{Class: Infra, Reason: ReasonEngineUnavailable, Message: "no engine"})
			s.wants("app:v2")
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"a proxy that refuses is asked again soon, and the switch gives up after its limit", func(s *scenario) {
			s.runs("app:v1")
			s.host.refuse(99, StepRoute, "green", Failure{Class: Infra, Reason: ReasonProxyRefused, Message: "busy"})
			s.wants("app:v2")
			s.settles()
			s.holds(ReasonSwitchFailed)
			s.serves(spec.Blue, "app:v1")
			if n := s.times("route green"); n < 3 {
				s.t.Errorf("asked %d times within a minute", n)
			}
		}},
	})
}
