package embedded

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestPlainHTTPIsSentToHTTPS(t *testing.T) {
	for _, c := range []struct {
		name, tls, host, uri, peer, proto string
		want                              string // empty: the proxy serves it
	}{
		{"usual port", ":443", "shop.example.com", "/a?b=c", "192.0.2.1:1", "", "https://shop.example.com/a?b=c"},
		{"host with a port", "10.0.0.1:443", "shop.example.com:80", "/", "192.0.2.1:1", "", "https://shop.example.com/"},
		{"other port", "127.0.0.1:8443", "localhost:8000", "/x", "192.0.2.1:1", "", "https://localhost:8443/x"},
		{"address of version 6", ":443", "[::1]:80", "/", "192.0.2.1:1", "", "https://[::1]/"},
		{"a trusted proxy took TLS off", ":443", "shop.example.com", "/", "10.1.1.1:1", "https", ""},
		{"anybody says that TLS was taken off", ":443", "shop.example.com", "/", "192.0.2.1:1", "https", "https://shop.example.com/"},
		{"host that is none", ":443", "evil/@x", "/", "192.0.2.1:1", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newProxy(Config{Logger: slog.New(slog.DiscardHandler), Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
			defer p.registry.close()
			p.refuse("served by the proxy")
			r := httptest.NewRequest(http.MethodPost, c.uri, nil)
			r.Host, r.RemoteAddr = c.host, c.peer
			r.Header.Set("X-Forwarded-Proto", c.proto)
			w := httptest.NewRecorder()
			newRedirect(p, []string{c.tls}).ServeHTTP(w, r)
			if got := w.Header().Get("Location"); got != c.want || (c.want != "") != (w.Code == http.StatusPermanentRedirect) {
				t.Errorf("%d to %q, want %q", w.Code, got, c.want)
			}
		})
	}
}
