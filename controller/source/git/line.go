package git

import (
	"context"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// lineKey says which sources can share a connection.
type lineKey struct{ user, host, identity, knownHosts string }

// maxLineAge is how long one connection is used: after that, the files with the
// keys are read again. Making one costs as much as ten polls over it.
const maxLineAge = 10 * time.Minute

// line is a connection over which questions are asked, one at a time.
type line struct {
	asking chan struct{} // holds one token while somebody asks

	mu     sync.Mutex
	client *ssh.Client // nil: none
	made   time.Time
}

// line returns the one for a server, new if need be.
func (g *Group) line(a Address, c Credentials) *line {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := lineKey{a.User, a.Host, c.Identity, c.KnownHosts}
	if g.lines[key] == nil {
		g.lines[key] = &line{asking: make(chan struct{}, 1)}
	}
	return g.lines[key]
}

// open returns the connection, which dial makes if there is none; fresh if it did.
func (l *line) open(ctx context.Context, dial func(context.Context) (*ssh.Client, error)) (client *ssh.Client, fresh bool, err error) {
	l.mu.Lock()
	client = l.client
	old := time.Since(l.made) > maxLineAge
	l.mu.Unlock()
	if client != nil && !old {
		return client, false, nil
	}
	l.drop(client)
	if client, err = dial(ctx); err != nil {
		return nil, true, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.client, l.made = client, time.Now()
	return client, true, nil
}

// drop closes the connection; nil: whichever there is.
func (l *line) drop(client *ssh.Client) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client == nil || client != nil && l.client != client {
		return
	}
	_ = l.client.Close() // it may be broken, which is why it is dropped
	l.client = nil
}
