package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"teal/spec"
)

// facts are what a host says of itself.
type facts struct {
	apps         map[spec.Name]int64
	version, api string
}

// try finds out whether a host answers, and what is on it.
func (f *Fleet) try(ctx context.Context, m *member) error {
	m.trying.Lock()
	defer m.trying.Unlock()
	return f.tryNow(ctx, m)
}

// tryNow is try for who holds the lock.
func (f *Fleet) tryNow(ctx context.Context, m *member) error {
	mark := m.mark()
	found, err := within(ctx, f, f.limits.Answer, func(ctx context.Context) (out facts, err error) {
		if err = m.engine.Ping(ctx); err != nil {
			return out, err
		}
		if out.apps, err = m.engine.Apps(ctx); err != nil {
			return out, err
		}
		out.version, out.api, err = m.engine.Version(ctx)
		return out, err
	})
	if ctx.Err() != nil {
		return ctx.Err() // it says nothing of the host
	}
	if err != nil {
		f.lost(m, err)
		return err
	}
	m.refresh(found.apps, mark)
	f.back(m, found)
	return nil
}

// tryAll tries the hosts that never were: until then, what is on them is not
// known, and an app may have moved away from one while nobody looked. Each is
// waited for once.
func (f *Fleet) tryAll(ctx context.Context) {
	var wg sync.WaitGroup
	for _, m := range f.members {
		if m.is(untried) {
			wg.Go(func() {
				m.trying.Lock()
				defer m.trying.Unlock()
				if m.is(untried) && ctx.Err() == nil {
					_ = f.tryNow(ctx, m) // it is kept in the host's state
				}
			})
		}
	}
	wg.Wait()
}

func (m *member) is(s state) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state == s
}

// lost makes a host one that is away, and reports it if that is news.
func (f *Fleet) lost(m *member, err error) {
	m.reporting.Lock()
	defer m.reporting.Unlock()
	m.mu.Lock()
	was := m.state
	m.state, m.words = away, m.said(err)
	if was != away {
		m.since = time.Now()
	}
	m.failures++
	m.retryAt = time.Now().Add(m.pause(f.limits))
	words := m.words
	m.mu.Unlock()
	if was != away && f.single == nil {
		f.report(m.Name, errors.New(words))
	}
}

// back makes a host one that answers, and reports it if it was lost.
func (f *Fleet) back(m *member, said facts) {
	m.reporting.Lock()
	defer m.reporting.Unlock()
	m.mu.Lock()
	was := m.state
	m.state, m.words, m.failures = answers, "", 0
	if was != answers {
		m.since = time.Now()
	}
	m.version, m.api = said.version, said.api
	m.mu.Unlock()
	if was == away && f.single == nil {
		f.report(m.Name, nil)
	}
}

// Status is how a host is.
type Status struct {
	Name    string
	URL     string // without secrets: there are none in it
	Address string // on which ports are published; empty: none
	OK      bool   // it answers
	Words   string // why it does not
	Since   time.Time
	Version string // of the engine, when it last answered; empty: it never did
	API     string // the API version spoken with it
}

// Hosts tells how the hosts are, in the order in which they are configured.
// While Watch runs, that is what it knows; otherwise the hosts are asked, in
// parallel, within the limit of one answer.
func (f *Fleet) Hosts(ctx context.Context) []Status {
	var wg sync.WaitGroup
	for _, m := range f.members {
		if !m.known() {
			wg.Go(func() { _ = f.try(ctx, m) }) // it is kept in the host's state
		}
	}
	wg.Wait()
	out := make([]Status, len(f.members))
	for i, m := range f.members {
		out[i] = m.status()
	}
	return out
}

// known reports whether somebody keeps the state of the host up to date.
func (m *member) known() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.watched && (m.state == answers || m.state == away)
}

func (m *member) status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := Status{
		Name: m.Name, URL: m.URL, Address: m.Address, OK: m.state == answers,
		Words: m.words, Since: m.since, Version: m.version, API: m.api,
	}
	if m.state == untried {
		out.Words = "was not asked yet"
	}
	return out
}

// Version returns the version of the engine and of its API; of several hosts
// those of each that answers, by name. It is an error if none does.
func (f *Fleet) Version(ctx context.Context) (version, api string, err error) {
	if f.single != nil {
		return f.single.engine.Version(ctx)
	}
	var versions, apis []string
	var errs []error
	for _, s := range f.Hosts(ctx) {
		if !s.OK {
			errs = append(errs, fmt.Errorf("host %s: %s", s.Name, s.Words))
			continue
		}
		versions = append(versions, s.Version+" ("+s.Name+")")
		apis = append(apis, s.API+" ("+s.Name+")")
	}
	if len(versions) == 0 {
		return "", "", fmt.Errorf("ask the engines for their versions: %w", joined(errs))
	}
	return strings.Join(versions, ", "), strings.Join(apis, ", "), nil
}
