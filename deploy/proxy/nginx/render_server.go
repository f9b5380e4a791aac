package nginx

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"teal/deploy/proxy/internal/table"
)

// spot is a host and path that leads somewhere.
type spot struct {
	path string
	file string // of the configuration, the content of the location
}

// longName is where a host name is matched by a regular expression, because
// nginx' hash of names takes no longer ones by default.
const longName = 40

// servers are Teal's own server blocks.
func (r *renderer) servers() string {
	var b strings.Builder
	s := r.options.Servers
	if s.RedirectHTTPS {
		fmt.Fprintf(&b, "server {\n%s\treturn 308 https://$host%s$request_uri;\n}\n", r.listen(s.Listen, "", true)+r.limits(), redirectPort(s.ListenTLS))
	}
	hosts := r.hosts()
	names := make([]string, 0, len(hosts))
	for host := range hosts {
		if host != table.AnyHost {
			names = append(names, host)
		}
	}
	slices.Sort(names)
	b.WriteString(r.server("_", hosts[table.AnyHost], true))
	for _, host := range names {
		own := hosts[host]
		for _, s := range hosts[table.AnyHost] {
			if !slices.ContainsFunc(own, func(o spot) bool { return table.Under(s.path, o.path) }) {
				own = append(own, s)
			}
		}
		b.WriteString(r.server(host, own, false))
	}
	return b.String()
}

// redirectPort is what stands behind the host name of an HTTPS address.
func redirectPort(listenTLS []string) string {
	_, port, err := net.SplitHostPort(listenTLS[0])
	if err != nil || port == "443" { // the options were checked
		return ""
	}
	return ":" + port
}

// hosts are the places of the table by host.
func (r *renderer) hosts() map[string][]spot {
	out := map[string][]spot{}
	if r.state == nil {
		return out
	}
	for i := range r.state.Apps {
		a := &r.state.Apps[i]
		route := routeOf(&r.state.Table, a.App)
		path := table.CleanPath(route.Path)
		out[route.Host] = append(out[route.Host], spot{path, fileOf(a.App) + ".conf"})
		if a.PreviewHost != "" {
			out[a.PreviewHost] = append(out[a.PreviewHost], spot{path, fileOf(a.App) + ".preview.conf"})
		}
	}
	return out
}

// server is the block of one host.
func (r *renderer) server(name string, spots []spot, preset bool) string {
	var b strings.Builder
	s := r.options.Servers
	b.WriteString("server {\n")
	if !s.RedirectHTTPS {
		b.WriteString(r.listen(s.Listen, "", preset))
	}
	b.WriteString(r.listen(s.ListenH2C, "http2", preset))
	b.WriteString(r.listen(s.ListenTLS, "ssl", preset))
	if len(name) > longName {
		name = "\"~^" + literal(name) + "$\""
	}
	fmt.Fprintf(&b, "\tserver_name %s;\n", name)
	b.WriteString(r.limits())
	if r.options.Snippets != "" {
		fmt.Fprintf(&b, "\tinclude %s/server.d/*.conf;\n", r.options.Snippets)
	}
	b.WriteString(r.locations(spots))
	b.WriteString("}\n")
	return b.String()
}

// locations lead to the apps, the longest path first. What lies below a path is
// found by regular expressions, because a prefix of nginx does not end at
// segment borders.
func (r *renderer) locations(spots []spot) string {
	var b strings.Builder
	slices.SortFunc(spots, func(a, b spot) int {
		if d := len(b.path) - len(a.path); d != 0 {
			return d
		}
		return strings.Compare(a.path, b.path)
	})
	rest := "return 404;"
	if r.state == nil {
		rest = "return 503;"
	}
	for _, s := range spots {
		if s.path == "/" {
			rest = "include " + r.at(s.file) + ";"
			continue
		}
		fmt.Fprintf(&b, "\tlocation ~ \"^%s(/|$)\" {\n\t\tinclude %s;\n\t}\n", literal(s.path), r.at(s.file))
	}
	fmt.Fprintf(&b, "\tlocation / {\n\t\t%s\n\t}\n", rest)
	return b.String()
}

// listen writes listen directives; kind is "", "ssl" or "http2".
func (r *renderer) listen(addresses []string, kind string, preset bool) string {
	var b strings.Builder
	on := r.version.http2On() && r.version.http2
	for _, a := range addresses {
		b.WriteString("\tlisten " + strings.TrimPrefix(a, ":"))
		if preset {
			b.WriteString(" default_server")
		}
		if kind == "ssl" {
			b.WriteString(" ssl")
		}
		if !on && r.version.http2 && kind != "" {
			b.WriteString(" http2")
		}
		b.WriteString(";\n")
	}
	return b.String()
}

// limits bound what clients may take, and hold the certificate.
func (r *renderer) limits() string {
	var b strings.Builder
	b.WriteString(`	client_header_timeout 10s;
	client_header_buffer_size 2k;
	large_client_header_buffers 4 32k;
	keepalive_timeout 120s;
	keepalive_requests 100000;
	reset_timedout_connection on;
	server_tokens off;
	underscores_in_headers off;
	ignore_invalid_headers on;
`)
	if r.version.keeps() {
		b.WriteString("\tkeepalive_min_timeout 5s;\n")
	}
	if r.version.http2 && r.version.http2On() {
		b.WriteString("\thttp2 on;\n")
	}
	if len(r.options.Servers.ListenTLS) > 0 {
		fmt.Fprintf(&b, "\tssl_certificate %s;\n\tssl_certificate_key %s;\n", r.at(chainFile), r.at(keyFile))
		b.WriteString("\tssl_protocols TLSv1.2 TLSv1.3;\n\tssl_session_cache shared:teal_tls:10m;\n\tssl_session_timeout 1d;\n\tssl_session_tickets off;\n")
	}
	if len(r.options.Trusted) > 0 {
		for _, p := range r.options.Trusted {
			fmt.Fprintf(&b, "\tset_real_ip_from %s;\n", p)
		}
		b.WriteString("\treal_ip_header X-Forwarded-For;\n\treal_ip_recursive on;\n")
	}
	return b.String()
}
