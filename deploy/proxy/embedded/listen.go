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
	stall  time.Duration
	ending atomic.Bool
	ended  chan struct{}
	once   sync.Once
}

func newEdge(ln *net.TCPListener, listen string, slots chan struct{}, stall time.Duration) *edge {
	return &edge{TCPListener: ln, listen: listen, slots: slots, stall: stall, ended: make(chan struct{})}
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
	return &client{Conn: nc, free: func() { <-e.slots }, stall: e.stall}, nil
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
