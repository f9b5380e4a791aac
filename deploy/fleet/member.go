package fleet

import (
	"log/slog"
	"strings"
	"sync"
	"time"

	"teal/deploy/docker"
	"teal/deploy/fleet/ssh"
	"teal/spec"
)

// state is what is known of a host.
type state int

const (
	untried state = iota
	answers
	// suspect: it left a question without an answer. Nobody waits for it again
	// before its watcher has looked whether it is there.
	suspect
	away
)

// member is one host of the fleet, and what was last seen on it.
type member struct {
	Host
	engine *docker.Engine
	ssh    *ssh.Client   // nil: it is reached in another way
	nudge  chan struct{} // asks the watcher to look now

	trying    sync.Mutex // held while the host is tried
	reporting sync.Mutex // held while a change of state is told, so that they are told in order

	mu       sync.Mutex
	state    state
	words    string // why it does not answer
	since    time.Time
	failures int       // in a row
	retryAt  time.Time // unwatched: when it may be asked again
	watched  bool
	version  string
	api      string
	notes    int  // signs so far that there is something of an app
	listed   bool // all of it, once
	apps     map[spec.Name]*inventory
	waiting  map[spec.Name]bool // were told that it is away
}

func newMember(h Host, template docker.Options, log *slog.Logger) (*member, error) {
	if h.Name != "" {
		log = log.With("host", h.Name) // the engine's own logger does so by itself
	}
	dial, client, err := h.dialler(log)
	if err != nil {
		return nil, err
	}
	template.Name, template.Host, template.Dial = h.Name, h.URL, dial
	template.Address, template.Ports = h.Address, h.Ports
	template.Space = h.Space(client)
	engine, err := docker.New(template)
	if err != nil {
		return nil, err
	}
	return &member{
		Host: h, engine: engine, ssh: client, nudge: make(chan struct{}, 1),
		apps: map[spec.Name]*inventory{}, waiting: map[spec.Name]bool{},
	}, nil
}

// named puts the host's name before words, unless they begin with it.
func (m *member) named(words string) string {
	prefix := m.String() + ": "
	if m.Name == "" || strings.HasPrefix(words, prefix) {
		return words
	}
	return prefix + words
}

// said are the words of err without the host's name.
func (m *member) said(err error) string {
	return strings.TrimPrefix(err.Error(), m.String()+": ")
}

// absent reports whether the host is not to be asked now, and why.
func (m *member) absent() (words string, is bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch m.state {
	case untried, answers:
		return "", false
	case suspect, away:
	}
	return m.words, m.watched || time.Now().Before(m.retryAt)
}

// doubt notes that the host left a question without an answer. Its watcher
// finds out whether it is there; without one, it is asked again after a pause.
func (m *member) doubt(err error, l Limits) {
	m.mu.Lock()
	if m.state != away {
		m.state, m.words, m.since = suspect, m.said(err), time.Now()
	}
	m.failures++
	m.retryAt = time.Now().Add(m.pause(l))
	m.mu.Unlock()
	m.poke()
}

// pause is how long to wait after the failures so far. The caller holds the lock.
func (m *member) pause(l Limits) time.Duration {
	return min(l.PauseMin<<min(max(m.failures-1, 0), 10), l.PauseMax)
}

// poke has the watcher look at the host now.
func (m *member) poke() {
	select {
	case m.nudge <- struct{}{}:
	default:
	}
}
