package embedded

import (
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
)

// previewHeader reports whether the request's Teal-Preview header leads to the
// staged colour: it holds the route's token, or "true" and the client is on the
// proxy's own host. Any other header is ignored, and none reaches the app.
func (x *exchange) previewHeader(rt *route) bool {
	values := x.r.Header[previewName]
	if len(values) != 1 || rt.preview == nil {
		return false
	}
	token := rt.Preview.Token
	if token != "" && subtle.ConstantTimeCompare([]byte(values[0]), []byte(token)) == 1 {
		return true
	}
	return values[0] == "true" && x.fromOwnHost()
}

// fromOwnHost reports whether the client runs on this host: its address is a
// loopback one, or the very address it connected to. A request that another
// proxy passed on is not, whoever passed it on.
func (x *exchange) fromOwnHost() bool {
	for name := range x.r.Header {
		if forwarding(name) || name == "Via" {
			return false
		}
	}
	peer, err := netip.ParseAddr(addressOf(x.r.RemoteAddr))
	if err != nil || x.p.trusts(x.r.RemoteAddr) {
		return false
	}
	if peer.Unmap().IsLoopback() {
		return true
	}
	local, ok := x.r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && addressOf(local.String()) == addressOf(x.r.RemoteAddr)
}
