package embedded

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"time"
)

// outcome is how far one try of a request came.
type outcome int

const (
	answered   outcome = iota // the client has a whole answer, the app's or ours
	cutOff                    // the answer broke midway; the client's connection must break too
	clientGone                // the client went away or broke its request; nobody waits for an answer
	moved                     // another table serves by now; nothing was sent
	unreached                 // no connection to the target; nothing was sent
	stale                     // a kept connection was dead; nothing was sent, or it is safe to send again
	aged                      // the kept connection is not fresh enough any more; nothing was sent
	nobody                    // no target of the backend can be reached; nothing was sent
)

// exchange is one request on its way through the proxy. Exchanges are reused.
type exchange struct {
	p       *Proxy
	w       http.ResponseWriter
	r       *http.Request
	start   time.Time
	host    string
	upgrade string // protocol the client wants to change to

	live    *live
	route   *route
	backend *backend
	preview bool

	tried    []*target
	lastErr  error // of the last try to reach a target
	holdTill time.Time

	out   []byte // the request's head, and its body when that is small
	body  bodyReader
	pump  *pump
	wrote bool // the answer's head is out
	bad   bool // counts as the app's failure
	whole bool // the answer came to its end: its time counts
	left  bool // it became an upgraded connection and is not in flight any more
	known bool // it was counted
}

// run serves the request. It ends only when the client has an answer or is lost.
func (x *exchange) run() outcome {
	if why := malformed(x.r); why != "" {
		x.answer(http.StatusBadRequest, "bad-request", why)
		return answered
	}
	x.upgrade = upgradeOf(x.r)
	for {
		o := x.try()
		if o == nobody {
			o = x.hold()
		}
		if o != moved {
			return o
		}
	}
}

// try takes the request once through the table that serves now.
func (x *exchange) try() outcome {
	x.live = x.p.serving.Load()
	if x.live.closed != "" {
		x.answer(http.StatusServiceUnavailable, "no-table", x.live.closed)
		return answered
	}
	rt, onPreviewHost := x.live.match(x.host, x.r.URL.Path)
	if rt == nil {
		x.answerNoRoute()
		return answered
	}
	x.route = rt
	if rt.MaxBody > 0 && x.r.ContentLength > rt.MaxBody {
		x.answer(http.StatusRequestEntityTooLarge, "body-too-large", "The request's body is larger than this address allows.")
		return answered
	}
	x.preview = onPreviewHost || x.previewHeader(rt)
	switch {
	case !x.preview:
		x.backend = rt.choose()
	case rt.preview == nil:
		x.answer(http.StatusNotFound, "no-preview", "Nothing is staged for preview at this address now.")
		return answered
	default:
		x.backend = rt.preview
	}
	return x.through()
}

// through takes the request to a target of the chosen backend.
func (x *exchange) through() outcome {
	up := x.backend.up
	if !up.enter(&x.p.serving, x.live) {
		return moved
	}
	defer func() {
		if !x.left {
			up.leave()
		}
	}()
	o := x.visit()
	if o == answered || o == cutOff || o == clientGone {
		x.count()
	}
	return o
}

// visit goes from target to target until one was reached.
func (x *exchange) visit() outcome {
	x.tried = x.tried[:0]
	fit := x.fitness()
	for {
		t := x.backend.up.pick(x.backend.targets, x.tried)
		if t == nil {
			return nobody
		}
		switch o := x.via(t, fit); o {
		case unreached:
			x.tried = append(x.tried, t)
		case stale:
			t.drop()
			fit = mustBeNew
		case aged:
			fit = mustBeNew
		case answered, cutOff, clientGone, moved, nobody:
			return o
		}
		if x.p.serving.Load() != x.live {
			return moved
		}
	}
}

// fitness: a request may use any kept connection if it can be sent again.
func (x *exchange) fitness() fitness {
	if x.safe() {
		return anyKept
	}
	return justUsed
}

// safe reports whether sending the request twice does no harm: a safe method
// (RFC 9110, 9.2.1) without a body and without an upgrade.
func (x *exchange) safe() bool {
	switch x.r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return x.r.ContentLength == 0 && x.upgrade == ""
	}
	return false
}

// via sends the request to one target.
func (x *exchange) via(t *target, fit fitness) outcome {
	t.inFlight.Add(1)
	defer t.inFlight.Add(-1)
	if x.isGRPC() {
		return x.viaHTTP2(t)
	}
	c, err := t.get(x.r.Context(), fit)
	if err != nil {
		return x.notReached(err)
	}
	stop := context.AfterFunc(x.r.Context(), c.interrupt)
	o, fine := x.talk(c)
	if stop() && fine {
		t.put(c)
	} else {
		c.close()
	}
	return o
}

// notReached sorts out why there is no connection.
func (x *exchange) notReached(err error) outcome {
	switch {
	case errors.Is(err, errGone):
		return moved
	case x.r.Context().Err() != nil:
		return clientGone
	}
	x.lastErr = err
	return unreached
}

// count adds the request to its backend's traffic. A preview is not traffic.
func (x *exchange) count() {
	if x.known {
		return
	}
	x.known = true
	up := x.backend.up
	if x.preview {
		up.previews.Add(1)
		return
	}
	up.requests.Add(1)
	if x.bad {
		up.failures.Add(1)
	}
	if x.whole {
		up.latency.observe(time.Since(x.start))
	}
}

// reset makes x ready for another request, keeping its buffers.
func (x *exchange) reset() {
	clear(x.tried)
	out, tried := x.out, x.tried[:0]
	if cap(out) > 2*maxInline {
		out = nil
	}
	*x = exchange{p: x.p, out: out[:0], tried: tried}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// hasToken reports whether a comma-separated header names token, in any case.
func hasToken(values []string, token string) bool {
	return slices.ContainsFunc(values, func(v string) bool { return containsToken(v, token) })
}
