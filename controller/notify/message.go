package notify

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"teal/reconcile"
)

// message is one delivery: one event, or a summary of several.
type message struct {
	ID         string // the same for the same event, whenever it is sent
	Controller string
	At         time.Time
	Severity   string // info or warning
	Title      string // one line
	Text       string
	Number     uint64           // of the event, or of the last one summed up
	Event      *reconcile.Event // nil: it is a summary
	Summary    *summary
}

// summary is what is told of several events at once.
type summary struct {
	Events   int            `json:"events"`
	Warnings int            `json:"warnings"`
	From     time.Time      `json:"from"`
	To       time.Time      `json:"to"`
	Counts   []summaryCount `json:"counts"` // most first
	Lost     uint64         `json:"lost,omitempty"`
}

// summaryCount is how often something happened.
type summaryCount struct {
	App    string           `json:"app,omitempty"`
	Reason reconcile.Reason `json:"reason"`
	Count  int              `json:"count"`
	Last   string           `json:"last"` // the newest message
}

// Severities.
const (
	severityInfo    = "info"
	severityWarning = "warning"
)

func severity(warning bool) string {
	if warning {
		return severityWarning
	}
	return severityInfo
}

// numbered is an event and its number.
type numbered struct {
	reconcile.Event
	Number uint64
}

// longest lists of a summary, for people.
const (
	summaryLines = 12
	summaryWords = 200
)

// summed makes one message of many events, which are in order; lost is how many
// the store had dropped before they were read.
func summed(controller string, events []numbered, lost uint64) message {
	s := sum(events)
	s.Lost = lost
	last := events[len(events)-1]
	return message{
		ID: fmt.Sprintf("%s-%d-%d", controller, events[0].Number, last.Number), Controller: controller, At: last.At,
		Severity: severity(s.Warnings > 0), Title: fmt.Sprintf("%d events, %d warnings", s.Events, s.Warnings), Text: s.text(),
		Number: last.Number, Summary: &s,
	}
}

// text says the summary, for people.
func (s summary) text() string {
	lines := []string{fmt.Sprintf("%d events from %s to %s, %d of them warnings:", s.Events, clock(s.From), clock(s.To), s.Warnings)}
	for _, c := range s.Counts[:min(len(s.Counts), summaryLines)] {
		words := fmt.Sprintf("%d × %s", c.Count, c.Reason)
		if c.App != "" {
			words += " of " + c.App
		}
		lines = append(lines, words+", the last: "+cut(c.Last, summaryWords))
	}
	if more := len(s.Counts) - summaryLines; more > 0 {
		lines = append(lines, fmt.Sprintf("… and %d other kinds: teal events", more))
	}
	if s.Lost > 0 {
		lines = append(lines, fmt.Sprintf("%d earlier events are no longer kept and were not told", s.Lost))
	}
	return strings.Join(lines, "\n")
}

func sum(events []numbered) summary {
	s := summary{Events: len(events), From: events[0].At, To: events[len(events)-1].At}
	type kind struct {
		app    string
		reason reconcile.Reason
	}
	counts := map[kind]summaryCount{}
	for _, e := range events {
		k := kind{appOf(e.Event), e.Reason}
		c := counts[k]
		counts[k] = summaryCount{App: k.app, Reason: k.reason, Count: c.Count + 1, Last: e.Message}
		if e.Warning {
			s.Warnings++
		}
	}
	s.Counts = slices.SortedFunc(maps.Values(counts), func(a, b summaryCount) int {
		return cmp.Or(b.Count-a.Count, strings.Compare(a.App, b.App), strings.Compare(string(a.Reason), string(b.Reason)))
	})
	return s
}

// appOf is "" for what is of no app.
func appOf(e reconcile.Event) string {
	if e.App.Service == "" {
		return ""
	}
	return e.App.String()
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// cut shortens text to at most n bytes, on a letter's border.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + "…"
}

// line makes one line of a text, for subjects and headers.
func line(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x2028 || r == 0x2029 }), " ")
}
