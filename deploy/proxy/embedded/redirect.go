package embedded

import (
	"net"
	"net/http"
	"strings"

	"teal/deploy/proxy/internal/table"
)

// redirect sends clients of plain HTTP to the same address with TLS. 308 keeps
// the method and the body of a request, which 301 does not.
type redirect struct {
	proxy *Proxy
	port  string // of the address with TLS
}

// newRedirect leads to the first of the addresses with TLS.
func newRedirect(p *Proxy, tls []string) redirect {
	_, port, _ := net.SplitHostPort(tls[0]) // listening fails on what this cannot read
	return redirect{proxy: p, port: port}
}

// ServeHTTP answers 308. A request that came to a trusted proxy with TLS, and one
// that is malformed, is the proxy's own affair.
func (h redirect) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure := strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") && h.proxy.trusts(r.RemoteAddr)
	if secure || r.Host == "" || malformed(r) != "" {
		h.proxy.ServeHTTP(w, r)
		return
	}
	host := table.HostOf(r.Host)
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if h.port != "443" {
		host += ":" + h.port
	}
	w.Header().Set("Location", "https://"+host+requestURI(r))
	w.WriteHeader(http.StatusPermanentRedirect)
}
