package docs

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"teal/deploy/docker"
)

func TestEndpointsAreListed(t *testing.T) {
	var table strings.Builder
	table.WriteString("| request | why |\n| --- | --- |\n")
	why := map[string][]string{}
	var order []string
	for _, e := range docker.Endpoints() {
		request := "`" + e.Method + " " + e.Path + "`"
		if why[request] == nil {
			order = append(order, request)
		}
		why[request] = append(why[request], e.Why)
	}
	for _, request := range order {
		fmt.Fprintf(&table, "| %s | %s |\n", request, strings.Join(why[request], "; "))
	}
	const page, begin, end = "running.md", "<!-- endpoints: go test ./docs -run Endpoints -update -->\n", "<!-- endpoints: end -->"
	text := read(t, page)
	before, rest, ok := strings.Cut(text, begin)
	have, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the endpoints", page)
	}
	generated(t, page, have == table.String(), before+begin+table.String()+end+after)
}

func TestSocketProxyIsMadeOfTheEndpoints(t *testing.T) {
	const file = "../deploy/socketproxy/haproxy.cfg"
	generated(t, file, read(t, file) == docker.SocketProxy(), docker.SocketProxy())
}

// generated fails if a file is not as it should be, or writes it anew.
func generated(t *testing.T, file string, same bool, text string) {
	t.Helper()
	switch {
	case same:
	case !*update:
		t.Fatalf("%s is not what the code says: go test ./docs -run '%s' -update", file, t.Name())
	default:
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
