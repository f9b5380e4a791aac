package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"teal/controller/api"
)

// soaker is one run.
type soaker struct {
	set     settings
	stage   *stage
	teal    *teal
	api     *api.Client
	journal *journal
	rng     *rand.Rand // of the one goroutine that acts
	report  *report
	cancel  context.CancelCauseFunc

	projects []*project
	wrote    time.Time // the watched file, last
	sources  bool      // the watched file is as it should be

	looking   sync.Mutex // held for a look
	mu        sync.Mutex // guards the apps and what follows
	requests  requests
	traffic   []took
	strangers map[string]string // id → since when it runs
	touched   map[string]bool   // ids of containers that a hand was laid on
	renamed   []string          // ids of containers that a hand renamed: strangers now
	guest     string            // a stranger that comes and goes
	before    *view             // the newest look
	addresses map[string]bool   // "id address" of containers, of all that were seen
	counted   uint64            // the last event that was counted

	findings *findings
}

// errFound ends a run at its first finding.
var errFound = errors.New("an invariant was violated")

// soak runs all of it. The report is nil when nothing could be begun.
func soak(ctx context.Context, set settings) (rep *report, err error) {
	journal, err := newJournal(filepath.Join(set.folder, "journal.jsonl"), set.verbose)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, journal.close()) }()
	fmt.Fprintf(os.Stderr, "soak: %s with %d apps, seed %d, journal %s\n", set.time, set.apps, set.seed, filepath.Join(set.folder, "journal.jsonl"))
	st, err := openStage(ctx, set)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, st.close(ctx)) }()
	t, err := newTeal(st, set)
	if err != nil {
		return nil, err
	}
	s := &soaker{
		set: set, stage: st, teal: t, api: api.Dial(t.socket()), journal: journal, rng: rand.New(rand.NewPCG(set.seed, 1)),
		projects: projects(set.apps), report: newReport(set), sources: true,
		requests:  requests{excused: map[string]int64{}},
		strangers: map[string]string{}, touched: map[string]bool{}, addresses: map[string]bool{},
	}
	ctx, s.cancel = context.WithCancelCause(ctx)
	defer s.cancel(nil)
	s.findings = newFindings(ctx, s)
	err = s.run(ctx)
	rep = s.finish()
	s.findings.close()
	if errors.Is(err, context.Canceled) {
		err = nil // an interrupt, or a finding: the report says which
	}
	return rep, err
}

// run is the run from the first start to the last check.
func (s *soaker) run(ctx context.Context) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	stop, watching := s.watch(ctx)
	defer func() { stop(); watching.Wait() }()
	s.report.began = time.Now()
	for n := 0; ctx.Err() == nil && s.more(n); n++ {
		if err := s.round(ctx); err != nil {
			return err
		}
	}
	s.report.ended = time.Now()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := s.lastWish(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	for _, a := range all(s.projects) {
		s.disconnect(a)
	}
	s.mu.Unlock()
	stop()
	watching.Wait()
	return s.away(ctx)
}

// begin brings everything up and waits until all of it serves.
func (s *soaker) begin(ctx context.Context) error {
	for _, p := range s.projects {
		for _, a := range p.apps {
			a.wished(a.version, a.quality, false) // nothing serves: pins do not matter yet
		}
	}
	if err := s.send(ctx, s.projects[0]); err != nil {
		return err
	}
	if err := s.teal.start(ctx); err != nil {
		return err
	}
	for _, p := range s.projects[1:] {
		if err := s.send(ctx, p); err != nil {
			return err
		}
	}
	for i, labels := range []map[string]string{{"some": "label"}, {"teal.project": "shop", "teal.service": "app0", "teal.role": "replica"}} {
		id, err := s.stage.bench.Stranger(ctx, fmt.Sprintf("stranger-%d", i), "soak:a", "", labels)
		if err != nil {
			return err
		}
		if s.strangers[id], err = s.stage.bench.Since(ctx, id); err != nil {
			return err
		}
	}
	if err := s.openFirstGates(ctx); err != nil {
		return err
	}
	return s.settle(ctx)
}

// openFirstGates promotes the first version of every app with a manual gate.
func (s *soaker) openFirstGates(ctx context.Context) error {
	for _, a := range all(s.projects) {
		if !a.manual {
			continue
		}
		for {
			out, err := s.teal.do(ctx, "promote", a.name.String(), "--no-wait")
			if err == nil {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("promote %s: %w: %s", a.name, err, out)
			case <-time.After(200 * time.Millisecond):
			}
		}
	}
	return nil
}

// away takes everything down as an operator would and looks at what is left.
func (s *soaker) away(ctx context.Context) error {
	s.journal.write("down", "", "the controller is stopped, and all of it removed")
	if err := s.teal.end(ctx, "TERM"); err != nil {
		return err
	}
	out, err := s.teal.command(ctx, s.teal.path("pid-down"), s.teal.binary, "down", "--yes", "--controller", controllerID,
		"--docker", "unix:///run/docker.sock", "--proxy", s.set.proxy).CombinedOutput()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		s.find("down", "teal down: %v: %s", err, out)
		s.journal.write("networks", "", "%s", s.inspectNetwork(ctx))
		return nil
	}
	return s.nothingLeft(ctx)
}

// more reports whether there is to be another round after n.
func (s *soaker) more(n int) bool {
	if s.set.rounds > 0 {
		return n < s.set.rounds
	}
	return time.Since(s.report.began) < s.set.time
}
