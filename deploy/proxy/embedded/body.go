package embedded

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// errBodyTooLarge: the request's body is larger than its route allows.
var errBodyTooLarge = errors.New("the request's body is too large")

// bodyReader reads a request's body with the route's limit, and with a limit
// on the time between two pieces of it.
type bodyReader struct {
	src   io.Reader
	ctl   *http.ResponseController
	left  int64 // bytes still allowed; < 0: no limit
	stall time.Duration
	until time.Time   // the deadline that is set
	done  atomic.Bool // all of it was read
}

func (x *exchange) openBody() {
	x.body.src = x.r.Body
	x.body.ctl = http.NewResponseController(x.w)
	x.body.left = -1
	if x.route.MaxBody > 0 {
		x.body.left = x.route.MaxBody
	}
	x.body.stall = x.p.limits.Stall
}

func (b *bodyReader) Read(p []byte) (int, error) {
	if err := b.extend(); err != nil {
		return 0, err
	}
	if b.left >= 0 && int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.src.Read(p)
	if b.left >= 0 {
		if b.left -= int64(n); b.left < 0 {
			return 0, errBodyTooLarge
		}
	}
	if err == io.EOF {
		b.done.Store(true)
		// The server watches the connection for the client's end from here on.
		if cerr := b.ctl.SetReadDeadline(time.Time{}); cerr != nil {
			return n, fmt.Errorf("lift the limit on the request's body: %w", cerr)
		}
	}
	return n, err
}

// extend sets the deadline anew once an eighth of it has passed, so that fast
// bodies do not pay for it at every piece.
func (b *bodyReader) extend() error {
	now := time.Now()
	if b.until.Sub(now) > b.stall-b.stall/8 {
		return nil
	}
	b.until = now.Add(b.stall)
	if err := b.ctl.SetReadDeadline(b.until); err != nil {
		return fmt.Errorf("limit the wait for the request's body: %w", err)
	}
	return nil
}

// giveUp makes a read that waits for the client return.
func (b *bodyReader) giveUp() {
	_ = b.ctl.SetReadDeadline(time.Unix(1, 0)) // fails only on a closed connection, which returns anyway
}
