package nginx

import (
	"fmt"
	"strings"
	"time"

	"teal/reconcile"
	"teal/spec"
)

const (
	// zone counts requests in flight. Its key must stay as it is from version to
	// version of Teal: nginx refuses a reload that changes the key of a zone.
	zone = "teal_inflight"
	// endless is a timeout for what has no end to count from.
	endless = "1d"
	// retryTime bounds for how long after its start a request is tried elsewhere: a
	// target that does not take connections costs one connect timeout of 2 s.
	retryTime = 5 * time.Second
	// targetIdle is how long a connection to an app is kept without a request.
	// Servers close idle connections after some seconds; one that is used within a
	// second is not being closed at that moment, so no POST meets a closed one.
	targetIdle = "900ms"
)

// upstreams are the targets of both colours, once for HTTP/1.1 and once for
// HTTP/2: kept connections of the two must not be mixed.
func (r *renderer) upstreams(a *appState) string {
	var b strings.Builder
	for _, c := range []spec.Colour{spec.Blue, spec.Green} {
		for _, suffix := range []string{"", ".h2"} {
			fmt.Fprintf(&b, "upstream %s%s {\n", upstreamOf(a.App, c), suffix)
			for _, target := range a.slot(c).Targets {
				fmt.Fprintf(&b, "\tserver %s max_fails=3 fail_timeout=1s;\n", target)
			}
			if len(a.slot(c).Targets) == 0 {
				b.WriteString("\tserver 127.0.0.1:1 down; # nothing runs there\n")
			}
			fmt.Fprintf(&b, "\tkeepalive 64;\n\tkeepalive_requests 100000;\n\tkeepalive_timeout %s;\n}\n", targetIdle)
		}
	}
	return b.String()
}

// app writes the files of one app: the rule that chooses the colour, and what an
// ordinary and a preview location hold.
func (r *renderer) app(a *appState) {
	name := fileOf(a.App)
	route := routeOf(&r.state.Table, a.App)
	r.files[name+".rule"] = []byte(r.rule(a))
	r.files[name+".conf"] = []byte(r.location(a, route, "$teal_bucket"))
	r.files[name+".preview.conf"] = []byte(fmt.Sprintf("if (!-f %s/flags/%s/%s) { return 404; }\n", r.folder, name, shown) +
		r.location(a, route, "p$teal_split"))
}

// rule chooses the colour of the bucket $teal_b. The traffic and the status
// server include the same file. open_file_cache must be off where it is used.
func (r *renderer) rule(a *appState) string {
	return fmt.Sprintf(`set $teal_slot blue;
if (-f %[2]s/flags/%[1]s/$teal_b) {
	set $teal_slot green;
	proxy_pass http://%[3]s;
}
`, fileOf(a.App), r.folder, upstreamOf(a.App, spec.Green))
}

// location is the content of a location for an app.
func (r *renderer) location(a *appState, route *reconcile.Route, bucket string) string {
	var b strings.Builder
	name := fileOf(a.App)
	fmt.Fprintf(&b, "set $teal_app %s;\nset $teal_b %s;\ninclude %s;\n", name, bucket, r.at(name+".rule"))
	fmt.Fprintf(&b, "if ($teal_grpc) {\n\tgrpc_pass grpc://teal.%s.$teal_slot.h2;\n\tbreak;\n}\n", name)
	b.WriteString("set $teal_way $teal_long;\n")
	if !r.version.keeps() {
		fmt.Fprintf(&b, "if (-f %s/%s) {\n\tset $teal_way close$teal_long;\n}\n", r.folder, closing)
	}
	b.WriteString("if ($teal_way) {\n\trewrite ^ $uri/.teal-$teal_way last;\n}\n")
	fmt.Fprintf(&b, "proxy_pass http://%s;\n", upstreamOf(a.App, spec.Blue))
	fmt.Fprintf(&b, "include %s;\n", r.at("proxy.conf"))
	fmt.Fprintf(&b, "client_max_body_size %d;\n", route.MaxBody)
	retry := retryTime
	if t := route.Timeout.D(); t > 0 {
		retry = min(retry, t)
		fmt.Fprintf(&b, "proxy_read_timeout %dms;\n", max(t.Milliseconds(), 1))
	} else {
		b.WriteString("proxy_read_timeout " + endless + ";\n")
	}
	fmt.Fprintf(&b, "proxy_next_upstream_timeout %dms;\ngrpc_next_upstream_timeout %[1]dms;\n", max(retry.Milliseconds(), 1))
	b.WriteString(r.ways(name))
	if r.options.Snippets != "" {
		fmt.Fprintf(&b, "include %s/location.d/*.conf;\n", r.options.Snippets)
	}
	return b.String()
}

// ways are the places for requests that need other timeouts than the rest:
// upgraded connections and event streams, which may be silent for long, and all
// while clients are told to close.
func (r *renderer) ways(name string) string {
	pass := fmt.Sprintf("proxy_pass http://teal.%s.$teal_slot$request_uri;", name)
	out := fmt.Sprintf("location ~ \"/\\.teal-(close)?long$\" {\n\tinternal;\n\tproxy_read_timeout %s;\n\tproxy_send_timeout %[1]s;\n\t%s\n}\n", endless, pass)
	if !r.version.keeps() {
		out += fmt.Sprintf("location ~ \"/\\.teal-close$\" {\n\tinternal;\n\tkeepalive_timeout 0;\n\t%s\n}\n", pass)
	}
	return out
}

// proxy is what all apps' locations have in common.
func (r *renderer) proxy() string {
	var b strings.Builder
	b.WriteString(`open_file_cache off;
disable_symlinks off;
limit_conn ` + zone + ` 65535;
limit_conn_status 503;
proxy_http_version 1.1;
proxy_redirect off;
proxy_buffering off;
proxy_buffer_size 16k;
proxy_buffers 8 16k;
proxy_request_buffering off;
proxy_connect_timeout 2s;
proxy_send_timeout 60s;
proxy_next_upstream error timeout;
proxy_next_upstream_tries 3;
grpc_connect_timeout 2s;
grpc_read_timeout ` + endless + `;
grpc_send_timeout ` + endless + `;
grpc_next_upstream error;
grpc_next_upstream_tries 3;
client_body_timeout 60s;
send_timeout 60s;
`)
	if r.version.keeps() {
		b.WriteString("keepalive_min_timeout 5s;\n")
	}
	origin := map[string]string{"X-Forwarded-For": "$remote_addr", "X-Forwarded-Proto": "$scheme", "X-Forwarded-Host": "$http_host"}
	if len(r.options.Trusted) > 0 {
		origin = map[string]string{"X-Forwarded-For": "$teal_for", "X-Forwarded-Proto": "$teal_proto", "X-Forwarded-Host": "$teal_host"}
	}
	header := func(name, value string) {
		fmt.Fprintf(&b, "proxy_set_header %s %s;\ngrpc_set_header %[1]s %[2]s;\n", name, value)
	}
	b.WriteString("proxy_set_header Connection $teal_connection;\nproxy_set_header Upgrade $teal_upgrade;\n")
	header("Host", "$http_host")
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"} {
		header(name, origin[name])
	}
	header("X-Real-IP", "$remote_addr")
	for _, name := range []string{"Teal-Preview", "Proxy-Connection", "Proxy-Authorization"} {
		header(name, `""`)
	}
	for _, name := range stated {
		value := `""`
		if len(r.options.Trusted) > 0 {
			value = "$teal_peer_" + strings.ReplaceAll(strings.ToLower(name), "-", "_")
		}
		header(name, value)
	}
	if r.syslog != "" {
		fmt.Fprintf(&b, "access_log syslog:server=%s,nohostname,tag=teal teal;\n", r.syslog)
	}
	return b.String()
}
