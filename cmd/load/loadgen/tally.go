package loadgen

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// tally counts what became of requests. It is safe for concurrent use.
type tally struct {
	mu      sync.Mutex
	report  Report
	latency histogram
	lap     map[string]Seen
	samples int
}

// due counts a request that leaves now, or would have.
func (t *tally) due(method string, lag time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.Sent++
	t.report.InFlight++
	t.report.MaxLag = max(t.report.MaxLag, lag)
	if method == "POST" {
		t.report.Posts++
	} else {
		t.report.Gets++
	}
}

// answer is what became of one request.
type answer struct {
	due, sent, at time.Time
	method        string
	version       string
	kind          Kind // empty: good
	text          string
}

func (t *tally) done(a answer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.InFlight--
	if a.version != "" {
		t.report.Versions[a.version] = t.report.Versions[a.version].with(a.sent, a.at)
		t.lap[a.version] = t.lap[a.version].with(a.sent, a.at)
	}
	if a.kind == "" {
		t.report.OK++
		t.latency.add(a.at.Sub(a.due))
		return
	}
	t.report.Failed++
	t.report.Failures[a.kind]++
	if len(t.report.Errors) < t.samples {
		t.report.Errors = append(t.report.Errors, Failure{
			At: a.at, Due: a.due, Method: a.method, Kind: a.kind, Text: a.text, Version: a.version,
		})
	}
}

func (t *tally) snapshot() Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.report
	r.Failures = maps.Clone(r.Failures)
	r.Versions = maps.Clone(r.Versions)
	r.Errors = slices.Clone(r.Errors)
	r.Latency = t.latency.latency()
	r.warn()
	return r
}

func (t *tally) nextLap() map[string]Seen {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := t.lap
	t.lap = map[string]Seen{}
	return out
}

func (t *tally) sinceLap() map[string]Seen {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.lap)
}
