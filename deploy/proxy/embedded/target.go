package embedded

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	avoidFor = time.Second // a target that refused a connection is taken last
	maxKept  = 1024        // idle connections per target
)

// errGone: the table that named this target does not serve any more.
var errGone = errors.New("the target was taken away")

// dialer opens connections to targets.
type dialer func(ctx context.Context, address string) (net.Conn, error)

// target is one address of an upstream, with the connections kept to it. A
// target that was taken away keeps none, and the same address coming back is
// another target: a new container never gets an old one's connections.
type target struct {
	address    string
	dial       dialer
	idleLimit  time.Duration
	inFlight   atomic.Int64
	avoidUntil atomic.Int64 // Unix nanoseconds

	mu    sync.Mutex
	kept  []*conn // the latest used last
	gone  bool
	cutAt time.Time // when its upgraded connections end, once gone
	h2    *http.Transport
}

func newTarget(address string, dial dialer, idleLimit time.Duration) *target {
	return &target{address: address, dial: dial, idleLimit: idleLimit}
}

// get returns a connection: a kept one fit for the request, or a new one.
func (t *target) get(ctx context.Context, fit fitness) (*conn, error) {
	if fit != mustBeNew {
		c, err := t.reuse(fit)
		if c != nil || err != nil {
			return c, err
		}
	}
	nc, err := t.dial(ctx, t.address)
	if err != nil {
		if ctx.Err() == nil {
			t.avoid()
		}
		return nil, err
	}
	t.avoidUntil.Store(0)
	return newConn(nc, t), nil
}

// avoid makes t the last choice for a moment.
func (t *target) avoid() { t.avoidUntil.Store(time.Now().Add(avoidFor).UnixNano()) }

func (t *target) reuse(fit fitness) (*conn, error) {
	now := time.Now()
	for {
		t.mu.Lock()
		if t.gone {
			t.mu.Unlock()
			return nil, errGone
		}
		n := len(t.kept)
		if n == 0 || !t.kept[n-1].youngEnough(fit, t.idleLimit, now) {
			t.mu.Unlock()
			return nil, nil
		}
		c := t.kept[n-1]
		t.kept[n-1] = nil
		t.kept = t.kept[:n-1]
		t.mu.Unlock()
		if c.usable(fit, now) {
			c.reused = true
			return c, nil
		}
		c.close()
	}
}

// put keeps c for the next request.
func (t *target) put(c *conn) {
	c.idleSince = time.Now()
	t.mu.Lock()
	if t.gone || len(t.kept) >= maxKept || c.keep == 0 {
		t.mu.Unlock()
		c.close()
		return
	}
	t.kept = append(t.kept, c)
	t.mu.Unlock()
}

// retire ends t: what is kept is closed now, what is in flight when it ends,
// upgraded connections at cutAt.
func (t *target) retire(cutAt time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gone, t.cutAt = true, cutAt
	t.dropLocked(func(*conn) bool { return true })
	if t.h2 != nil {
		t.h2.CloseIdleConnections()
	}
}

// drop closes every kept connection: one of them was found dead.
func (t *target) drop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dropLocked(func(*conn) bool { return true })
}

// sweep closes kept connections that are too old or were closed by the target.
func (t *target) sweep(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dropLocked(func(c *conn) bool { return !c.youngEnough(anyKept, t.idleLimit, now) || !c.open() })
}

func (t *target) dropLocked(which func(*conn) bool) {
	left := t.kept[:0]
	for _, c := range t.kept {
		if which(c) {
			c.close()
		} else {
			left = append(left, c)
		}
	}
	clear(t.kept[len(left):])
	t.kept = left
}

// cut reports whether t's upgraded connections have had their time.
func (t *target) cut(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.gone && !now.Before(t.cutAt)
}

// http2 returns the transport for gRPC, which speaks HTTP/2 without TLS.
func (t *target) http2() (*http.Transport, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone {
		return nil, errGone
	}
	if t.h2 == nil {
		protocols := new(http.Protocols)
		protocols.SetUnencryptedHTTP2(true)
		t.h2 = &http.Transport{
			DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return t.dial(ctx, t.address) },
			Protocols:          protocols,
			DisableCompression: true,
			IdleConnTimeout:    t.idleLimit,
		}
	}
	return t.h2, nil
}
