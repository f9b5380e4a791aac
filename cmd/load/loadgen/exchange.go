package loadgen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// exchange sends one request, reads its answer to the end and returns a
// completed. The end of ctx does not cut it off: a request under way when the
// load ends is still owed its answer.
func (g *Generator) exchange(ctx context.Context, client http.RoundTripper, a answer) answer {
	ctx, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	ctx, cancel := context.WithDeadline(ctx, a.due.Add(g.cfg.Timeout))
	defer cancel()

	var conn connection
	version, status, err := g.roundTrip(httptrace.WithClientTrace(ctx, conn.trace(stop)), client, a.method)
	a.at, a.version = time.Now(), version
	cause := context.Cause(ctx)
	if errors.Is(cause, errReplayed) || (err != nil && cause != nil) {
		err = cause
	}
	switch {
	case err != nil:
		a.kind, a.text = kindOf(err, conn.got.Load()), err.Error()
	case status < 200 || status > 299:
		a.kind, a.text = Status, fmt.Sprintf("%d %s", status, http.StatusText(status))
	}
	return a
}

// connection follows which connections one request takes.
type connection struct {
	asked atomic.Int32
	got   atomic.Bool
}

// trace stops the request when net/http takes a second connection for it, which
// is how it repeats what it thinks may be repeated: that would hide a lost
// request.
func (c *connection) trace(stop context.CancelCauseFunc) *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) {
			if c.asked.Add(1) > 1 {
				stop(errReplayed)
			}
		},
		GotConn: func(httptrace.GotConnInfo) { c.got.Store(true) },
	}
}

func (g *Generator) roundTrip(ctx context.Context, client http.RoundTripper, method string) (version string, status int, err error) {
	var body io.Reader
	if method == http.MethodPost {
		body = &filler{left: g.cfg.Body}
	}
	req, err := http.NewRequestWithContext(ctx, method, g.url.String(), body)
	if err != nil {
		return "", 0, err
	}
	maps.Copy(req.Header, g.cfg.Header)
	req.Host = orElse(g.cfg.Host, req.Host)
	if method == http.MethodPost {
		req.ContentLength = int64(g.cfg.Body)
	}
	resp, err := client.RoundTrip(req)
	if err != nil {
		return "", 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if closeErr := resp.Body.Close(); err == nil {
		err = closeErr
	}
	return resp.Header.Get(VersionHeader), resp.StatusCode, err
}

// filler is a body of left bytes that can be read once. net/http does not know
// its type and so cannot set GetBody: it cannot be replayed.
type filler struct{ left int }

// Read fills p with the letter x until left bytes were read.
func (f *filler) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, io.EOF
	}
	n := min(f.left, len(p))
	for i := range p[:n] {
		p[i] = 'x'
	}
	f.left -= n
	return n, nil
}
