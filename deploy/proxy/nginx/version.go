package nginx

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// version is what an nginx can do.
type version struct {
	number    [3]int
	waiting   bool // $connections_waiting is there
	http2     bool
	tls       bool
	limitConn bool
}

// atLeast reports whether v is that version or a later one.
func (v version) atLeast(major, minor, patch int) bool {
	for i, want := range [3]int{major, minor, patch} {
		if v.number[i] != want {
			return v.number[i] > want
		}
	}
	return true
}

// keeps reports whether idle connections survive a reload, by
// keepalive_min_timeout.
func (v version) keeps() bool { return v.atLeast(1, 27, 4) }

// http2On reports whether HTTP/2 is a directive of its own, which also serves
// clients without TLS beside HTTP/1.1.
func (v version) http2On() bool { return v.atLeast(1, 25, 1) }

var versionLine = regexp.MustCompile(`(?m)version: \S*?/(\d+)\.(\d+)\.(\d+)`)

// askVersion runs "nginx -V".
func askVersion(ctx context.Context, p Place) (version, error) {
	out, err := p.Nginx(ctx, "-V")
	if err != nil {
		return version{}, fmt.Errorf("ask %s for its version: %w", p, err)
	}
	v, err := parseVersion(out)
	if err != nil {
		return v, fmt.Errorf("ask %s for its version: %w", p, err)
	}
	return v, nil
}

func parseVersion(out string) (version, error) {
	m := versionLine.FindStringSubmatch(out)
	if m == nil {
		return version{}, fmt.Errorf("%q names no version", out)
	}
	var v version
	for i, s := range m[1:] {
		n, err := strconv.Atoi(s)
		if err != nil {
			return version{}, fmt.Errorf("version %s: %w", s, err)
		}
		v.number[i] = n
	}
	if !v.atLeast(1, 18, 0) {
		return v, fmt.Errorf("it is %s.%s.%s; 1.18.0 or newer is needed", m[1], m[2], m[3])
	}
	v.waiting = strings.Contains(out, "--with-http_stub_status_module")
	v.http2 = strings.Contains(out, "--with-http_v2_module")
	v.tls = strings.Contains(out, "--with-http_ssl_module")
	v.limitConn = !strings.Contains(out, "--without-http_limit_conn_module")
	return v, nil
}
