package faulty

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// route is how one method of the client looks on the wire. The first that fits
// counts.
type route struct {
	call, methods string // methods separated by |
	path          *regexp.Regexp
	query         string // a parameter that must be there; empty: none
}

var routes = []route{
	at("Ping", "GET|HEAD", "/_ping"),
	at("ServerVersion", "GET", "/version"),
	at("Info", "GET", "/info"),
	at("Events", "GET", "/events"),

	at("ContainerList", "GET", "/containers/json"),
	at("ContainerInspect", "GET", "/containers/[^/]+/json"),
	at("ContainerCreate", "POST", "/containers/create"),
	at("ContainerStart", "POST", "/containers/[^/]+/start"),
	at("ContainerUnpause", "POST", "/containers/[^/]+/unpause"),
	at("ContainerStop", "POST", "/containers/[^/]+/stop"),
	at("ContainerKill", "POST", "/containers/[^/]+/kill"),
	at("ContainerRemove", "DELETE", "/containers/[^/]+"),
	at("ContainerLogs", "GET", "/containers/[^/]+/logs"),
	at("ContainerExecCreate", "POST", "/containers/[^/]+/exec"),
	at("ContainerExecAttach", "POST", "/exec/[^/]+/start"),
	at("ContainerExecInspect", "GET", "/exec/[^/]+/json"),
	at("CopyToContainer", "PUT", "/containers/[^/]+/archive"),
	at("CopyFromContainer", "GET", "/containers/[^/]+/archive"),

	at("ImageList", "GET", "/images/json"),
	at("ImageInspect", "GET", "/images/.+/json"),
	{"ImagePull", "POST", exactly("/images/create"), "fromImage"},
	{"ImageImport", "POST", exactly("/images/create"), "fromSrc"},
	at("ImageTag", "POST", "/images/.+/tag"),
	at("ImageRemove", "DELETE", "/images/.+"),
	at("DistributionInspect", "GET", "/distribution/.+/json"),

	at("NetworkList", "GET", "/networks"),
	at("NetworkInspect", "GET", "/networks/[^/]+"),
	at("NetworkCreate", "POST", "/networks/create"),
	at("NetworkConnect", "POST", "/networks/[^/]+/connect"),
	at("NetworkRemove", "DELETE", "/networks/[^/]+"),

	at("VolumeList", "GET", "/volumes"),
	at("VolumeCreate", "POST", "/volumes/create"),
	at("VolumeInspect", "GET", "/volumes/[^/]+"),
	at("VolumeRemove", "DELETE", "/volumes/[^/]+"),
}

func at(call, methods, path string) route { return route{call, methods, exactly(path), ""} }

func exactly(path string) *regexp.Regexp { return regexp.MustCompile("^(/v1[.][0-9]+)?" + path + "$") }

// Calls are the names of all calls that are known, in the order of the table.
func Calls() []string {
	out := make([]string, 0, len(routes))
	for _, r := range routes {
		out = append(out, r.call)
	}
	return out
}

// CallOf returns the name of the client's method that makes a request; empty: none
// that is known.
func CallOf(r *http.Request) string {
	methods := func(x route) bool { return slices.Contains(strings.Split(x.methods, "|"), r.Method) }
	i := slices.IndexFunc(routes, func(x route) bool {
		return methods(x) && x.path.MatchString(r.URL.Path) && (x.query == "" || r.URL.Query().Has(x.query))
	})
	if i < 0 {
		return ""
	}
	return routes[i].call
}
