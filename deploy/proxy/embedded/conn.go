package embedded

import (
	"bufio"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// fitness is what a request asks of the connection it is sent on.
//
// A server may close an idle connection just when a request is on its way. A
// request that can be sent again does not mind. For one that cannot, the race
// is avoided: servers announce their limit or close after some seconds (Node 5,
// gunicorn 2, Apache 5), so a connection used within the last second, and seen
// to be open just now, is not about to be closed for idleness.
type fitness int

const (
	anyKept   fitness = iota // the request can be sent again
	justUsed                 // it cannot
	mustBeNew                // a kept connection was just found dead
)

const (
	justUsedLimit = time.Second
	noHint        = time.Duration(-1)
	maxHead       = 256 << 10 // bytes of a response's head
)

var errHeadTooBig = errors.New("the head of the response is larger than 256 KiB")

// conn is one connection to a target. It is used by one request at a time.
type conn struct {
	net.Conn
	target    *target
	br        *bufio.Reader
	raw       syscall.RawConn // nil: cannot be looked at
	look      func(fd uintptr) bool
	lookErr   error
	reused    bool
	idleSince time.Time
	keep      time.Duration // the target's own limit for idleness; noHint: not announced
	headLeft  int           // bytes the head being read may still have; < 0: no head is being read
	received  bool          // a byte arrived since the request was sent

	mu          sync.Mutex // guards deadlines
	interrupted bool
	awaiting    bool // the head of the answer has not come yet
	limited     bool // a read deadline is set
}

func newConn(nc net.Conn, t *target) *conn {
	c := &conn{Conn: nc, target: t, keep: noHint, headLeft: -1}
	c.br = bufio.NewReader(c)
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			c.raw = raw
		}
	}
	c.look = c.peek
	return c
}

// Read fills the buffered reader and guards the size of a response's head.
func (c *conn) Read(p []byte) (int, error) {
	if c.headLeft == 0 {
		return 0, errHeadTooBig
	}
	if c.headLeft > 0 && len(p) > c.headLeft {
		p = p[:c.headLeft]
	}
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.received = true
		if c.headLeft > 0 {
			c.headLeft -= n
		}
	}
	return n, err
}

// interrupt makes every read and write return, for good: the client has gone.
func (c *conn) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.interrupted = true
	_ = c.SetDeadline(time.Unix(1, 0)) // fails only on a closed connection, which returns anyway
}

// limitHead limits the wait for the answer's head, if it has not come yet. 0 is
// no limit.
func (c *conn) limitHead(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.awaiting && !c.interrupted && (d > 0 || c.limited) {
		c.setReadLimit(d)
	}
}

func (c *conn) awaitHead() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.awaiting = true
}

func (c *conn) headCame() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.awaiting = false; c.limited && !c.interrupted {
		c.setReadLimit(0)
	}
}

func (c *conn) setReadLimit(d time.Duration) {
	var at time.Time
	if c.limited = d > 0; c.limited {
		at = time.Now().Add(d)
	}
	_ = c.SetReadDeadline(at) // fails only on a closed connection
}

// limitWrite limits the next writes. 0 is no limit.
func (c *conn) limitWrite(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.interrupted {
		return
	}
	var at time.Time
	if d > 0 {
		at = time.Now().Add(d)
	}
	_ = c.SetWriteDeadline(at) // fails only on a closed connection
}

func (c *conn) close() { _ = c.Close() } // nothing is buffered for writing: nothing can be lost

// youngEnough reports whether a connection kept since c.idleSince is fit.
func (c *conn) youngEnough(fit fitness, limit time.Duration, now time.Time) bool {
	if c.keep >= 0 {
		limit = min(limit, c.keep)
	}
	if fit == justUsed {
		limit = min(limit, justUsedLimit)
	}
	return now.Sub(c.idleSince) < limit
}

// usable looks at the socket where that is worth a system call: always when the
// request cannot be sent again, and when the connection was idle for a while.
func (c *conn) usable(fit fitness, now time.Time) bool {
	if fit == anyKept && now.Sub(c.idleSince) < justUsedLimit {
		return true
	}
	return c.open()
}

// open reports whether the target has neither closed the connection nor sent
// anything unasked.
func (c *conn) open() bool {
	if c.br.Buffered() > 0 {
		return false
	}
	if c.raw == nil {
		return false // not a socket: nothing can be said, so a new one is safer
	}
	if err := c.raw.Read(c.look); err != nil {
		return false
	}
	return errors.Is(c.lookErr, unix.EAGAIN)
}

func (c *conn) peek(fd uintptr) bool {
	var b [1]byte
	n, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	if c.lookErr = err; err == nil && n == 0 {
		c.lookErr = io.EOF
	}
	return true
}
