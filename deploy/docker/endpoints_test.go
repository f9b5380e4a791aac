package docker

import (
	"reflect"
	"regexp"
	"testing"
)

// noRequest are methods of the client that ask the engine nothing.
var noRequest = map[string]bool{"Close": true, "NegotiateAPIVersionPing": true, "ClientVersion": true, "DaemonHost": true}

func TestEveryCallHasItsEndpoint(t *testing.T) {
	listed := map[string]bool{}
	for _, e := range Endpoints() {
		listed[e.Call] = true
	}
	api := reflect.TypeFor[dockerAPI]()
	for m := range api.Methods() {
		if listed[m.Name] == noRequest[m.Name] {
			t.Errorf("%s: listed as an endpoint %v, asks nothing %v", m.Name, listed[m.Name], noRequest[m.Name])
		}
		delete(listed, m.Name)
	}
	for call := range listed {
		t.Errorf("%s is listed and not used", call)
	}
}

func TestPatterns(t *testing.T) {
	for path, want := range map[string]string{
		"/v1.41/containers/json":                        "/containers/json",
		"/containers/json":                              "/containers/json",
		"/v1.41/containers/a-b_c.1/json":                "/containers/{id}/json",
		"/v1.41/images/localhost:5000/a/b@sha256:0/tag": "/images/{name}/tag",
		"/v1.41/containers/a/b/json":                    "",
		"/v1.41/containers/a/attach":                    "",
		"/v1.41/containers/prune":                       "",
		"/v1x41/containers/json":                        "",
		"/v1.41/secrets":                                "",
		"/build":                                        "",
		"/v1.41/containers/json/../create":              "",
	} {
		got := ""
		for _, e := range Endpoints() {
			if e.Method != "DELETE" && regexp.MustCompile(e.Pattern()).MatchString(path) {
				got = e.Path
			}
		}
		if got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
}
