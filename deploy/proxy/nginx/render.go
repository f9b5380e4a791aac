package nginx

import (
	"fmt"
	"slices"
	"strings"
)

const (
	// current is the link to the configuration in use; each has a folder of its
	// own, named by its content.
	current = "current"
	// httpFile is the file of a configuration that is included at http level.
	httpFile = "http.conf"
	// placeholder stands for the configuration's name while that is not known.
	placeholder = "@configuration@"
	chainFile   = "chain.pem"
	keyFile     = "key.pem"
	// closing is there while clients are told to close their connections.
	closing = "closing"
	// idleFile is what the status server answers for a slot with nothing in flight.
	idleFile = "idle"
	// configName is the length of a configuration's name.
	configName = 16
)

// configuration is what nginx loads, complete.
type configuration struct {
	name  string
	files []File // relative to its own folder
}

// input is all that a configuration depends on.
type input struct {
	options Options
	version version
	state   *state // nil: there was no table yet
	syslog  string // where lines go; empty: nowhere
	chain   []byte
	key     []byte
}

// render writes the configuration. The same input gives the same name.
func render(in input) configuration {
	r := renderer{input: in, folder: in.options.Place.Folder(), files: map[string][]byte{}}
	if in.chain != nil {
		r.files[chainFile], r.files[keyFile] = in.chain, in.key
	}
	r.files["proxy.conf"] = []byte(r.proxy())
	if in.state != nil {
		for i := range in.state.Apps {
			r.app(&in.state.Apps[i])
		}
	}
	r.files[httpFile] = []byte(r.http())
	return r.finish()
}

type renderer struct {
	input
	folder string
	files  map[string][]byte
}

func (r *renderer) finish() configuration {
	names := make([]string, 0, len(r.files))
	for name := range r.files {
		names = append(names, name)
	}
	slices.Sort(names)
	named := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return strings.HasSuffix(name, ".pem") })
	c := configuration{name: nameOf(named, func(name string) string { return string(r.files[name]) })}
	for _, name := range names {
		content := []byte(strings.ReplaceAll(string(r.files[name]), placeholder, c.name))
		c.files = append(c.files, File{Name: name, Content: content, Private: name == keyFile})
	}
	return c
}

// at is the path of a file of the configuration in use.
func (r *renderer) at(name string) string { return r.folder + "/" + current + "/" + name }

// http is what stands at http level.
func (r *renderer) http() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Written by Teal, configuration %s. Changes are undone; see docs/nginx.md.\n", placeholder)
	if r.chain != nil {
		fmt.Fprintf(&b, "# Certificate %s, key %s.\n", sumOf(r.chain), sumOf(r.key)[:8])
	}
	b.WriteString(r.decisions())
	b.WriteString(r.origins())
	if r.syslog != "" {
		b.WriteString("log_format teal '" + logFormat + "';\n")
	}
	if r.options.Snippets != "" {
		fmt.Fprintf(&b, "include %s/http.d/*.conf;\n", r.options.Snippets)
	}
	if r.state != nil {
		for i := range r.state.Apps {
			b.WriteString(r.upstreams(&r.state.Apps[i]))
		}
	}
	if r.options.Servers != nil {
		b.WriteString(r.servers())
	}
	b.WriteString(r.status())
	return b.String()
}

// decisions are the variables that choose a request's bucket and how it is
// passed on. nginx works a map out only when it is asked for.
func (r *renderer) decisions() string {
	var b strings.Builder
	// The connection's number, the request's in it and the time: no random bytes
	// are needed, and streams of one HTTP/2 connection differ in every version.
	b.WriteString("split_clients \"$connection.$connection_requests.$msec\" $teal_split {\n")
	for i := range buckets - 1 {
		fmt.Fprintf(&b, "\t1%% %d;\n", i)
	}
	fmt.Fprintf(&b, "\t* %d;\n}\n", buckets-1)
	b.WriteString(`map $http_teal_preview $teal_bucket {
	"" $teal_split;
	default $teal_asked;
}
map "$teal_app $http_teal_preview" $teal_asked {
	default $teal_split;
	"~^\S+ true$" $teal_local;
`)
	if r.state != nil {
		for _, a := range r.state.Apps {
			if a.PreviewToken != "" {
				fmt.Fprintf(&b, "\t\"~^%s %s$\" p$teal_split;\n", literal(fileOf(a.App)), literal(a.PreviewToken))
			}
		}
	}
	b.WriteString(`}
map "$remote_addr $server_addr $http_via$http_forwarded$http_x_forwarded_for$http_x_forwarded_host$http_x_forwarded_proto$http_x_real_ip" $teal_local {
	default $teal_split;
	"~^(127\.[0-9.]+|::1|::ffff:127\.[0-9.]+) \S+ $" ` + r.local() + `;
	"~^(\S+) \1 $" ` + r.local() + `;
}
map $http_upgrade $teal_upgrade {
	"" "";
	"~*(^|[,\s])h2c($|[,\s])" "";
	"~[,\s]" "";
	default $teal_upgrade_asked;
}
map $http_connection $teal_upgrade_asked {
	default "";
	"~*(^|[,\s])upgrade($|[,\s])" $http_upgrade;
}
map $teal_upgrade $teal_connection {
	"" "";
	default upgrade;
}
map $teal_upgrade $teal_long {
	"" $teal_events;
	default long;
}
map $http_accept $teal_events {
	default "";
	"~*^\s*text/event-stream" long;
}
map $server_protocol $teal_grpc {
	default "";
	"HTTP/2.0" $teal_grpc_type;
}
map $http_content_type $teal_grpc_type {
	default "";
	"~*^application/grpc($|[+;\s])" 1;
}
limit_conn_zone "$teal_app $teal_slot $teal_connection" zone=` + zone + `:2m;
`)
	return b.String()
}

// local is the bucket of a client on nginx's own host.
func (r *renderer) local() string {
	if len(r.options.Trusted) > 0 {
		return "$teal_local_peer"
	}
	return "p$teal_split"
}

// stated are the headers that say where a request came from. Apps believe them,
// so they are the proxy's own; a trusted peer's are passed on.
var stated = []string{
	"Forwarded", "X-Forwarded-Port", "X-Forwarded-Server", "X-Forwarded-Prefix", "X-Forwarded-Ssl", "X-Forwarded-Scheme",
	"X-Forwarded-Protocol", "X-Forwarded-Uri", "X-Forwarded-Url", "X-Forwarded-Path", "X-Forwarded-Method", "X-Forwarded-By",
	"X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Preferred-Username", "X-Forwarded-Access-Token",
	"X-Forwarded-Client-Cert", "X-Forwarded-Tls-Client-Cert",
}

// origins are the variables that say where a request came from.
func (r *renderer) origins() string {
	if len(r.options.Trusted) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("geo $realip_remote_addr $teal_trusted {\n\tdefault 0;\n")
	for _, p := range r.options.Trusted {
		fmt.Fprintf(&b, "\t%s 1;\n", p)
	}
	b.WriteString("}\nmap $teal_trusted $teal_local_peer {\n\t1 $teal_split;\n\tdefault p$teal_split;\n}\n")
	trusted := func(variable, header, otherwise string) {
		fmt.Fprintf(&b, "map \"$teal_trusted:$http_%s\" $teal_%s {\n\tdefault %s;\n\t\"~^1:.\" $http_%s;\n}\n", header, variable, otherwise, header)
	}
	b.WriteString("map \"$teal_trusted:$http_x_forwarded_for\" $teal_for {\n\tdefault $realip_remote_addr;\n\t\"~^1:.\" \"$http_x_forwarded_for, $realip_remote_addr\";\n}\n")
	trusted("proto", "x_forwarded_proto", "$scheme")
	trusted("host", "x_forwarded_host", "$http_host")
	for _, h := range stated {
		name := strings.ReplaceAll(strings.ToLower(h), "-", "_")
		trusted("peer_"+name, name, `""`)
	}
	return b.String()
}
