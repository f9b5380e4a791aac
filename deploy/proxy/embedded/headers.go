package embedded

import (
	"net/http"
	"net/netip"
	"net/textproto"
	"strings"
)

// previewName is the header that leads to the staged colour.
const previewName = "Teal-Preview"

// malformed says why a request cannot be passed on as it is. The server has
// refused what violates the grammar; this refuses what another server could
// read as something else.
func malformed(r *http.Request) string {
	if r.Method == http.MethodConnect {
		return "CONNECT is not served here."
	}
	uri := requestURI(r)
	if !strings.HasPrefix(uri, "/") {
		return "The request's target is not a path."
	}
	if !plain(uri) {
		return "The request's target contains a space or a control character."
	}
	if !plain(r.Host) || strings.ContainsAny(r.Host, "/@,") || !bracketsHoldIPv6(r.Host) {
		return "The Host header is not a host name."
	}
	return ""
}

// bracketsHoldIPv6 refuses [name], which another server could read as name.
func bracketsHoldIPv6(host string) bool {
	if !strings.HasPrefix(host, "[") {
		return true
	}
	inner, _, closed := strings.Cut(host[1:], "]")
	address, err := netip.ParseAddr(inner)
	return closed && err == nil && address.Is6()
}

func plain(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// requestURI is the path and query as the client wrote them.
func requestURI(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		return r.RequestURI
	}
	return r.URL.RequestURI()
}

// hopByHop reports whether a header, in canonical form, is between two
// neighbours only (RFC 9110, 7.6.1), or is written by the proxy itself.
func hopByHop(name string) bool {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade", "Http2-Settings":
		return true
	}
	return false
}

// ours reports whether the proxy writes or removes this header of a request.
func ours(name string) bool {
	switch name {
	case "Content-Length", "Expect", "Host", previewName:
		return true
	}
	return false
}

// forwarding reports whether a header says where a request came from. "_" counts
// as "-", because many apps see both as one.
func forwarding(name string) bool {
	if name == "Forwarded" {
		return true
	}
	return sameButDash(name, "x-real-ip") || len(name) >= 12 && sameButDash(name[:12], "x-forwarded-")
}

// sameButDash compares with a lower-case name whose dashes may be underscores.
func sameButDash(name, lower string) bool {
	if len(name) != len(lower) || name[0]|0x20 != lower[0] {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if c == '_' {
			c = '-'
		} else if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// connectionNames returns the headers that Connection names, in canonical form.
func connectionNames(h http.Header) []string {
	values := h["Connection"]
	if len(values) == 0 {
		return nil
	}
	var names []string
	for _, v := range values {
		for name := range strings.SplitSeq(v, ",") {
			if name = textproto.TrimString(name); name != "" {
				names = append(names, textproto.CanonicalMIMEHeaderKey(name))
			}
		}
	}
	return names
}

// containsToken reports whether a comma-separated value has the token, in any case.
func containsToken(value, token string) bool {
	for v := range strings.SplitSeq(value, ",") {
		if strings.EqualFold(textproto.TrimString(v), token) {
			return true
		}
	}
	return false
}

// upgradeOf returns the protocol that r asks to change to. A change to h2c is
// never passed on: it would open a way past the routes.
func upgradeOf(r *http.Request) string {
	upgrade := r.Header["Upgrade"]
	if len(upgrade) != 1 || r.ProtoMajor != 1 || !hasToken(r.Header["Connection"], "upgrade") {
		return ""
	}
	token := textproto.TrimString(upgrade[0])
	if strings.ContainsAny(token, ", \t") || strings.EqualFold(token, "h2c") || !plain(token) {
		return ""
	}
	return token
}
