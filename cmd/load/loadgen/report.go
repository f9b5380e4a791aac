package loadgen

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Report is what a generator counted. Durations are in nanoseconds in JSON.
type Report struct {
	Started  time.Time      `json:"started"`
	Ended    time.Time      `json:"ended,omitzero"` // zero while it runs
	Rate     float64        `json:"rate"`           // wanted, per second
	Sent     int64          `json:"sent"`           // were due: OK + Failed + InFlight
	OK       int64          `json:"ok"`             // answered with 2xx, to the last byte
	Failed   int64          `json:"failed"`
	InFlight int64          `json:"in_flight"`
	Gets     int64          `json:"gets"`
	Posts    int64          `json:"posts"`
	Failures map[Kind]int64 `json:"failures,omitempty"`
	Errors   []Failure      `json:"errors,omitempty"` // the first ones, oldest first
	Latency  Latency        `json:"latency"`
	// Versions holds who answered, by the value of [VersionHeader].
	Versions map[string]Seen `json:"versions,omitempty"`
	// MaxLag is the furthest a request left behind its due time.
	MaxLag   time.Duration `json:"max_lag"`
	Warnings []string      `json:"warnings,omitempty"`
}

// Latency is from the due time to the last byte of good answers, within 2 %.
type Latency struct {
	P50 time.Duration `json:"p50"`
	P95 time.Duration `json:"p95"`
	P99 time.Duration `json:"p99"`
	Max time.Duration `json:"max"`
}

// Seen is when a version answered.
type Seen struct {
	Count     int64     `json:"count"`
	First     time.Time `json:"first"`      // first answer
	Last      time.Time `json:"last"`       // last answer
	FirstSent time.Time `json:"first_sent"` // the earliest-sent request it answered
	LastSent  time.Time `json:"last_sent"`  // the latest-sent request it answered
}

func (s Seen) with(sent, answered time.Time) Seen {
	if s.Count == 0 || sent.Before(s.FirstSent) {
		s.FirstSent = sent
	}
	if s.Count == 0 {
		s.First = answered
	}
	if sent.After(s.LastSent) {
		s.LastSent = sent
	}
	s.Count++
	s.Last = answered
	return s
}

// tolerableLag is how late a request may leave before the client blames itself.
const tolerableLag = 250 * time.Millisecond

func (r *Report) warn() {
	if r.MaxLag > tolerableLag {
		r.Warnings = append(r.Warnings, fmt.Sprintf(
			"the client was up to %s behind its schedule: it, not the server, was too slow at times",
			r.MaxLag.Round(time.Millisecond)))
	}
	if n := r.Failures[Saturated]; n > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf(
			"%d requests were not sent because too many were under way; they are counted as failed", n))
	}
}

// String is a summary for people; its last line is "N requests, M failed".
func (r Report) String() string {
	var b strings.Builder
	for _, v := range slices.Sorted(maps.Keys(r.Versions)) {
		s := r.Versions[v]
		fmt.Fprintf(&b, "version %s answered %d, from %s to %s\n", v, s.Count, clock(s.First), clock(s.Last))
	}
	fmt.Fprintf(&b, "%d GET, %d POST; latency p50 %s, p95 %s, p99 %s, max %s; at most %s behind the schedule\n",
		r.Gets, r.Posts, short(r.Latency.P50), short(r.Latency.P95), short(r.Latency.P99), short(r.Latency.Max), short(r.MaxLag))
	for _, k := range slices.Sorted(maps.Keys(r.Failures)) {
		fmt.Fprintf(&b, "failed: %s %d\n", k, r.Failures[k])
	}
	for _, f := range r.Errors {
		fmt.Fprintf(&b, "  %s %s %s: %s\n", clock(f.At), f.Method, f.Kind, f.Text)
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	fmt.Fprintf(&b, "%d requests, %d failed\n", r.Sent, r.Failed)
	return b.String()
}

func clock(t time.Time) string { return t.Format("15:04:05.000") }

func short(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
