package docker

import (
	"fmt"
	"regexp"
	"strings"
)

// Endpoint is one that Teal uses of the Engine's API.
type Endpoint struct {
	Method string
	// Path without the version that stands before it; {id} and {name} stand for
	// what the engine knows by id or name. The name of an image may have slashes.
	Path string
	Why  string
	Call string // the client's method
}

// Endpoints are all that Teal uses, for whoever wants to allow no others. The
// order is that of the client's interface.
func Endpoints() []Endpoint {
	return []Endpoint{
		{"HEAD", "/_ping", "does the engine answer, and which version of the API", "Ping"},
		{"GET", "/_ping", "the same, where HEAD is refused", "Ping"},
		{"GET", "/version", "version of the engine, for people and to refuse one that is too old", "ServerVersion"},
		{"GET", "/info", "teal doctor", "Info"},
		{"GET", "/events", "wake up when a container of Teal changes", "Events"},
		{"GET", "/containers/json", "what runs", "ContainerList"},
		{"GET", "/containers/{id}/json", "the state of a container", "ContainerInspect"},
		{"POST", "/containers/create", "replicas, dependencies, tests, the proxy", "ContainerCreate"},
		{"POST", "/containers/{id}/start", "the same", "ContainerStart"},
		{"POST", "/containers/{id}/unpause", "one that was paused by hand", "ContainerUnpause"},
		{"POST", "/containers/{id}/kill", "tell a proxy to end that has handed over", "ContainerKill"},
		{"POST", "/containers/{id}/stop", "what is not needed any more", "ContainerStop"},
		{"DELETE", "/containers/{id}", "the same", "ContainerRemove"},
		{"GET", "/containers/{id}/logs", "evidence of failures, teal logs", "ContainerLogs"},
		{"POST", "/containers/{id}/exec", "nginx in a container: test, reload, look", "ContainerExecCreate"},
		{"POST", "/exec/{id}/start", "the same", "ContainerExecAttach"},
		{"GET", "/exec/{id}/json", "the same", "ContainerExecInspect"},
		{"PUT", "/containers/{id}/archive", "secrets of an app; an nginx container of yours: its configuration and flags", "CopyToContainer"},
		{"GET", "/containers/{id}/archive", "an nginx container of yours: the same, read back", "CopyFromContainer"},
		{"GET", "/images/{name}/json", "is an image there, and what is in it", "ImageInspect"},
		{"POST", "/images/create", "pull an image", "ImagePull"},
		{"POST", "/images/{name}/tag", "name a pulled image", "ImageTag"},
		{"POST", "/images/create", "make the image of the embedded proxy", "ImageImport"},
		{"GET", "/images/json", "which images can be removed", "ImageList"},
		{"DELETE", "/images/{name}", "the same", "ImageRemove"},
		{"GET", "/distribution/{name}/json", "the digest of a tag, as the registry has it", "DistributionInspect"},
		{"GET", "/networks", "is a network there", "NetworkList"},
		{"GET", "/networks/{id}", "its subnet, and who is on it", "NetworkInspect"},
		{"POST", "/networks/create", "teal-ingress, and networks of projects", "NetworkCreate"},
		{"POST", "/networks/{id}/connect", "put a container on its networks", "NetworkConnect"},
		{"DELETE", "/networks/{id}", "teal down", "NetworkRemove"},
		{"GET", "/volumes/{name}", "is a named volume there, and whose", "VolumeInspect"},
		{"POST", "/volumes/create", "named volumes", "VolumeCreate"},
		{"GET", "/volumes", "teal down --volumes", "VolumeList"},
		{"DELETE", "/volumes/{name}", "teal down --volumes", "VolumeRemove"},
	}
}

// Pattern is a regular expression for the paths of an endpoint, the version
// before them included.
func (e Endpoint) Pattern() string {
	name := "[A-Za-z0-9_.-]+"
	if strings.HasPrefix(e.Path, "/images/") || strings.HasPrefix(e.Path, "/distribution/") {
		name = "[A-Za-z0-9_./:@-]+"
	}
	path := regexp.QuoteMeta(e.Path)
	for _, part := range []string{`\{id\}`, `\{name\}`} {
		path = strings.ReplaceAll(path, part, name)
	}
	return "^(/v[0-9]+[.][0-9]+)?" + path + "$"
}

// SocketProxy returns a configuration for HAProxy 2.6 or newer that allows these
// endpoints and denies everything else. The environment names its socket and the
// engine's.
func SocketProxy() string {
	var b strings.Builder
	b.WriteString(socketProxyHead)
	seen := map[string]bool{}
	for _, e := range Endpoints() {
		rule := fmt.Sprintf("    http-request allow if { method %s } { path -m reg %s }\n", e.Method, e.Pattern())
		if !seen[rule] {
			b.WriteString(rule)
		}
		seen[rule] = true
	}
	b.WriteString("    http-request deny deny_status 403\n")
	return b.String()
}

const socketProxyHead = `# A socket proxy for Teal: HAProxy in front of the Docker Engine's socket, which
# lets through what Teal uses and nothing else. Generated from Teal's code:
#   go test ./docs -run SocketProxy -update
#
# ENGINE_SOCKET and TEAL_SOCKET in the environment name the two sockets.
global
    maxconn 1000
    log stderr format raw local0 notice

defaults
    mode http
    log global
    option dontlognull
    # A stop waits for its grace period, a stream of events for an event.
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
    timeout http-request 10s
    timeout http-keep-alive 5m

backend engine
    server engine unix@"${ENGINE_SOCKET}"

frontend teal
    bind unix@"${TEAL_SOCKET}" mode 600
    default_backend engine
    # Paths are compared as they are sent: none that could mean another.
    http-request deny deny_status 403 if { path_sub .. } or { path_sub % } or { path_sub // }
`
