// Package docs holds the documentation. Its tests see that what stands there is
// true: every example loads, every command runs, every link leads somewhere.
package docs

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"teal/controller/schedule"
	"teal/spec"
)

var update = flag.Bool("update", false, "write the generated parts of the pages anew")

// pages are all pages that are checked, relative to this folder.
var pages = []string{"../README.md", "../CHANGELOG.md", "../examples/hello/README.md", "concepts.md", "desired-state.md", "adopt.md", "hosts.md", "nginx.md", "side-by-side.md", "../examples/pennyway/README.md", "operations.md", "schedules.md", "trust.md", "crash-matrix.md", "faults.md", "running.md", "security.md", "secrets.md", "benchmarks.md", "proofs.md", "notifications.md", "image-updates.md", "gitops.md", "../examples/gitops/README.md", "side-by-side.md", "../examples/pennyway/README.md"}

func read(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// block is one fenced block of a page.
type block struct {
	kind string
	line int
	text string
}

func blocks(text string) []block {
	var out []block
	var open *block
	for i, line := range strings.Split(text, "\n") {
		kind, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open == nil:
			open = &block{kind: kind, line: i + 1}
		case fence:
			out = append(out, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		}
	}
	return out
}

func TestExamplesLoad(t *testing.T) {
	examples := 0
	for _, page := range pages {
		for _, b := range blocks(read(t, page)) {
			if b.kind != "yaml" || !strings.Contains(b.text, "services:") {
				continue
			}
			examples++
			dir := t.TempDir()
			for name, text := range map[string]string{"compose.yaml": b.text, ".env": "KEY=value\n"} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := spec.Load(t.Context(), spec.Options{Dir: dir, Policy: spec.Policy{CheckRange: schedule.Check}}); err != nil {
				t.Errorf("%s:%d: %v", page, b.line, err)
			}
		}
	}
	if examples < 2 {
		t.Errorf("found %d examples", examples)
	}
}

var link = regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)

func TestLinksLeadSomewhere(t *testing.T) {
	for _, page := range pages {
		for _, m := range link.FindAllStringSubmatch(read(t, page), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}

func TestRefusedKeysAreListed(t *testing.T) {
	const page = "desired-state.md"
	var table strings.Builder
	table.WriteString("| key | why |\n| --- | --- |\n")
	for _, k := range spec.RefusedKeys() {
		fmt.Fprintf(&table, "| `%s` | %s |\n", k.Key, k.Reason)
	}
	text := read(t, page)
	begin := strings.Index(text, "-update) -->\n") + len("-update) -->\n")
	end := strings.Index(text, "<!-- refused keys: end -->")
	if text[begin:end] == table.String() {
		return
	}
	if !*update {
		t.Fatalf("%s does not list what spec refuses: go test ./docs -run Refused -update", page)
	}
	if err := os.WriteFile(page, []byte(text[:begin]+table.String()+text[end:]), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestEveryReasonIsExplained(t *testing.T) {
	text := read(t, "operations.md")
	found := 0
	for _, file := range []string{"../reconcile/step.go", "../controller/intake.go", "../controller/feed.go", "../controller/source/git/fault.go"} {
		for _, reason := range reasons(t, file) {
			found++
			if !strings.Contains(text, "`"+reason+"`") {
				t.Errorf("operations.md does not explain the reason %s of %s", reason, file)
			}
		}
	}
	if found < 40 {
		t.Errorf("found %d reasons", found)
	}
}

// reasons returns the values of the constants of type Reason in a file.
func reasons(t *testing.T, file string) []string {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	ast.Inspect(tree, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || len(v.Values) != 1 || !strings.HasPrefix(v.Names[0].Name, "Reason") {
			return true
		}
		if value, ok := v.Values[0].(*ast.BasicLit); ok {
			text, err := strconv.Unquote(value.Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, text)
		}
		return true
	})
	return out
}

func TestEveryKeyOfXTealIsExplained(t *testing.T) {
	text := read(t, "desired-state.md")
	for _, file := range []string{"../spec/xteal.go", "../spec/xteal_health.go"} {
		for _, m := range regexp.MustCompile(`\.fields\(([^)]*)\)`).FindAllStringSubmatch(read(t, file), -1) {
			for _, key := range regexp.MustCompile(`"([a-z_]+)"`).FindAllStringSubmatch(m[1], -1) {
				if !regexp.MustCompile("`(?:[a-z.]+\\.)?"+key[1]+"(?:\\.[a-z_.]+)?`").MatchString(text) && key[1] != "manual" {
					t.Errorf("desired-state.md does not explain the key %s of %s", key[1], file)
				}
			}
		}
	}
}
