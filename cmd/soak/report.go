package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// report is what is said at the end.
type report struct {
	set          settings
	began, ended time.Time
	lives        int
	looks, blind int
	rests        []time.Duration // how long each settling took
	counts       map[string]int  // of the journal
	events       map[string]int  // by reason
	requests     requests
	traffic      []took
	samples      []sample
	findings     []finding
}

func newReport(set settings) *report { return &report{set: set, events: map[string]int{}} }

func (r *report) settled(took time.Duration) { r.rests = append(r.rests, took) }

// finish closes the books: everything has stopped by now.
func (s *soaker) finish() *report {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range all(s.projects) {
		s.disconnect(a)
	}
	r := s.report
	if r.ended.IsZero() {
		r.ended = time.Now()
	}
	for _, l := range flatLines {
		if t := trend(l, r.samples); t.grew() {
			s.find("flat", "%s grew from %.1f to %.1f, it may reach %.1f", l.name, t.first, t.end, t.limit)
		}
	}
	r.lives, r.counts, r.requests, r.traffic = s.teal.lives, s.journal.counts, s.requests, s.traffic
	r.findings = s.findings.all
	return r
}

// markdown is the report for people and for docs.
func (r *report) markdown() string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("## Soak: %s, %d apps, proxy %s, seed %d", r.ended.Sub(r.began).Round(time.Second), r.set.apps, r.set.proxy, r.set.seed)
	say("")
	say("| | |\n|---|---|")
	var excused int64
	for _, n := range r.requests.excused {
		excused += n
	}
	say("| requests | %d sent, %d failed outside a fault that loses requests by nature, %d inside one |", r.requests.sent, r.requests.failed-excused, excused)
	say("| looks from outside | %d; %d not possible because a fault was on or the controller away |", r.looks, r.blind)
	say("| lives of the controller | %d |", r.lives)
	say("| settlings | %d, median %s, longest %s |", len(r.rests), middle(r.rests).Round(100*time.Millisecond), longest(r.rests).Round(100*time.Millisecond))
	var edits []time.Duration
	worst := took{}
	for _, t := range r.traffic {
		edits = append(edits, t.time)
		if t.time > worst.time {
			worst = t
		}
	}
	say("| edit to first answer | %d, median %s, longest %s (%s) |", len(edits), middle(edits).Round(time.Millisecond), worst.time.Round(time.Millisecond), worst.version)
	say("| findings | %d |", len(r.findings))
	say("")
	say("Actions: %s.", counted(r.counts))
	say("")
	say("Events of the controller: %s.", counted(r.events))
	if len(r.requests.excused) > 0 {
		say("")
		say("Failed by nature of a fault:")
		for _, name := range slices.Sorted(maps.Keys(r.requests.excused)) {
			say("- %s: %d", name, r.requests.excused[name])
		}
	}
	say("")
	say("%s", flatTable(r.samples))
	for _, f := range r.findings {
		say("- **%s** %s: %s", f.Rule, clock(f.At), f.Text)
	}
	return b.String()
}

func counted(of map[string]int) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		out = append(out, fmt.Sprintf("%s %d", name, of[name]))
	}
	return strings.Join(out, ", ")
}

func middle(of []time.Duration) time.Duration {
	if len(of) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(of))[len(of)/2]
}

func longest(of []time.Duration) time.Duration {
	if len(of) == 0 {
		return 0
	}
	return slices.Max(of)
}
