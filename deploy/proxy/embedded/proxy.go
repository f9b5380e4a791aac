package embedded

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"teal/deploy/proxy/internal/table"
	"teal/reconcile"
)

// copyBuffer is what one body being copied takes, per direction.
const copyBuffer = 32 << 10

// Proxy is the data plane: an http.Handler that serves the table it was given
// last. Serve runs one behind listeners.
type Proxy struct {
	log     *slog.Logger
	limits  Limits
	trusted []netip.Prefix

	serving  atomic.Pointer[live]
	registry *registry
	held     atomic.Int64
	ending   atomic.Bool // clients are told to close

	exchanges sync.Pool
	buffers   buffers
	talkative *rate.Limiter // on what is logged per request
}

func newProxy(c Config) *Proxy {
	limits := c.Limits.withDefaults()
	d := &net.Dialer{Timeout: limits.DialTime}
	dial := func(ctx context.Context, address string) (net.Conn, error) { return d.DialContext(ctx, "tcp", address) }
	p := &Proxy{
		log: c.Logger, limits: limits, trusted: c.Trusted,
		registry:  newRegistry(dial, limits.TargetIdle),
		talkative: rate.NewLimiter(5, 20),
	}
	p.exchanges.New = func() any { return &exchange{p: p} }
	return p
}

// ServeHTTP takes one request to a target and its answer back.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := p.exchanges.Get().(*exchange)
	x.w, x.r, x.start, x.host = w, r, time.Now(), table.HostOf(r.Host)
	o := x.run() //nolint:contextcheck // the exchange carries its request, and with it the context
	x.endHold()
	x.reset()
	p.exchanges.Put(x)
	if o == cutOff || o == clientGone {
		panic(http.ErrAbortHandler) // the server's way to break a connection
	}
}

// serve makes t the table that is served; requests in flight end as they began.
func (p *Proxy) serve(t reconcile.Table) { p.swap(compile(t, p.registry)) }

// refuse answers every request 503, because of why.
func (p *Proxy) refuse(why string) {
	l := compile(reconcile.Table{}, p.registry)
	l.closed = why
	p.swap(l)
}

func (p *Proxy) swap(l *live) {
	if old := p.serving.Swap(l); old != nil {
		close(old.changed)
	}
	p.registry.settle(l, time.Now())
}

// snapshot is what is served and what was counted. The table is read before the
// counts: see upstream.enter.
func (p *Proxy) snapshot() reconcile.Snapshot {
	return reconcile.Snapshot{Table: p.serving.Load().table, Traffic: p.registry.traffic()}
}

func (p *Proxy) logAnswer(x *exchange, status int, reason, id string) {
	if status < http.StatusInternalServerError || !p.talkative.Allow() {
		return
	}
	var app, colour string
	if x.backend != nil {
		app, colour = x.backend.up.app.String(), string(x.backend.up.colour)
	}
	p.log.Warn("request was not served", "status", status, "reason", reason, "request", id, "app", app, "colour", colour, "error", x.lastErr)
}

func (p *Proxy) logCut(x *exchange, err error) {
	if p.talkative.Allow() {
		up := x.backend.up
		p.log.Warn("answer broke midway", "app", up.app.String(), "colour", string(up.colour), "error", err)
	}
}

// buffers are for bodies.
type buffers struct{ pool sync.Pool }

func (b *buffers) get() *[]byte {
	if buf, ok := b.pool.Get().(*[]byte); ok {
		return buf
	}
	buf := make([]byte, copyBuffer)
	return &buf
}

func (b *buffers) put(buf *[]byte) { b.pool.Put(buf) }
