package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teal/cmd/load/loadgen"
)

// TestSoak is the command as it is, for a short time: one round of each kind.
func TestSoak(t *testing.T) {
	folder := t.TempDir()
	program := filepath.Join(folder, "teal")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", program, "teal/cmd/teal")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build teal: %v: %s", err, out)
	}
	set, err := parse([]string{"-rounds", "5", "-round", "4s", "-seed", "4", "-apps", "6", "-rate", "40", "-teal", program, "-folder", folder})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	report, err := soak(ctx, set)
	if err != nil {
		t.Fatal(err)
	}
	text := report.markdown()
	if len(report.findings) > 0 {
		journal, _ := os.ReadFile(filepath.Join(folder, "journal.jsonl"))
		t.Fatalf("%s\n%s", text, journal)
	}
	if report.requests.sent < 500 || report.looks < 5 || report.counts["round"] != 5 || report.counts["settled"] != 7 || report.events["Promoted"] < 6 || len(report.samples) != 7 {
		t.Errorf("it did too little:\n%s", text)
	}
	for _, words := range []string{"## Soak: ", "seed 4", "| controller, goroutines |", "Actions: "} {
		if !strings.Contains(text, words) {
			t.Errorf("the report lacks %q:\n%s", words, text)
		}
	}
}

func TestWrongFlagsAreRefused(t *testing.T) {
	for _, wrong := range []string{"-apps=3", "-apps=41", "-time=0s", "-round=0s", "-rate=0", "-rounds=-1", "-proxy=caddy", "extra", "-tim=1s"} {
		if _, err := parse([]string{wrong}); err == nil {
			t.Errorf("%s was accepted", wrong)
		}
	}
}

func TestLedger(t *testing.T) {
	for _, c := range []struct {
		name    string
		do      func(l *ledger)
		version string
		words   string // of the refusal; empty: it may answer
	}{
		{"what serves may answer", func(*ledger) {}, "v1-good", ""},
		{"nobody wished for it", func(*ledger) {}, "v2-good", "not wanted"},
		{"a good wish may answer", func(l *ledger) { l.wished("v2-good", good, false) }, "v2-good", ""},
		{"what served may go on until all has settled", func(l *ledger) { l.wished("v2-good", good, false) }, "v1-good", ""},
		{"a broken wish may not", func(l *ledger) { l.wished("v2-unhealthy", unhealthy, false) }, "v2-unhealthy", "broken"},
		{"a gate keeps it", func(l *ledger) { l.wished("v2-good", good, true) }, "v2-good", "gate nobody opened"},
		{"an open gate lets it through", func(l *ledger) { l.wished("v2-good", good, true); l.opened() }, "v2-good", ""},
		{"settled, the old one is over", func(l *ledger) { l.wished("v2-good", good, false); l.settled("v2-good", "v2-good", false) }, "v1-good", "not wanted"},
		{"until somebody goes back", func(l *ledger) {
			l.wished("v2-good", good, false)
			l.settled("v2-good", "v2-good", false)
			l.wentBack()
		}, "v1-good", ""},
		{"what may have served in between, too", func(l *ledger) {
			l.wished("v2-good", good, false)
			l.wished("v3-good", good, false)
			l.settled("v3-good", "v3-good", false)
			l.wentBack()
		}, "v2-good", ""},
		{"a staged one waits on", func(l *ledger) {
			l.wished("v2-good", good, true)
			l.settled("v1-good", "v2-good", true)
			l.opened()
		}, "v2-good", ""},
		{"an aborted one is over", func(l *ledger) {
			l.wished("v2-good", good, true)
			l.settled("v1-good", "v2-good", false)
			l.opened()
		}, "v2-good", "not wanted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLedger()
			l.wished("v1-good", good, false)
			l.settled("v1-good", "v1-good", false)
			c.do(&l)
			got := l.judge(c.version)
			if (got == "") != (c.words == "") || !strings.Contains(got, c.words) {
				t.Errorf("%s: %q, want words %q", c.version, got, c.words)
			}
		})
	}
}

func TestExcuse(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(1000+s), 0) }
	a := &app{}
	a.excuse("docker kill", at(10))
	a.closeExcuses(at(5), at(6))
	open := a.excuses
	if name := excuseFor(open, loadgen.Failure{Due: at(30), At: at(31)}); name != "docker kill" {
		t.Errorf("an open window excuses what comes later, got %q", name)
	}
	a.closeExcuses(at(11), at(20))
	for _, c := range []struct {
		due, seen int
		want      string
	}{{1, 9, ""}, {1, 11, "docker kill"}, {12, 14, "docker kill"}, {19, 25, "docker kill"}, {21, 22, ""}} {
		if got := excuseFor(a.excuses, loadgen.Failure{Due: at(c.due), At: at(c.seen)}); got != c.want {
			t.Errorf("due %d, seen %d: %q, want %q", c.due, c.seen, got, c.want)
		}
	}
}

func TestTrend(t *testing.T) {
	series := func(life int, values ...float64) []sample {
		var out []sample
		for _, v := range values {
			out = append(out, sample{life: life, values: map[string]float64{"x": v}})
		}
		return out
	}
	flat := []float64{90, 30, 30, 31, 30, 29, 30, 33, 30, 30, 31, 30, 30, 30, 30}
	growing := []float64{30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44}
	bursts := []float64{30, 30, 31, 30, 30, 35, 31, 90, 90, 90, 90, 90, 31, 90, 90}
	for _, c := range []struct {
		name    string
		life    bool
		floor   bool
		samples []sample
		judged  bool
		grew    bool
	}{
		{"flat with bursts", false, true, series(1, bursts...), true, false},
		{"growing under bursts", false, true, series(1, growing...), true, true},
		{"flat after a high start", false, false, series(1, flat...), true, false},
		{"growing", false, false, series(1, growing...), true, true},
		{"too few samples say nothing", false, false, series(1, growing[:8]...), false, false},
		{"only the last life counts", true, false, append(series(1, growing...), series(2, flat...)...), true, false},
		{"the last life grows", true, false, append(series(1, flat...), series(2, growing...)...), true, true},
		{"the last life is too short", true, false, append(series(1, growing...), series(2, growing[:3]...)...), false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := trend(line{name: "x", share: 0.1, amount: 1, life: c.life, floor: c.floor}, c.samples)
			if got.judged() != c.judged || got.grew() != c.grew {
				t.Errorf("judged %t, grew %t: %+v", got.judged(), got.grew(), got)
			}
		})
	}
	if got := trend(line{name: "x"}, nil); got.judged() || got.grew() {
		t.Errorf("no samples: %+v", got)
	}
}

func TestMetricsAreParsed(t *testing.T) {
	got, err := parseMetrics(strings.NewReader("# HELP go_goroutines x\ngo_goroutines 42\nteal_steps_total{kind=\"a\"} 3\nbytes 2.9e+07\n"))
	if err != nil || len(got) != 2 || got["go_goroutines"] != 42 || got["bytes"] != 2.9e7 {
		t.Errorf("%v, %v", got, err)
	}
}
