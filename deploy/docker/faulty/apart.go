package faulty

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"
)

// streamed is how much of a call that has no end is done before its answer is
// lost.
const streamed = 300 * time.Millisecond

// longest bounds a call that is done without its caller.
const longest = 5 * time.Minute

// lose does a call after a while and throws its answer away.
func (p *Proxy) lose(r *http.Request, after time.Duration) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // it was cut off before it was complete: the engine would not do it
	}
	p.do(context.WithoutCancel(r.Context()), r, body, after)
}

// do makes the engine do a call that nobody waits for.
func (p *Proxy) do(ctx context.Context, r *http.Request, body []byte, after time.Duration) {
	p.late.Add(1)
	defer p.late.Done()
	if !p.pause(ctx, after) {
		return
	}
	limit := longest
	if CallOf(r) == "Events" {
		limit = streamed
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	out := r.Clone(ctx)
	out.RequestURI = ""
	out.URL.Scheme, out.URL.Host = "http", "docker"
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	out.TransferEncoding = nil
	answer, err := p.forward.Transport.RoundTrip(out)
	if err != nil {
		return // the engine is away, or the stream was long enough
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusSwitchingProtocols {
		return // nobody is at the other end of an attached program
	}
	_, _ = io.Copy(io.Discard, answer.Body) // thrown away
}

// delay answers after a while; a caller that does not wait so long gets nothing,
// and the call is done all the same.
func (p *Proxy) delay(w http.ResponseWriter, r *http.Request, after time.Duration) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if p.pause(r.Context(), after) {
		r.Body = io.NopCloser(bytes.NewReader(body))
		p.forward.ServeHTTP(w, r)
		return
	}
	// What is left of the time is not waited for: that it comes after the caller
	// went is what matters.
	p.do(context.WithoutCancel(r.Context()), r, body, streamed)
}

// pause waits; false: ctx or the proxy ended before.
func (p *Proxy) pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-p.closed:
	}
	return false
}
