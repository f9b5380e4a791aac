package notify

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// kind says what a failure of a delivery means.
type kind int

const (
	again   kind = iota // the same may go well later
	refused             // the target is set up wrongly, or its secret is: later, and seldom
	unfit               // this one message is not taken
)

// failure is why a message was not delivered. Its words hold nothing secret.
type failure struct {
	kind  kind
	words string
	after time.Duration // what the target asked for; 0: nothing
}

func (f *failure) Error() string { return f.words }

// answer judges what a web service answered; nil is well.
func answer(resp *http.Response, said string, now time.Time) error {
	if resp.StatusCode/100 == 2 {
		return nil
	}
	f := &failure{words: strings.TrimSuffix("answered "+resp.Status+": "+cut(line(said), 200), ": ")}
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= 500:
		f.after = retryAfter(resp.Header, now)
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusNotFound,
		code == http.StatusMethodNotAllowed, code == http.StatusGone, code == http.StatusPaymentRequired, code/100 == 3:
		f.kind = refused
	default:
		f.kind = unfit
	}
	return f
}

// retryAfter reads the header, in seconds or as a date; at most an hour is
// believed.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	wait := time.Duration(0)
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds < 1e6 {
		wait = time.Duration(seconds * float64(time.Second))
	} else if date, err := http.ParseTime(text); err == nil {
		wait = date.Sub(now)
	}
	return min(max(wait, 0), time.Hour)
}

// plain takes what is secret out of an error: addresses of requests, and every
// one of the given words.
func plain(err error, secrets []string) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "did not answer in time"
	}
	if n, ok := errors.AsType[*net.OpError](err); ok && n.Err != nil {
		return scrub("cannot be reached: "+n.Err.Error(), secrets)
	}
	return scrub(err.Error(), secrets)
}

func scrub(text string, secrets []string) string {
	for _, s := range secrets {
		text = strings.ReplaceAll(text, s, "…")
	}
	return line(text)
}

// shortestSecret is below what a part of an address can be one, and above what
// every text has in it.
const shortestSecret = 4

// secretsOf are the parts of an address that may be secret: for services, whose
// host is a key or a token, all of it.
func secretsOf(u *url.URL, host bool) []string {
	parts := []string{u.String(), u.RequestURI(), u.User.String(), u.User.Username(), u.RawQuery, u.Fragment}
	if password, ok := u.User.Password(); ok {
		parts = append(parts, password, url.PathEscape(password), url.QueryEscape(password))
	}
	parts = append(parts, strings.Split(u.Path, "/")...)
	parts = append(parts, strings.Split(u.EscapedPath(), "/")...)
	for _, values := range u.Query() {
		for _, v := range values {
			parts = append(parts, v, url.QueryEscape(v))
		}
	}
	if host {
		parts = append(parts, u.Host, u.Hostname())
	}
	var out []string
	for _, p := range parts {
		if len(p) >= shortestSecret {
			out = append(out, p)
		}
	}
	// Longer ones first: a part of one must not keep the rest of it from going.
	sortByLength(out)
	return out
}
