package embedded

import (
	"errors"
	"io"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpguts"
)

const (
	chunkHead = 10 // hexadecimal length of a piece and its line end
	lastWrite = 100 * time.Millisecond
	lastWords = 5 * time.Second // for the answer of a target that closed on the body
)

// pump sends a request's body to the target while the answer may already come
// back.
type pump struct {
	done     chan struct{}
	stopping atomic.Bool
	// After done:
	err        error // why not all was sent
	fromClient bool  // err is the client's doing
}

func (x *exchange) startPump(c *conn) {
	if x.pump != nil {
		return
	}
	// HTTP/1 servers otherwise read the whole body before they answer. One that
	// cannot be told so just does that.
	_ = x.body.ctl.EnableFullDuplex()
	c.limitHead(0) // the app's time begins when it has all of the request
	p := &pump{done: make(chan struct{})}
	x.pump = p
	go func() {
		defer close(p.done)
		p.err, p.fromClient = x.sendBody(c)
		c.limitWrite(0)
		switch {
		case p.err == nil:
			c.limitHead(x.route.Timeout.D())
		case p.fromClient:
			p.fromClient = !p.stopping.Load()
			c.interrupt()
		default: // the target stopped reading; it may have answered before
			c.limitHead(lastWords)
		}
	}()
}

// stopPump waits for the body to be sent, if all of it is on its way, and gives
// it up otherwise. It reports whether all was sent.
func (x *exchange) stopPump(c *conn) bool {
	p := x.pump
	if p == nil {
		return true
	}
	if x.body.done.Load() {
		timer := time.NewTimer(lastWrite)
		defer timer.Stop()
		select {
		case <-p.done:
			return p.err == nil
		case <-timer.C:
		}
	}
	p.stopping.Store(true)
	c.interrupt()
	x.body.giveUp()
	<-p.done
	return false
}

// sendBody copies the client's body to the target as it comes.
func (x *exchange) sendBody(c *conn) (err error, fromClient bool) {
	chunked := x.r.ContentLength < 0
	buf := x.p.buffers.get()
	defer x.p.buffers.put(buf)
	b := *buf
	for {
		n, rerr := x.body.Read(b[chunkHead : len(b)-2])
		last := errors.Is(rerr, io.EOF)
		if rerr != nil && !last {
			return rerr, true
		}
		piece := b[chunkHead : chunkHead+n]
		if chunked {
			piece = chunk(b, n)
		}
		if last && chunked {
			piece = x.appendEnd(piece)
		}
		if len(piece) > 0 {
			c.limitWrite(x.p.limits.Stall)
			if _, werr := c.Write(piece); werr != nil {
				return werr, false
			}
		}
		if last {
			return nil, false
		}
	}
}

// chunk frames the n bytes that lie in b behind chunkHead, in place. A piece of
// 300 bytes becomes "12c\r\n" + 300 bytes + "\r\n".
func chunk(b []byte, n int) []byte {
	if n == 0 {
		return b[:0:0]
	}
	var number [16]byte
	head := append(strconv.AppendInt(number[:0], int64(n), 16), '\r', '\n')
	start := chunkHead - len(head)
	copy(b[start:], head)
	copy(b[chunkHead+n:], "\r\n")
	return b[start : chunkHead+n+2 : chunkHead+n+2]
}

func passesAsTrailer(name string) bool {
	return httpguts.ValidTrailerHeader(name) && httpguts.ValidHeaderFieldName(name) && passes(name, false, nil)
}

// appendEnd ends a chunked body, with the trailers the client announced.
func (x *exchange) appendEnd(piece []byte) []byte {
	piece = append(piece, "0\r\n"...)
	for name, values := range x.r.Trailer {
		if !passesAsTrailer(name) {
			continue
		}
		for _, v := range values {
			if httpguts.ValidHeaderFieldValue(v) { // the server does not check these
				piece = field(piece, name, v)
			}
		}
	}
	return append(piece, "\r\n"...)
}
