package reconcile

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mutant is one rule of the planner, broken on purpose.
type mutant struct {
	name  string
	edits []edit
	// caught are the properties of which at least one must be reported.
	caught []string
}

// edit replaces text that stands exactly once in a file.
type edit struct{ file, old, new string }

var keepRouted = edit{"remove.go", "return ok && (slices", "return false && ok && (slices"}

var buildBehindRoute = edit{"rollout.go", "if t.liveOn(c.Colour) && len(own) == 0 {", "if t.liveOn(c.Colour) && len(own) == 0 && false {"}

// mutants are the twelve rules that each caught a real failure of an earlier
// design.
var mutants = []mutant{
	{"1: a rollover rebuilds the candidate's colour without moving live traffic off it", []edit{
		{"wish.go", "return t.to(Superseding, 0)", "t.rec.Candidate, t.rec.Phase = nil, Idle\n\t\treturn again"},
		keepRouted, buildBehindRoute,
	}, []string{"S1", "S8"}},
	{"2: the promotion is committed after the route command, without a read back", []edit{
		{"switch.go", "t.lookAt(t.rec.Deadline)\n\t\treturn m", "t.confirm()\n\t\tt.promote()\n\t\treturn m"},
	}, []string{"S3"}},
	{"3: no hold: a failed revision is started again", []edit{
		{"wish.go", "return t.rec.Hold != nil && t.rec.Hold.Generation == t.in.Desired.Generation", "return false"},
	}, []string{"S5", "L1"}},
	{"4: the route goes back to stable only while the candidate is healthy", []edit{
		{"abort.go", "\tif m := t.route(t.rec.Stable, nil,", "\tif t.liveOn(c.Colour) && len(t.canServe(&c.Placement)) == 0 {\n\t\treturn t.wait()\n\t}\n\tif m := t.route(t.rec.Stable, nil,"},
	}, []string{"L3", "L5/L6"}},
	{"5: the hold is keyed by the version and never released by a new generation", []edit{
		{"wish.go", "return t.rec.Hold != nil && t.rec.Hold.Generation == t.in.Desired.Generation", "return t.rec.Hold != nil && t.resolved() && t.rec.Hold.Revision == t.wanted().ID"},
		{"wish.go", "t.rec.Hold, t.rec.Override = nil, nil", "t.rec.Override = nil"},
	}, []string{"L2", "L4"}},
	{"6: a generation is acknowledged before its rollout is recorded", []edit{
		{"wish.go", "if !t.resolved() || t.rec.Generation", "if t.rec.Stable != nil && t.in.Record.Generation == t.in.Desired.Generation || !t.resolved() || t.rec.Generation"},
	}, []string{"L2", "L4"}},
	{"7: an abort routes to stable without looking at its health", []edit{
		{"route.go", "if len(t.canServe(live)) == 0 && !t.serves(live) {", "if len(t.of(live)) == 0 {"},
		{"route.go", "ready(c, p.Health, t.in.Now) {", "t.rec.Phase != Verifying {"},
	}, []string{"S2"}},
	{"8: a new rollout waits for a healthy stable", []edit{
		{"wish.go", "if !t.resolved() || t.rec.Generation", "if t.rec.Stable != nil && len(t.canServe(t.rec.Stable)) == 0 || !t.resolved() || t.rec.Generation"},
	}, []string{"L2", "L4"}},
	{"9: the free colour is taken from the record only", []edit{
		{"wish.go", "if b, ok := t.live(); ok {", "if b, ok := t.live(); ok && false {"},
		buildBehindRoute,
	}, []string{"S1", "S8"}},
	{"10: an abort ends only when stable serves again", []edit{
		{"abort.go", "if t.due() && t.serves(&c.Placement) {", "if false {"},
		{"abort.go", "if t.due() {\n\t\treturn t.do(Step{Kind: StepUnroute", "if false {\n\t\treturn t.do(Step{Kind: StepUnroute"},
	}, []string{"L1", "L5/L6"}},
	{"11: an abort removes whatever is on the candidate's colour", []edit{
		{"abort.go", "own := t.of(&c.Placement)\n\tif m := t.removeIdle(own", "own := t.on(c.Colour)\n\tif m := t.removeIdle(own"},
	}, []string{"S7"}},
	{"12: route drift is repaired only when no rollout is under way", []edit{
		{"settle.go", "t.rec.Stable == nil || t.rec.Phase != Idle && !t.rec.Phase.early()", "t.rec.Stable == nil || t.rec.Phase != Idle"},
		buildBehindRoute,
	}, []string{"S1", "S8", "L3"}},
}

// TestMutants plants each broken rule in the real planner, by building it with
// the changed source in place of the real one, and wants the search to notice.
func TestMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the planner once for every mutant")
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			out := m.search(t, dir)
			for _, property := range m.caught {
				if strings.Contains(out, "search_test.go") && strings.Contains(out, ": "+property) {
					return
				}
			}
			t.Errorf("the search did not report any of %v:\n%s", m.caught, out)
		})
	}
}

// search runs the search against the mutant and returns what it printed.
func (m mutant) search(t *testing.T, dir string) string {
	t.Helper()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for _, e := range m.edits {
		path := filepath.Join(dir, e.file)
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
		changed := filepath.Join(t.TempDir(), e.file)
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
	cmd := exec.CommandContext(t.Context(), "go", "test", "-overlay", list, "-vet=off", "-run", "^TestSearch$", ".", "-search.first")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Errorf("the search passed")
	}
	return string(out)
}
