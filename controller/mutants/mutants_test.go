package mutants

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var all = flag.Bool("mutants.all", false, "plant every mutant, not those of the model and a third of the others")

// mutant is one rule, broken on purpose.
type mutant struct {
	name   string
	edits  []edit
	by     killer
	caught []string // what the killer reports, of which one at least is wanted
}

// edit replaces text that stands exactly once in a file, named from the root of
// the repository.
type edit struct{ file, old, new string }

// killer is the test that is to notice a mutant.
type killer struct {
	pkg, run string
	flags    []string
}

// search is the exhaustive search, those of its parts that in is in the name of.
func search(in string) killer {
	return killer{"./reconcile", "^TestSearch$/" + in, []string{"-search.first", "-failfast"}}
}

// table are scenarios of the planner.
func table(test string) killer { return killer{"./reconcile", "^" + test + "$", nil} }

// simulation are so many seeds of the simulation.
func simulation(seeds string) killer {
	return killer{"./controller/sim", "^TestSimulation$", []string{"-sim.seeds=" + seeds}}
}

// controller are tests of the controller.
func controller(test string) killer {
	return killer{"./controller", "^" + test + "$", []string{"-test.timeout=3m"}}
}

var mutants = slices.Concat(model, planner, loop, windows)

// TestMutants plants each broken rule in the real code, by building it with the
// changed source in place of the real one, and wants its killer to notice.
func TestMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("builds Teal once for every mutant")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	const ofTheModel = 12
	for i, m := range mutants {
		if !*all && i >= ofTheModel && i%3 != 0 {
			m.planted(t, root) // it still can be
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			out := m.meets(t, root)
			for _, words := range m.caught {
				if !strings.Contains(out, "[build failed]") && strings.Contains(out, words) {
					return
				}
			}
			t.Errorf("none of %q was reported:\n%s", m.caught, out[max(0, len(out)-8000):])
		})
	}
}

// meets runs the killer against the mutant and returns what it printed.
func (m mutant) meets(t *testing.T, root string) string {
	t.Helper()
	args := []string{"test", "-overlay", m.planted(t, root), "-vet=off", "-ldflags=-s -w", "-run", m.by.run, m.by.pkg}
	cmd := exec.CommandContext(t.Context(), "go", append(args, m.by.flags...)...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Errorf("it survived")
	}
	return string(out)
}

// planted writes the changed files and returns the list of them for the
// compiler.
func (m mutant) planted(t *testing.T, root string) string {
	t.Helper()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for _, e := range m.edits {
		path := filepath.Join(root, e.file)
		from := path
		if changed, ok := overlay.Replace[path]; ok {
			from = changed
		}
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), e.old); n != 1 {
			t.Fatalf("%q stands %d times in %s, wanted once", e.old, n, e.file)
		}
		changed := filepath.Join(t.TempDir(), filepath.Base(e.file))
		if err := os.WriteFile(changed, []byte(strings.Replace(string(text), e.old, e.new, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[path] = changed
	}
	b, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(t.TempDir(), "overlay.json")
	if err := os.WriteFile(list, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return list
}
