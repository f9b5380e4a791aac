package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// listen opens addr.
func listen(ctx context.Context, addr string) (*net.TCPListener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return ln.(*net.TCPListener), nil // "tcp" makes no other
}

// edge is a listener for clients: it bounds their number, and the time for which
// a write to one of them may make no progress.
type edge struct {
	*net.TCPListener
	listen string // as configured
	slots  chan struct{}
	limits Limits
	shakes int // read deadlines the server sets before it waits for a first request
	ending atomic.Bool
	ended  chan struct{}
	once   sync.Once
}

func newEdge(ln *net.TCPListener, listen string, slots chan struct{}, limits Limits) *edge {
	return &edge{TCPListener: ln, listen: listen, slots: slots, limits: limits, ended: make(chan struct{})}
}

// Accept waits for a client, then for a free place for it.
func (e *edge) Accept() (net.Conn, error) {
	nc, err := e.TCPListener.Accept()
	if err != nil && e.ending.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, errors.Join(net.ErrClosed, e.Close())
	}
	if err != nil {
		return nil, err
	}
	if !e.takeSlot() {
		return nil, errors.Join(net.ErrClosed, nc.Close(), e.Close())
	}
	c := &client{Conn: nc, free: func() { <-e.slots }, stall: e.limits.Stall, spare: e.limits.IdleTime}
	c.early.Store(int32(e.shakes) + 1)
	return c, nil
}

// takeSlot waits for a free place. It returns false when there is none and the
// listener ends.
func (e *edge) takeSlot() bool {
	select {
	case e.slots <- struct{}{}:
		return true
	default:
	}
	select {
	case e.slots <- struct{}{}:
		return true
	case <-e.ended:
		return false
	}
}

// end makes Accept close the listener. What waits in its queue is a successor's
// that inherited it.
func (e *edge) end() error {
	e.ending.Store(true)
	e.once.Do(func() { close(e.ended) })
	return e.SetDeadline(time.Now())
}

// client is a client's connection. It bounds writes by itself: the deadline
// moves along with progress, and is set anew only when a part of it has passed.
type client struct {
	net.Conn
	stall time.Duration
	until atomic.Int64 // Unix nanoseconds of the deadline that is set
	once  sync.Once
	free  func()

	spare time.Duration // how long it may be open before its first request
	early atomic.Int32  // read deadlines to come, the last of which is for the first request's head
	head  atomic.Int64  // nanoseconds that head may take once it began; 0: not waiting for it
}

// SetReadDeadline is Conn's, except for the first request: clients open
// connections to have them ready, and a request that is sent just when its
// connection is closed is lost. So the limit for the head begins with its first
// byte there too, as the server has it for all later requests.
func (c *client) SetReadDeadline(at time.Time) error {
	c.head.Store(0)
	if !at.IsZero() && c.early.Load() > 0 && c.early.Add(-1) == 0 {
		now := time.Now()
		c.head.Store(int64(at.Sub(now)))
		at = now.Add(c.spare)
	}
	return c.Conn.SetReadDeadline(at)
}

// Read is Conn's.
func (c *client) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if limit := c.head.Load(); limit > 0 && n > 0 && c.head.CompareAndSwap(limit, 0) {
		if set := c.Conn.SetReadDeadline(time.Now().Add(time.Duration(limit))); err == nil {
			err = set
		}
	}
	return n, err
}

// Write is Conn's, within the limit for progress.
func (c *client) Write(p []byte) (int, error) {
	now := time.Now()
	if c.until.Load()-now.UnixNano() < int64(c.stall-c.stall/8) {
		until := now.Add(c.stall)
		if err := c.Conn.SetWriteDeadline(until); err != nil {
			return 0, err
		}
		c.until.Store(until.UnixNano())
	}
	return c.Conn.Write(p)
}

// SetWriteDeadline sets a deadline until the next write. Lifting the deadline
// does nothing: there is always one.
func (c *client) SetWriteDeadline(at time.Time) error {
	if at.IsZero() {
		return nil
	}
	c.until.Store(0)
	return c.Conn.SetWriteDeadline(at)
}

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (c *client) SetDeadline(at time.Time) error {
	return errors.Join(c.SetReadDeadline(at), c.SetWriteDeadline(at))
}

// CloseWrite ends the proxy's side.
func (c *client) CloseWrite() error {
	if half, ok := c.Conn.(*net.TCPConn); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Close ends the connection and makes room for another.
func (c *client) Close() error {
	c.once.Do(c.free)
	return c.Conn.Close()
}
