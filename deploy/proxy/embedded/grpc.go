package embedded

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// isGRPC: gRPC needs HTTP/2 all the way. What came over HTTP/2 as gRPC goes on
// over HTTP/2 without TLS; everything else goes on over HTTP/1.1.
func (x *exchange) isGRPC() bool {
	if x.r.ProtoMajor != 2 {
		return false
	}
	kind := x.r.Header["Content-Type"]
	return len(kind) > 0 && strings.HasPrefix(kind[0], "application/grpc")
}

// viaHTTP2 sends the request to t over HTTP/2. Only a connection that could not
// be made is a reason to try another target: the transport itself repeats what
// the target declared unprocessed.
func (x *exchange) viaHTTP2(t *target) outcome {
	transport, err := t.http2()
	if err != nil {
		return x.notReached(err)
	}
	body := &gatedBody{src: x.r.Body, left: -1}
	if x.route.MaxBody > 0 {
		body.left = x.route.MaxBody
	}
	defer body.shut()
	resp, err := transport.RoundTrip(x.requestHTTP2(t, body))
	if err != nil {
		return x.failedHTTP2(t, body, err)
	}
	defer resp.Body.Close()
	o := x.pass(resp, nil)
	if body.tooLarge() {
		x.bad = false // the client's doing
	}
	return o
}

func (x *exchange) failedHTTP2(t *target, body *gatedBody, err error) outcome {
	var dial *net.OpError
	switch {
	case x.r.Context().Err() != nil:
		return clientGone
	case errors.Is(err, errGone) || errors.As(err, &dial) && dial.Op == "dial":
		t.avoid()
		return x.notReached(err)
	case body.tooLarge():
		return x.clientBroke(errBodyTooLarge)
	}
	return x.broken(err)
}

func (x *exchange) requestHTTP2(t *target, body *gatedBody) *http.Request {
	r := x.r
	trusted, named := x.p.trusts(r.RemoteAddr), connectionNames(r.Header)
	h := make(http.Header, len(r.Header)+4)
	for name, values := range r.Header {
		if passes(name, trusted, named) {
			h[name] = values
		}
	}
	for line := range strings.SplitSeq(string(x.forwarded(nil, trusted)), "\r\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			h[name] = []string{value}
		}
	}
	if hasToken(r.Header["Te"], "trailers") {
		h["Te"] = []string{"trailers"}
	}
	out := &http.Request{
		Method: r.Method, Host: r.Host, Header: h, ContentLength: r.ContentLength, Trailer: r.Trailer,
		URL: &url.URL{Scheme: "http", Host: t.address, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery},
	}
	if r.ContentLength != 0 {
		out.Body = body
	}
	return out.WithContext(r.Context())
}

// gatedBody lets nobody read a request's body once its handler has ended.
type gatedBody struct {
	src  io.ReadCloser
	mu   sync.Mutex
	left int64 // bytes still allowed; < 0: no limit
	over bool
	end  bool
}

func (b *gatedBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	end := b.end
	b.mu.Unlock()
	if end {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.src.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left >= 0 {
		if b.left -= int64(n); b.left < 0 {
			b.left, b.over = 0, true
			return 0, errBodyTooLarge
		}
	}
	return n, err
}

// Close does nothing: the server closes the body it made.
func (b *gatedBody) Close() error { return nil }

func (b *gatedBody) shut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end = true
}

func (b *gatedBody) tooLarge() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.over
}
