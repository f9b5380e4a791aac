package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"teal/controller/api"
)

// finding is one invariant that did not hold.
type finding struct {
	At   time.Time
	Rule string
	Text string
}

// findings keeps them, with evidence of the first ones.
type findings struct {
	s     *soaker
	mu    sync.Mutex
	all   []finding
	said  map[string]bool
	queue chan int
	done  sync.WaitGroup
}

// mostEvidence bounds for how many findings evidence is kept, mostFindings how
// many are kept at all.
const (
	mostEvidence = 12
	mostFindings = 500
)

func newFindings(ctx context.Context, s *soaker) *findings {
	ctx = context.WithoutCancel(ctx) // evidence is kept when the run has ended, too
	f := &findings{s: s, said: map[string]bool{}, queue: make(chan int, mostFindings)}
	f.done.Go(func() {
		for n := range f.queue {
			if err := f.keep(ctx, n); err != nil {
				fmt.Fprintln(os.Stderr, "soak: keep evidence:", err)
			}
		}
	})
	return f
}

// find notes that an invariant did not hold. Unless all are to be collected the
// run ends.
func (s *soaker) find(rule, format string, args ...any) {
	f := s.findings
	one := finding{time.Now(), rule, fmt.Sprintf(format, args...)}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.said[rule+one.Text] || len(f.all) >= mostFindings {
		return // the same thing, seen again
	}
	f.said[rule+one.Text] = true
	s.journal.write("FINDING", rule, "%s", one.Text)
	fmt.Fprintf(os.Stderr, "soak: %s: %s\n", rule, one.Text)
	f.all = append(f.all, one)
	if len(f.all) <= mostEvidence {
		f.queue <- len(f.all)
	}
	if !s.set.keepGoing {
		s.cancel(errFound)
	}
}

// close waits until all evidence is kept.
func (f *findings) close() {
	close(f.queue)
	f.done.Wait()
}

// keep writes down what is known about the n-th finding.
func (f *findings) keep(ctx context.Context, n int) error {
	f.mu.Lock()
	one := f.all[n-1]
	f.mu.Unlock()
	s := f.s
	folder := filepath.Join(s.set.folder, fmt.Sprintf("finding-%d-%d", s.set.seed, n))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s: %s\n\nactions before it:\n", clock(one.At), one.Rule, one.Text)
	for _, e := range s.journal.last(60) {
		fmt.Fprintf(&text, "%s %-16s %-12s %s\n", clock(e.At), e.What, e.On, e.Detail)
	}
	status, statusErr := s.teal.do(ctx, "status", "-o", "json")
	events, eventsErr := s.api.Events(ctx, api.EventQuery{After: s.lastEvent(), Limit: api.MaxEvents})
	page, err := json.MarshalIndent(events, "", " ")
	if err != nil {
		return err
	}
	table, tableErr := s.table(ctx)
	served, err := json.MarshalIndent(table, "", " ")
	if err != nil {
		return err
	}
	ps, psErr := exec.CommandContext(ctx, "docker", "-H", s.stage.host.URL(), "ps", "-a", "--no-trunc").CombinedOutput()
	engine, err := os.ReadFile(filepath.Join(s.stage.host.Folder(), "docker.log"))
	if err != nil {
		return err
	}
	for name, content := range map[string]string{
		"finding.txt": text.String(),
		"status.json": orError(status, statusErr),
		"events.json": orError(string(page), eventsErr),
		"table.json":  orError(string(served), tableErr),
		"ps.txt":      orError(string(ps), psErr),
		"teal.log":    s.teal.lastWords(3000),
		"docker.log":  string(engine[max(0, len(engine)-200_000):]),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func orError(text string, err error) string {
	if err != nil {
		return fmt.Sprintf("%s\n%v\n", text, err)
	}
	return text
}

// lastEvent is the number of the last event that was counted.
func (s *soaker) lastEvent() uint64 {
	f := s.findings
	f.mu.Lock()
	defer f.mu.Unlock()
	return s.counted
}

// countEvents reads the controller's events since the last time.
func (s *soaker) countEvents(ctx context.Context) error {
	for {
		page, err := s.api.Events(ctx, api.EventQuery{After: s.lastEvent(), Limit: api.MaxEvents})
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		s.findings.mu.Lock()
		for _, e := range page.Events {
			s.report.events[string(e.Reason)]++
		}
		s.counted = page.Last
		s.findings.mu.Unlock()
		for _, e := range page.Events {
			if e.Reason == "Defect" {
				s.find("defect", "%s: %s", e.App, e.Message)
			}
		}
		if !page.More {
			return nil
		}
	}
}
