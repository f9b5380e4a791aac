package embedded

import (
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxInline    = 16 << 10 // a body up to this is sent together with the head
	expectWait   = time.Second
	maxInterim   = 16 // 1xx answers before the real one
	freshEnough  = 50 * time.Millisecond
	keepHintRoom = time.Second // a connection is given up this long before the target would close it
)

// talk sends the request on c and passes the answer on. fine means that c can be
// kept.
func (x *exchange) talk(c *conn) (o outcome, fine bool) {
	if len(x.out) == 0 {
		if o, ready := x.prepare(c); !ready {
			return o, false
		}
	}
	c.received = false
	c.awaitHead()
	if n, err := c.Write(x.out); err != nil {
		return x.notSent(c, n, err), false
	}
	if x.streams() && !x.expects() {
		x.startPump(c)
	}
	resp, o := x.await(c)
	if resp == nil {
		return o, false
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return x.change(c, resp), false
	}
	o = x.pass(resp, c)
	sent := x.stopPump(c) && (!x.streams() || x.pump != nil)
	return o, sent && o == answered && !resp.Close && c.br.Buffered() == 0
}

// streams: the body is sent while it comes in, not together with the head.
func (x *exchange) streams() bool {
	n := x.r.ContentLength
	return n < 0 || n > maxInline || n > 0 && x.expects()
}

// prepare writes the head, and a small body behind it, into x.out: once per
// request, however many targets are tried. Unless it is ready, the outcome says
// what became of the request.
func (x *exchange) prepare(c *conn) (o outcome, ready bool) {
	began := time.Now()
	x.out = x.head(x.out)
	if x.r.ContentLength == 0 {
		return answered, true
	}
	x.openBody()
	if x.streams() {
		return answered, true
	}
	if err := x.readInline(); err != nil {
		return x.clientBroke(err), false
	}
	if c.reused && time.Since(began) > freshEnough {
		return aged, false
	}
	return answered, true
}

// readInline reads a body of known, small size to its end.
func (x *exchange) readInline() error {
	head, size := len(x.out), int(x.r.ContentLength)
	x.out = slices.Grow(x.out, size)[:head+size]
	if _, err := io.ReadFull(&x.body, x.out[head:]); err != nil {
		return err
	}
	if x.body.done.Load() {
		return nil
	}
	var none [1]byte // the end may be reported by itself
	if _, err := x.body.Read(none[:]); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// clientBroke ends a request whose body did not come as it should.
func (x *exchange) clientBroke(err error) outcome {
	switch {
	case x.wrote:
		return cutOff
	case errors.Is(err, errBodyTooLarge):
		x.answer(http.StatusRequestEntityTooLarge, "body-too-large", "The request's body is larger than this address allows.")
		return answered
	case errors.Is(err, os.ErrDeadlineExceeded):
		x.answer(http.StatusRequestTimeout, "body-too-slow", "The request's body took too long to arrive.")
		return answered
	}
	return clientGone
}

// notSent sorts out a failed write of which the kernel took n bytes.
func (x *exchange) notSent(c *conn, n int, err error) outcome {
	switch {
	case x.r.Context().Err() != nil:
		return clientGone
	case c.reused && (n == 0 || x.safe()):
		return stale
	case n == 0:
		x.lastErr = err
		return unreached
	}
	return x.broken(err)
}

// await reads the answer's head. Without one, the outcome says what became of
// the request.
func (x *exchange) await(c *conn) (*http.Response, outcome) {
	if x.streams() && x.expects() {
		c.limitHead(expectWait)
		if _, err := c.br.Peek(1); err != nil && !isTimeout(err) {
			return nil, x.noAnswer(c, err)
		}
		c.limitHead(x.route.Timeout.D())
		if c.br.Buffered() == 0 {
			x.startPump(c)
		}
	} else if x.pump == nil {
		c.limitHead(x.route.Timeout.D())
	}
	for range maxInterim {
		c.headLeft = maxHead
		resp, err := http.ReadResponse(c.br, x.r)
		c.headLeft = -1
		if err != nil {
			return nil, x.noAnswer(c, err)
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			c.headCame()
			c.hint(resp.Header)
			return resp, answered
		}
		x.interim(c, resp)
	}
	return nil, x.noAnswer(c, errors.New("too many 1xx answers"))
}

// interim deals with one 1xx answer.
func (x *exchange) interim(c *conn, resp *http.Response) {
	if resp.StatusCode == http.StatusContinue {
		if x.expects() {
			x.startPump(c) // its first read of the body passes the word on
		}
		return
	}
	if !x.r.ProtoAtLeast(1, 1) {
		return
	}
	h := x.w.Header()
	for name, values := range resp.Header {
		if !hopByHop(name) {
			h[name] = values
		}
	}
	x.w.WriteHeader(resp.StatusCode)
	clear(h)
}

// noAnswer sorts out why there is no answer to a request that was sent.
func (x *exchange) noAnswer(c *conn, err error) outcome {
	x.stopPump(c)
	switch {
	case x.pump != nil && x.pump.fromClient:
		return x.clientBroke(x.pump.err)
	case x.r.Context().Err() != nil:
		return clientGone
	case c.reused && !c.received && x.safe():
		return stale
	}
	return x.broken(err)
}

// broken answers for a target that took the request and did not answer it.
func (x *exchange) broken(err error) outcome {
	x.lastErr = err
	x.bad, x.whole = true, true
	if isTimeout(err) {
		x.answer(http.StatusGatewayTimeout, "timeout", "The app took too long to answer.")
	} else {
		x.answer(http.StatusBadGateway, "broken", "The app broke the connection before it answered.")
	}
	return answered
}

// hint notes how long the target says it keeps an idle connection: "Keep-Alive:
// timeout=5" means that it is not used any more after 4 s.
func (c *conn) hint(h http.Header) {
	for _, v := range h["Keep-Alive"] {
		for part := range strings.SplitSeq(v, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
			if seconds, err := strconv.Atoi(value); err == nil && seconds >= 0 && strings.EqualFold(name, "timeout") {
				c.keep = max(time.Duration(min(seconds, 3600))*time.Second-keepHintRoom, 0)
			}
		}
	}
}
