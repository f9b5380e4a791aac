package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lastAccepts is how long a listener that ends still takes what clients have
// opened already.
const lastAccepts = 20 * time.Millisecond

// listen opens addr with SO_REUSEPORT, so that a new proxy can listen beside the
// old one before that one ends.
//
// The kernel spreads new connections over both. When the old socket closes, what
// still waits in its queue is reset, unless net.ipv4.tcp_migrate_req is 1 (Linux
// 5.14); end therefore empties the queue first, which leaves microseconds.
func listen(ctx context.Context, addr string) (*net.TCPListener, error) {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		if cerr := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}); cerr != nil {
			return cerr
		}
		return err
	}}
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
	slots  chan struct{}
	stall  time.Duration
	ending atomic.Bool
	ended  chan struct{}
	once   sync.Once
}

func newEdge(ln *net.TCPListener, slots chan struct{}, stall time.Duration) *edge {
	return &edge{TCPListener: ln, slots: slots, stall: stall, ended: make(chan struct{})}
}

// Accept waits for a free slot, then for a client.
func (e *edge) Accept() (net.Conn, error) {
	select {
	case e.slots <- struct{}{}:
	case <-e.ended:
		return nil, net.ErrClosed
	}
	nc, err := e.TCPListener.Accept()
	if err != nil {
		<-e.slots
		if e.ending.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, net.ErrClosed
		}
		return nil, err
	}
	return &client{Conn: nc, free: func() { <-e.slots }, stall: e.stall}, nil
}

// end lets Accept return what clients have opened already, and then nothing
// more. Close is still needed.
func (e *edge) end() error {
	e.ending.Store(true)
	e.once.Do(func() { close(e.ended) })
	return e.SetDeadline(time.Now().Add(lastAccepts))
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
