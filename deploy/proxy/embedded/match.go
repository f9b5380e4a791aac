package embedded

import "strings"

// anyHost matches every host that no route names.
const anyHost = "*"

// hostOf returns the host a Host header names: lower case, without port,
// brackets and trailing dot. It allocates only when letters must be lowered.
func hostOf(header string) string {
	h := header
	if strings.HasPrefix(h, "[") {
		end := strings.IndexByte(h, ']')
		if end < 0 {
			return strings.ToLower(h)
		}
		return strings.ToLower(h[1:end])
	}
	if i := strings.LastIndexByte(h, ':'); i >= 0 && strings.IndexByte(h, ':') == i {
		h = h[:i]
	}
	return strings.ToLower(strings.TrimSuffix(h, "."))
}

// under reports whether path is prefix or lies below it, on a segment border:
// "/a" holds "/a" and "/a/b", and not "/ab". Prefix "/" holds everything.
func under(path, prefix string) bool {
	if prefix == "/" {
		return true
	}
	return strings.HasPrefix(path, prefix) && (len(path) == len(prefix) || path[len(prefix)] == '/')
}

// cleanPrefix takes the trailing slash off a route's path: "/a/" is "/a".
func cleanPrefix(path string) string {
	if path == "/" || path == "" {
		return "/"
	}
	return strings.TrimSuffix(path, "/")
}

// match finds the route for a request: an exact host before "*", the longest
// path first. A named host whose routes all lie elsewhere falls through to "*".
// preview is set when the host is the route's preview host.
func (l *live) match(host, path string) (rt *route, preview bool) {
	for _, e := range l.exact[host] {
		if under(path, e.path) {
			return e.route, e.preview
		}
	}
	for _, e := range l.wild {
		if under(path, e.path) {
			return e.route, false
		}
	}
	return nil, false
}

// entry is one place in the matcher.
type entry struct {
	path    string
	preview bool
	route   *route
}
