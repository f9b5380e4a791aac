package embedded

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"teal/deploy/proxy/internal/table"
	"teal/reconcile"
	"teal/spec"
)

func TestHostOf(t *testing.T) {
	for header, want := range map[string]string{
		"example.com": "example.com", "Example.COM": "example.com", "example.com:80": "example.com",
		"example.com.": "example.com", "example.com.:80": "example.com", "[::1]:80": "::1", "[::1]": "::1", "[::1": "[::1",
		"::1": "::1", "": "", ":80": "", "192.0.2.1:8000": "192.0.2.1",
	} {
		if got := table.HostOf(header); got != want {
			t.Errorf("table.HostOf(%q) is %q, want %q", header, got, want)
		}
	}
}

func testRegistry() *registry { return newRegistry(nil, time.Minute) }

func simpleRoute(name, host, path string) reconcile.Route {
	return reconcile.Route{
		App: spec.Name{Project: "p", Service: name}, Host: host, Path: path,
		Backends: []reconcile.Backend{{Colour: spec.Blue, Revision: "r", Weight: 100, Targets: []string{"127.0.0.1:1"}}},
	}
}

// The matcher agrees with the rule as the documentation puts it: exact host
// before every host, longest path first, on segment borders.
func FuzzMatch(f *testing.F) {
	f.Add("api.example.com", "/v1/x")
	f.Add("API.example.com:80", "/v10")
	f.Add("other", "/v1/deep/er")
	f.Add("", "//")
	f.Add("[::1]:80", "/v1")
	places := [][2]string{
		{"api.example.com", "/v1"},
		{"api.example.com", "/v1/deep/"},
		{"::1", "/"},
		{"*", "/"},
		{"*", "/v1"},
		{"web.example.com", "/only"},
	}
	var all reconcile.Table
	for i, p := range places {
		all.Routes = append(all.Routes, simpleRoute(string(rune('a'+i)), p[0], p[1]))
	}
	if err := table.Check(all); err != nil {
		f.Fatal(err)
	}
	l := compile(all, testRegistry())
	f.Fuzz(func(t *testing.T, header, path string) {
		host, best := table.HostOf(header), -1
		for i, p := range places {
			prefix := strings.TrimSuffix(p[1], "/")
			if p[0] != "*" && p[0] != host || path != prefix && !strings.HasPrefix(path, prefix+"/") && prefix != "" {
				continue
			}
			if best < 0 || better(p, places[best]) {
				best = i
			}
		}
		got, _ := l.match(host, path)
		switch {
		case best < 0 && got != nil, best >= 0 && (got == nil || got.App != all.Routes[best].App):
			t.Errorf("%q %q leads to %v, want place %d", host, path, got, best)
		}
	})
}

func better(a, b [2]string) bool {
	if (a[0] == "*") != (b[0] == "*") {
		return b[0] == "*"
	}
	return len(a[1]) > len(b[1])
}

func TestForwardingHeaders(t *testing.T) {
	for name, want := range map[string]bool{
		"Forwarded": true, "X-Forwarded-For": true, "X_forwarded_for": true, "X-Forwarded-Anything": true, "X-Real-Ip": true, "X_real_ip": true,
		"X-Forwarded": false, "X-Forward-For": false, "Accept": false, "": false, "X-Real-Ipx": false,
	} {
		if got := forwarding(name); got != want {
			t.Errorf("forwarding(%q) is %v", name, got)
		}
	}
}

func TestTrustedPeersAreBelieved(t *testing.T) {
	p := &Proxy{trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}}
	r, err := http.NewRequest(http.MethodGet, "/", nil)
	must(t, err)
	r.RequestURI, r.Host = "/", "inner.example.com"
	r.Header = http.Header{"X-Forwarded-For": {"192.0.2.1", "192.0.2.2"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"shop.example.com"}}
	for peer, want := range map[string]string{
		"10.1.2.3:99":          "X-Forwarded-For: 192.0.2.1, 192.0.2.2, 10.1.2.3\r\n",
		"[::ffff:10.1.2.3]:99": "X-Forwarded-For: 192.0.2.1, 192.0.2.2, ::ffff:10.1.2.3\r\n",
		"[::1]:99":             "X-Forwarded-For: 192.0.2.1, 192.0.2.2, ::1\r\n",
		"11.1.2.3:99":          "X-Forwarded-For: 11.1.2.3\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: inner.example.com\r\n",
	} {
		r.RemoteAddr = peer
		x := &exchange{p: p, r: r}
		head := string(x.head(nil))
		if !strings.Contains(head, want) || strings.Count(head, "X-Forwarded-Proto") != 1 || strings.Count(head, "X-Forwarded-For") != 1 {
			t.Errorf("from %s the app sees %q, want %q in it", peer, head, want)
		}
	}
}

func TestUpgradeOf(t *testing.T) {
	for name, c := range map[string]struct {
		h    http.Header
		want string
	}{
		"websocket":          {http.Header{"Connection": {"keep-alive, Upgrade"}, "Upgrade": {"websocket"}}, "websocket"},
		"not in connection":  {http.Header{"Connection": {"keep-alive"}, "Upgrade": {"websocket"}}, ""},
		"h2c":                {http.Header{"Connection": {"Upgrade, HTTP2-Settings"}, "Upgrade": {"H2C"}}, ""},
		"h2c in a list":      {http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket, h2c"}}, ""},
		"two upgrade fields": {http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket", "h2c"}}, ""},
	} {
		if got := upgradeOf(&http.Request{ProtoMajor: 1, Header: c.h}); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
