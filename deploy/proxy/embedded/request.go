package embedded

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// head writes the request's head for the target. The server has checked method,
// names and values; malformed has checked target and host.
func (x *exchange) head(b []byte) []byte {
	r := x.r
	b = append(b, r.Method...)
	b = append(b, ' ')
	b = append(b, requestURI(r)...)
	b = append(b, " HTTP/1.1\r\n"...)
	b = field(b, "Host", r.Host)
	trusted := x.p.trusts(r.RemoteAddr)
	named := connectionNames(r.Header)
	for name, values := range r.Header {
		if !passes(name, trusted, named) {
			continue
		}
		for _, v := range values {
			b = field(b, name, v)
		}
	}
	b = x.forwarded(b, trusted)
	b = x.framing(b)
	if hasToken(r.Header["Te"], "trailers") {
		b = append(b, "Te: trailers\r\n"...)
	}
	if x.upgrade != "" {
		b = append(b, "Connection: Upgrade\r\n"...)
		b = field(b, "Upgrade", x.upgrade)
	}
	return append(b, "\r\n"...)
}

// passes reports whether a client's header goes on to the app as it is.
func passes(name string, trusted bool, named []string) bool {
	if hopByHop(name) || ours(name) || slices.Contains(named, name) {
		return false
	}
	return !forwarding(name) || trusted && name != "X-Forwarded-For"
}

func field(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, "\r\n"...)
}

// forwarded says where the request came from. What a trusted peer said is kept
// and continued.
func (x *exchange) forwarded(b []byte, trusted bool) []byte {
	h := x.r.Header
	b = append(b, "X-Forwarded-For: "...)
	if trusted {
		for _, prior := range h["X-Forwarded-For"] {
			b = append(b, prior...)
			b = append(b, ", "...)
		}
	}
	b = append(b, addressOf(x.r.RemoteAddr)...)
	b = append(b, "\r\n"...)
	if !trusted || h["X-Forwarded-Proto"] == nil {
		proto := "http"
		if x.r.TLS != nil {
			proto = "https"
		}
		b = field(b, "X-Forwarded-Proto", proto)
	}
	if !trusted || h["X-Forwarded-Host"] == nil {
		b = field(b, "X-Forwarded-Host", x.r.Host)
	}
	return b
}

// framing says how long the body is, in exactly one way.
func (x *exchange) framing(b []byte) []byte {
	r := x.r
	switch {
	case r.ContentLength > 0:
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, r.ContentLength, 10)
		b = append(b, "\r\n"...)
	case r.ContentLength < 0:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
		for name := range r.Trailer {
			if passesAsTrailer(name) {
				b = field(b, "Trailer", name)
			}
		}
	case r.Method == "POST" || r.Method == "PUT" || r.Method == "PATCH":
		b = append(b, "Content-Length: 0\r\n"...)
	}
	if x.expects() {
		b = append(b, "Expect: 100-continue\r\n"...)
	}
	return b
}

// expects reports whether the client waits for a word before it sends its body.
func (x *exchange) expects() bool {
	return x.r.ContentLength != 0 && hasToken(x.r.Header["Expect"], "100-continue")
}

// addressOf takes the port off a peer's address: "[::1]:80" is "::1".
func addressOf(remote string) string {
	i := strings.LastIndexByte(remote, ':')
	if i < 0 {
		return remote
	}
	host := strings.TrimSuffix(strings.TrimPrefix(remote[:i], "["), "]")
	if zone := strings.IndexByte(host, '%'); zone >= 0 {
		host = host[:zone]
	}
	return host
}

// trusts reports whether the peer's word about a request's origin is believed.
func (p *Proxy) trusts(remote string) bool {
	if len(p.trusted) == 0 {
		return false
	}
	address, err := netip.ParseAddr(addressOf(remote))
	if err != nil {
		return false // not an address: nobody we know
	}
	address = address.Unmap()
	return slices.ContainsFunc(p.trusted, func(net netip.Prefix) bool { return net.Contains(address) })
}
