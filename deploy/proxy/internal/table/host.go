package table

import "strings"

// AnyHost matches every host that no route names.
const AnyHost = "*"

// HostOf returns the host a Host header names: lower case, without port,
// brackets and trailing dot. It allocates only when letters must be lowered.
func HostOf(header string) string {
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

// CleanPath takes the trailing slash off a route's path: "/a/" is "/a".
func CleanPath(path string) string {
	if path == "/" || path == "" {
		return "/"
	}
	return strings.TrimSuffix(path, "/")
}

// Under reports whether path is prefix or lies below it, on a segment border:
// "/a" holds "/a" and "/a/b", and not "/ab". Prefix "/" holds everything.
func Under(path, prefix string) bool {
	if prefix == "/" {
		return true
	}
	return strings.HasPrefix(path, prefix) && (len(path) == len(prefix) || path[len(prefix)] == '/')
}
