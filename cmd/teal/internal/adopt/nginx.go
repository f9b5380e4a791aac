package adopt

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Nginx is what an nginx's configuration says of where requests go.
type Nginx struct {
	Proxied []Proxied
	// Unread are files that could not be understood, with why; what stands there
	// is not known.
	Unread []string
	// Includes are what the configuration includes, as absolute patterns.
	Includes []string
	HTTPFile string // that has the http block
	// Copied: it was read from what nginx -T printed, so that its files are not
	// known to be here.
	Copied bool
}

// Leave drops what stands in files below folder: they are Teal's own.
func (n *Nginx) Leave(folder string) {
	n.Proxied = slices.DeleteFunc(n.Proxied, func(p Proxied) bool { return strings.HasPrefix(p.File, path.Clean(folder)+"/") })
	n.Unread = slices.DeleteFunc(n.Unread, func(s string) bool { return strings.HasPrefix(s, path.Clean(folder)+"/") })
}

// Proxied is one proxy_pass.
type Proxied struct {
	File  string
	Line  int
	Names []string // server_name
	// Path is the prefix of the location; empty: the location is not a prefix.
	Path    string
	Pass    string // as it is written
	Rewrite bool   // the path is not passed on as it came
	Targets []Target
}

// Place returns "file:line".
func (p Proxied) Place() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// Target is one address that requests are sent to.
type Target struct {
	Address string // host:port
	Off     bool   // marked as down
	Backup  bool
	File    string
	Line    int
}

func (t Target) place() string { return fmt.Sprintf("%s at %s:%d", t.Address, t.File, t.Line) }

// directive is one of nginx's, with its place.
type directive struct {
	name string
	args []string
	file string
	line int
	body []directive
}

// walk collects where requests go.
type walk struct {
	upstreams map[string][]Target
	out       []Proxied
	unread    []string
}

// collect finds the upstreams.
func (w *walk) collect(all []directive) {
	for _, d := range all {
		if d.name != "upstream" || len(d.args) == 0 {
			w.collect(d.body)
			continue
		}
		targets := []Target{}
		for _, s := range d.body {
			if s.name == "server" && len(s.args) > 0 {
				targets = append(targets, Target{
					Address: withPort(s.args[0], "80"), File: s.file, Line: s.line,
					Off: slices.Contains(s.args, "down"), Backup: slices.Contains(s.args, "backup"),
				})
			}
		}
		w.upstreams[d.args[0]] = targets
	}
}

// servers finds the proxy_pass of each server.
func (w *walk) servers(all []directive) {
	for _, d := range all {
		switch d.name {
		case "server":
			w.inside(d.body, Proxied{Path: "/", Names: names(d.body)}, variables(d.body, nil))
		case "http":
			w.servers(d.body)
		}
	}
}

func names(body []directive) []string {
	var out []string
	for _, d := range body {
		if d.name == "server_name" {
			out = append(out, d.args...)
		}
	}
	return out
}

// variables are those that are set to one text.
func variables(body []directive, above map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, above)
	for _, d := range body {
		if d.name == "set" && len(d.args) == 2 {
			out[strings.TrimPrefix(d.args[0], "$")] = d.args[1]
		}
	}
	return out
}

func (w *walk) inside(body []directive, at Proxied, vars map[string]string) {
	for _, d := range body {
		switch {
		case d.name == "location" && len(d.args) > 0:
			inner := at
			inner.Path = prefix(d.args)
			w.inside(d.body, inner, variables(d.body, vars))
		case d.name == "if" || d.name == "limit_except":
			w.inside(d.body, at, variables(d.body, vars))
		case d.name == "proxy_pass" && len(d.args) == 1:
			p := at
			p.File, p.Line, p.Pass = d.file, d.line, d.args[0]
			w.resolve(&p, vars)
			w.out = append(w.out, p)
		}
	}
}

// prefix is the path of a location that is one.
func prefix(args []string) string {
	if args[0] == "^~" && len(args) == 2 {
		return args[1]
	}
	if len(args) == 1 && strings.HasPrefix(args[0], "/") {
		return args[0]
	}
	return ""
}

var variable = regexp.MustCompile(`\$\{?([a-z0-9_]+)\}?`)

// resolve finds the addresses that proxy_pass stands for.
func (w *walk) resolve(p *Proxied, vars map[string]string) {
	pass := p.Pass
	for range 5 { // a variable may stand for another
		pass = variable.ReplaceAllStringFunc(pass, func(v string) string {
			if known, ok := vars[variable.FindStringSubmatch(v)[1]]; ok {
				return known
			}
			return v
		})
	}
	u, err := url.Parse(pass)
	if err != nil || u.Host == "" || strings.Contains(u.Host, "$") || u.Host == "unix:" {
		w.unread = append(w.unread, fmt.Sprintf("%s: proxy_pass %s: it is not known where that leads", p.Place(), p.Pass))
		return
	}
	p.Rewrite = u.Path != "" && u.Path != p.Path && !strings.Contains(u.Path, "$request_uri")
	if targets, ok := w.upstreams[u.Host]; ok {
		p.Targets = targets
		return
	}
	port := "80"
	if u.Scheme == "https" {
		port = "443"
	}
	p.Targets = []Target{{Address: withPort(u.Host, port), File: p.File, Line: p.Line}}
}

func withPort(address, port string) string {
	if _, _, err := net.SplitHostPort(address); err == nil {
		return address
	}
	return net.JoinHostPort(strings.Trim(address, "[]"), port)
}
