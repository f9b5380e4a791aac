package nginx

import (
	"fmt"
	"strings"
)

// mostKnown is the highest number of requests in flight that is told apart.
const mostKnown = 1 << 15

// status is the server that tells what nginx serves. It asks the rules that the
// traffic includes, and the counters that the traffic is counted in.
func (r *renderer) status() string {
	var b strings.Builder
	waiting := "-"
	if r.version.waiting {
		waiting = "$connections_waiting"
	}
	fmt.Fprintf(&b, `server {
	listen %s;
	server_name _;
	access_log off;
	open_file_cache off;
	disable_symlinks off;
	etag on;
	gzip off;
	keepalive_timeout 60s;
	keepalive_requests 1000000;
	default_type text/plain;
	location = /configuration {
		return 200 "%s %s";
	}
	location = /worker {
		return 200 $pid;
	}
	location = /table {
		alias %[4]s/%[5]s;
	}
	location = /entry {
		alias %[4]s/%[6]s;
	}
	location /files/ {
		location ~ "\.pem$" {
			return 403;
		}
		alias %[4]s/%[7]s/;
	}
	location / {
		set $teal_b ""; # names the variables, also while there is no app
		set $teal_app "";
		set $teal_slot "";
		return 404;
	}
`, strings.TrimPrefix(r.options.Admin, ":"), placeholder, waiting, r.folder, stateFile, included, current)
	for n := 1; n <= mostKnown; n *= 2 {
		// A request with "return" would be answered before it is counted.
		fmt.Fprintf(&b, "\tlocation = /busy/%d {\n\t\tset $teal_app $arg_app;\n\t\tset $teal_slot $arg_slot;\n\t\tlimit_conn %[2]s %[1]d;\n\t\tlimit_conn_status 409;\n\t\tlimit_conn_log_level info;\n\t\talias %[3]s/%[4]s;\n\t}\n",
			n, zone, r.folder, idleFile)
	}
	if r.state != nil {
		for i := range r.state.Apps {
			name := fileOf(r.state.Apps[i].App)
			fmt.Fprintf(&b, "\tlocation = /app/%s {\n\t\tset $teal_b $arg_bucket;\n\t\tinclude %s;\n\t\treturn 200 $teal_slot;\n\t}\n", name, r.at(name+".rule"))
		}
	}
	b.WriteString("}\n")
	return b.String()
}
