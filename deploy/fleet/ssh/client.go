package ssh

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// ErrClosed is returned for everything that is asked of a closed Client.
var ErrClosed = errors.New("the ssh connection was closed")

// Options configure a Client. Only Target is needed.
type Options struct {
	Target Address
	Jumps  []Address // hosts to go through, in order; each one's key is checked too
	// Identities are files with private keys, tried in order, before the agent's.
	Identities []string
	// KnownHosts are files with host keys. Empty: ~/.ssh/known_hosts and
	// /etc/ssh/ssh_known_hosts, where they exist. They are read for each connection.
	KnownHosts []string
	// Agent is the socket of an agent. Empty: SSH_AUTH_SOCK, if that is set.
	Agent string
	// Timeout bounds the making of a connection, all hops together; default 15 s.
	Timeout time.Duration
	// Keepalive is how often a silent host is asked whether it is there; default
	// 15 s. After three questions without an answer the connection is given up.
	Keepalive time.Duration
	// PauseMin and PauseMax bound the pause after a connection that could not be
	// made, which doubles from one to the other; default 250 ms and 5 s. Who asks
	// meanwhile gets the last error.
	PauseMin, PauseMax time.Duration
	Logger             *slog.Logger
}

func (o Options) withDefaults() Options {
	or := func(d *time.Duration, fallback time.Duration) {
		if *d <= 0 {
			*d = fallback
		}
	}
	or(&o.Timeout, 15*time.Second)
	or(&o.Keepalive, 15*time.Second)
	or(&o.PauseMin, 250*time.Millisecond)
	or(&o.PauseMax, 5*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// settled is how long a connection must have lived for its end to be no reason
// to wait before the next one.
const settled = 10 * time.Second

// Client is one ssh connection to one host, made when it is first needed and
// again after it was lost. Its methods may be called at once.
type Client struct {
	opts    Options
	log     *slog.Logger
	end     chan struct{} // closed by Close
	running sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	live     *link    // nil: there is none
	attempt  *attempt // nil: none is being made
	failed   error    // why the last one could not be made or was lost at once
	failures int      // in a row
	retryAt  time.Time
}

// attempt is a connection being made, for all who wait for it.
type attempt struct {
	done chan struct{} // closed when link and err are set
	link *link
	err  error
}

// New returns a Client. It does not connect: the first call does.
func New(opts Options) *Client {
	opts = opts.withDefaults()
	return &Client{opts: opts, log: opts.Logger, end: make(chan struct{})}
}

// String is the address of the host.
func (c *Client) String() string { return c.opts.Target.String() }

// Close ends the connection and all that it carries, and waits for the end.
func (c *Client) Close() error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.end)
	}
	live := c.live
	c.mu.Unlock()
	if live != nil {
		live.close()
	}
	c.running.Wait()
	return nil
}

// connected returns the connection, making it if there is none.
func (c *Client) connected(ctx context.Context) (*link, error) {
	a, live, err := c.begin(ctx)
	if live != nil || err != nil {
		return live, err
	}
	select {
	case <-a.done:
		return a.link, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: no connection yet: %w", c, ctx.Err())
	}
}

// begin returns the live connection, or the attempt to make one, or why none is
// made now.
func (c *Client) begin(ctx context.Context) (*attempt, *link, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, nil, fmt.Errorf("%s: %w", c, ErrClosed)
	case c.live != nil:
		return nil, c.live, nil
	case c.attempt != nil:
		return c.attempt, nil, nil
	case c.failed != nil && time.Now().Before(c.retryAt):
		return nil, nil, c.failed
	}
	a := &attempt{done: make(chan struct{})}
	c.attempt = a
	// Others wait for it too, so it does not end with the caller that began it.
	making, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.opts.Timeout)
	c.running.Go(func() {
		defer cancel()
		c.running.Go(func() {
			select {
			case <-c.end:
				cancel()
			case <-making.Done():
			}
		})
		a.link, a.err = c.dial(making)
		c.settle(a)
		close(a.done)
		if a.link != nil {
			c.attend(a.link)
		}
	})
	return a, nil, nil
}

// settle makes the outcome of an attempt the state of the client.
func (c *Client) settle(a *attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attempt = nil
	if a.err != nil {
		c.back(a.err)
		return
	}
	if c.closed {
		a.link.close()
		a.link, a.err = nil, fmt.Errorf("%s: %w", c, ErrClosed)
		return
	}
	c.live = a.link
	c.log.Debug("ssh connection was made", "address", c.String())
}

// back notes a failure and how long to wait. The caller holds the lock.
func (c *Client) back(err error) {
	c.failed = err
	pause := min(c.opts.PauseMin<<min(c.failures, 10), c.opts.PauseMax)
	c.failures++
	c.retryAt = time.Now().Add(pause)
}

// attend keeps a connection alive until it is lost.
func (c *Client) attend(l *link) {
	lost := l.attend(c.opts.Keepalive)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live = nil
	if c.closed {
		return
	}
	if time.Since(l.since) >= settled {
		c.failures, c.failed = 0, nil
	} else {
		c.back(fmt.Errorf("%s: the connection was lost: %w", c, lost))
	}
	c.log.Debug("ssh connection was lost", "address", c.String(), "error", lost)
}
