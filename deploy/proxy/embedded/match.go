package embedded

import "teal/deploy/proxy/internal/table"

// match finds the route for a request: an exact host before "*", the longest
// path first. A named host whose routes all lie elsewhere falls through to "*".
// preview is set when the host is the route's preview host.
func (l *live) match(host, path string) (rt *route, preview bool) {
	for _, e := range l.exact[host] {
		if table.Under(path, e.path) {
			return e.route, e.preview
		}
	}
	for _, e := range l.wild {
		if table.Under(path, e.path) {
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
