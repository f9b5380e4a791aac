package health

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"teal/spec"
)

const (
	maxHeader = 64 << 10 // bytes of an answer's header
	maxBody   = 64 << 10 // bytes of an answer's body that the pattern is tried on
	// What is left of an answer is read, so that an app which writes a whole page
	// does not log a broken connection at every probe; but not for ever.
	drainBytes = 1 << 20
	drainTime  = 250 * time.Millisecond
	// maxInterim is how many answers 1xx may come before the real one.
	maxInterim = 5
)

// dialer opens a connection; it ends when ctx does.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// httpCheck is one HTTP probe. It writes the request and reads the answer on a
// connection of its own instead of using the standard library's transport, which
// goes on dialling in another goroutine after a request's time is over.
type httpCheck struct {
	dial     dialer
	request  *http.Request // to be cloned
	address  string
	statuses []spec.StatusRange
	body     *regexp.Regexp // nil: any
	what     string         // "GET /health → "
}

func newHTTPCheck(dial dialer, address string, h spec.Health) check {
	c := httpCheck{dial: dial, address: address, statuses: h.Statuses, what: "GET " + quote(withoutQuery(h.Path)) + " → "}
	if address == "" {
		return always(outcome{unknown, c.what + "no address yet"})
	}
	if len(c.statuses) == 0 {
		c.statuses = []spec.StatusRange{{From: 200, To: 399}}
	}
	if wrong := c.prepare(h); wrong != "" {
		return always(outcome{failed, c.what + wrong})
	}
	return c.probe
}

// withoutQuery is what is told of a path: what it asks with may be a secret.
func withoutQuery(path string) string {
	before, _, _ := strings.Cut(path, "?")
	return before
}

// prepare builds the request and the pattern; it returns what is wrong with the
// settings.
func (c *httpCheck) prepare(h spec.Health) string {
	path, err := url.ParseRequestURI(h.Path)
	if err != nil {
		return "the path is not valid"
	}
	path.Scheme, path.Host = "http", c.address
	c.request = &http.Request{
		Method: http.MethodGet, URL: path, Host: h.Host, Close: true,
		Header: http.Header{"User-Agent": {"teal-health"}},
	}
	for k, v := range h.Headers {
		if !httpguts.ValidHeaderFieldName(k) || !httpguts.ValidHeaderFieldValue(v) {
			return "header " + quote(k) + " is not valid"
		}
		if http.CanonicalHeaderKey(k) == "Host" && h.Host == "" {
			c.request.Host = v
		}
		c.request.Header.Set(k, v)
	}
	if h.Body == "" {
		return ""
	}
	if c.body, err = regexp.Compile(h.Body); err != nil {
		return "the body pattern is not valid"
	}
	return ""
}

// probe asks once. It follows no redirect and keeps no cookie.
func (c httpCheck) probe(ctx context.Context) outcome {
	conn, err := c.dial(ctx, "tcp", c.address)
	if err != nil {
		return refused(ctx, c.what, err, "cannot connect")
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // a closed one needs none
	defer stop()
	limit := &io.LimitedReader{R: conn, N: maxHeader}
	answer, err := c.ask(ctx, conn, bufio.NewReader(limit))
	if err != nil {
		_ = conn.Close() // the outcome is known
		return c.unanswered(ctx, err, limit.N)
	}
	limit.N = maxBody + drainBytes
	out := c.judge(ctx, answer)
	drain(conn, answer.Body)
	_ = conn.Close()        // first: closing the body reads the rest of it
	_ = answer.Body.Close() // the outcome is known
	return out
}

// ask sends the request and reads the header of the answer.
func (c httpCheck) ask(ctx context.Context, conn net.Conn, r *bufio.Reader) (*http.Response, error) {
	request := c.request.Clone(ctx)
	if err := request.Write(conn); err != nil {
		return nil, err
	}
	for range maxInterim {
		answer, err := http.ReadResponse(r, request)
		if err != nil || answer.StatusCode >= 200 || answer.StatusCode == http.StatusSwitchingProtocols {
			return answer, err
		}
	}
	return nil, wordsError("no end of interim answers")
}

// unanswered is the outcome of a probe without a whole header; left is how much
// of it might still have been read.
func (c httpCheck) unanswered(ctx context.Context, err error, left int64) outcome {
	switch {
	case left <= 0:
		err = wordsError("header too large")
	case left == maxHeader && errors.Is(err, io.ErrUnexpectedEOF):
		err = io.EOF
	}
	return refused(ctx, c.what, err, "not a valid HTTP answer")
}

// judge compares status and body with what is asked for.
func (c httpCheck) judge(ctx context.Context, answer *http.Response) outcome {
	status := c.what + strconv.Itoa(answer.StatusCode)
	if !slices.ContainsFunc(c.statuses, func(r spec.StatusRange) bool {
		return r.From <= answer.StatusCode && answer.StatusCode <= r.To
	}) {
		return outcome{failed, status}
	}
	if c.body == nil {
		return outcome{passed, status}
	}
	start, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		return refused(ctx, status+", body: ", err, "not valid")
	}
	if !c.body.Match(start) {
		return outcome{failed, status + ", body does not match " + quote(c.body.String())}
	}
	return outcome{passed, status}
}

// drain reads what is left of an answer, within limits. What comes of that does
// not matter.
func drain(conn net.Conn, body io.Reader) {
	if conn.SetReadDeadline(time.Now().Add(drainTime)) == nil {
		_, _ = io.CopyN(io.Discard, body, drainBytes)
	}
}
