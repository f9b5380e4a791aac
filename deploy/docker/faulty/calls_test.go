package faulty

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/url"
	"slices"
	"testing"
)

// silent are methods of the client that ask the engine nothing.
var silent = []string{"Close", "NegotiateAPIVersionPing", "ClientVersion", "DaemonHost"}

// Methods of deploy/docker's dockerAPI: all that Teal uses of the client.
func used(t *testing.T) []string {
	t.Helper()
	packages, err := parser.ParseDir(token.NewFileSet(), "..", nil, parser.SkipObjectResolution) //nolint:staticcheck // build tags do not matter here
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	ast.Inspect(packages["docker"], func(n ast.Node) bool {
		def, ok := n.(*ast.TypeSpec)
		if !ok || def.Name.Name != "dockerAPI" {
			return true
		}
		methods, ok := def.Type.(*ast.InterfaceType)
		if !ok {
			t.Fatal("dockerAPI is no interface")
		}
		for _, m := range methods.Methods.List {
			for _, name := range m.Names {
				out = append(out, name.Name)
			}
		}
		return false
	})
	if len(out) < 20 {
		t.Fatalf("found %d methods in dockerAPI: this test looks in the wrong place", len(out))
	}
	return out
}

func TestEveryCallHasAName(t *testing.T) {
	methods := used(t)
	known := append(Calls(), silent...)
	for _, m := range methods {
		if !slices.Contains(known, m) {
			t.Errorf("Teal calls %s, which is not in the table of calls.go: no fault would ever hit it", m)
		}
	}
	for _, k := range known {
		if !slices.Contains(methods, k) {
			t.Errorf("%s is in the table, and Teal does not call it", k)
		}
	}
}

func TestCallsAreToldApart(t *testing.T) {
	for _, c := range []struct{ method, target, want string }{
		{"HEAD", "/_ping", "Ping"},
		{"GET", "/v1.41/containers/json?all=1", "ContainerList"},
		{"GET", "/v1.41/containers/a1b2/json", "ContainerInspect"},
		{"POST", "/v1.41/containers/create?name=x", "ContainerCreate"},
		{"GET", "/v1.41/images/127.0.0.1:5000/team/app:1/json", "ImageInspect"},
		{"GET", "/v1.41/images/json", "ImageList"},
		{"POST", "/v1.41/images/create?fromImage=app&tag=1", "ImagePull"},
		{"POST", "/v1.41/images/create?fromSrc=-&repo=x", "ImageImport"},
		{"DELETE", "/v1.41/networks/n1", "NetworkRemove"},
		{"POST", "/v1.41/networks/create", "NetworkCreate"},
		{"PATCH", "/v1.41/networks/create", ""},
		{"GET", "/v1.41/swarm", ""},
	} {
		u, err := url.Parse(c.target)
		if err != nil {
			t.Fatal(err)
		}
		if got := CallOf(&http.Request{Method: c.method, URL: u}); got != c.want {
			t.Errorf("%s %s is %q, want %q", c.method, c.target, got, c.want)
		}
	}
}
