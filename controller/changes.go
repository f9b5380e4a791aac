package controller

import (
	"context"
	"sync"
)

// changes tells subscribers that something changed, without saying what:
// signals coalesce, and a subscriber who does not listen holds nobody up.
type changes struct {
	mu     sync.Mutex
	subs   map[chan struct{}]func() bool // and how to stop watching its context
	closed bool
}

func newChanges() *changes { return &changes{subs: map[chan struct{}]func() bool{}} }

// signal leaves one token with every subscriber.
func (c *changes) signal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for ch := range c.subs {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// subscribe returns a channel that is closed when ctx ends or on close.
func (c *changes) subscribe(ctx context.Context) <-chan struct{} {
	ch := make(chan struct{}, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		close(ch)
		return ch
	}
	c.subs[ch] = context.AfterFunc(ctx, func() { c.drop(ch) })
	return ch
}

func (c *changes) drop(ch chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.subs[ch]; ok {
		delete(c.subs, ch)
		close(ch)
	}
}

// close ends every subscription, and those to come.
func (c *changes) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for ch, stop := range c.subs {
		stop()
		close(ch)
	}
	clear(c.subs)
}

// Subscribe returns a channel that gets a token after anything that can be
// asked for has changed. Tokens coalesce. It is closed when ctx ends or the
// controller stops.
func (c *Controller) Subscribe(ctx context.Context) <-chan struct{} {
	return c.changes.subscribe(ctx)
}
