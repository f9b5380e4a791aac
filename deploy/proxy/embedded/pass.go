package embedded

import (
	"io"
	"net/http"
	"slices"
	"strings"
)

// pass gives the target's answer to the client. c is nil for HTTP/2 targets.
func (x *exchange) pass(resp *http.Response, c *conn) outcome {
	x.passHead(resp, c)
	readErr, writeErr := x.passBody(resp, c)
	switch {
	case writeErr != nil || readErr != nil && x.r.Context().Err() != nil:
		return clientGone
	case readErr != nil && x.pump != nil && x.pumpBroke():
		return cutOff // the client's own body broke: not the app's failure
	case readErr != nil:
		x.bad = true
		x.p.logCut(x, readErr)
		return cutOff
	}
	x.passTrailers(resp)
	x.whole = true
	return answered
}

// pumpBroke reports whether the client's body ended the exchange.
func (x *exchange) pumpBroke() bool {
	select {
	case <-x.pump.done:
		return x.pump.fromClient
	default:
		return false
	}
}

func (x *exchange) passHead(resp *http.Response, c *conn) {
	h := x.w.Header()
	named := connectionNames(resp.Header)
	for name, values := range resp.Header {
		if !hopByHop(name) && !slices.Contains(named, name) {
			h[name] = values
		}
	}
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // the server must not guess
	}
	for name := range resp.Trailer {
		h.Add("Trailer", name)
	}
	unread := x.pump != nil && !x.body.done.Load()
	if unread && x.r.ProtoMajor == 1 || x.p.ending.Load() {
		h["Connection"] = []string{"close"}
	}
	if c != nil && x.pump == nil && x.expects() {
		x.limitUnread() // the target answered without wanting the body
	}
	x.bad = resp.StatusCode >= http.StatusInternalServerError
	x.wrote = true
	x.w.WriteHeader(resp.StatusCode)
}

// passBody copies the body. What streams is sent on at once; only when more of
// it is waiting already are the pieces put together.
func (x *exchange) passBody(resp *http.Response, c *conn) (readErr, writeErr error) {
	if resp.Body == http.NoBody {
		return nil, nil
	}
	streams := streaming(resp)
	if streams && (c == nil || c.br.Buffered() == 0) {
		if err := x.flush(); err != nil {
			return nil, err
		}
	}
	buf := x.p.buffers.get()
	defer x.p.buffers.put(buf)
	for {
		n, err := resp.Body.Read(*buf)
		if n > 0 {
			if _, werr := x.w.Write((*buf)[:n]); werr != nil {
				return nil, werr
			}
			if streams && err == nil {
				if werr := x.flush(); werr != nil {
					return nil, werr
				}
			}
		}
		if err == io.EOF {
			return nil, nil
		}
		if err != nil {
			return err, nil
		}
	}
}

// streaming: the end is not known, or the type is made for waiting.
func streaming(resp *http.Response) bool {
	if resp.ContentLength < 0 {
		return true
	}
	kind := resp.Header["Content-Type"]
	return len(kind) > 0 && strings.HasPrefix(kind[0], "text/event-stream")
}

func (x *exchange) flush() error {
	return http.NewResponseController(x.w).Flush()
}

func (x *exchange) passTrailers(resp *http.Response) {
	if len(resp.Trailer) == 0 {
		return
	}
	h := x.w.Header()
	announced := h["Trailer"]
	for name, values := range resp.Trailer {
		if hopByHop(name) || len(values) == 0 {
			continue
		}
		if !slices.Contains(announced, name) {
			name = http.TrailerPrefix + name
		}
		h[name] = values
	}
	_ = x.flush() // makes a short answer chunked, as trailers need; a lost client is noticed by the server
}
