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
	in    string // part of the name of the searches that are to notice; empty: all
	// caught are the properties of which at least one must be reported.
	caught []string
}

// edit replaces text that stands exactly once in a file.
type edit struct{ file, old, new string }

var keepRouted = edit{"remove.go", "return ok && (slices", "return false && ok && (slices"}

var buildBehindRoute = edit{"rollout.go", "if t.liveOn(c.Colour) && len(own) == 0 {", "if t.liveOn(c.Colour) && len(own) == 0 && false {"}

// mutants are the twelve rules that each caught a real failure of an earlier
// design, and those of several hosts and of containers of before Teal.
var mutants = []mutant{
	{"1: a rollover rebuilds the candidate's colour without moving live traffic off it", []edit{
		{"wish.go", "return t.to(Superseding, 0)", "t.rec.Candidate, t.rec.Phase = nil, Idle\n\t\treturn again"},
		keepRouted, buildBehindRoute,
	}, "", []string{"S1", "S8"}},
	{"2: the promotion is committed after the route command, without a read back", []edit{
		{"switch.go", "t.lookAt(t.rec.Deadline)\n\t\treturn m", "t.confirm()\n\t\tt.promote()\n\t\treturn m"},
	}, "", []string{"S3"}},
	{"3: no hold: a failed revision is started again", []edit{
		{"wish.go", "return t.rec.Hold != nil && t.rec.Hold.Generation == t.in.Desired.Generation", "return false"},
	}, "", []string{"S5", "L1"}},
	{"4: the route goes back to stable only while the candidate is healthy", []edit{
		{"abort.go", "\tif m := t.route(t.rec.Stable, nil,", "\tif t.liveOn(c.Colour) && len(t.canServe(&c.Placement)) == 0 {\n\t\treturn t.wait()\n\t}\n\tif m := t.route(t.rec.Stable, nil,"},
	}, "", []string{"L3", "L5/L6"}},
	{"5: the hold is keyed by the version and never released by a new generation", []edit{
		{"wish.go", "return t.rec.Hold != nil && t.rec.Hold.Generation == t.in.Desired.Generation", "return t.rec.Hold != nil && t.resolved() && t.rec.Hold.Revision == t.wanted().ID"},
		{"wish.go", "t.rec.Hold, t.rec.Override = nil, nil", "t.rec.Override = nil"},
	}, "", []string{"L2", "L4"}},
	{"6: a generation is acknowledged before its rollout is recorded", []edit{
		{"wish.go", "if !t.resolved() || t.rec.Generation", "if t.rec.Stable != nil && t.in.Record.Generation == t.in.Desired.Generation || !t.resolved() || t.rec.Generation"},
	}, "", []string{"L2", "L4"}},
	{"7: an abort routes to stable without looking at its health", []edit{
		{"route.go", "if len(t.canServe(live)) == 0 && !t.serves(live) {", "if len(t.of(live)) == 0 {"},
		{"route.go", "ready(c, p.Health, t.in.Now) {", "t.rec.Phase != Verifying {"},
	}, "", []string{"S2"}},
	{"8: a new rollout waits for a healthy stable", []edit{
		{"wish.go", "if !t.resolved() || t.rec.Generation", "if t.rec.Stable != nil && len(t.canServe(t.rec.Stable)) == 0 || !t.resolved() || t.rec.Generation"},
	}, "", []string{"L2", "L4"}},
	{"9: the free colour is taken from the record only", []edit{
		{"wish.go", "if b, ok := t.live(); ok {", "if b, ok := t.live(); ok && false {"},
		buildBehindRoute,
	}, "", []string{"S1", "S8"}},
	{"10: an abort ends only when stable serves again", []edit{
		{"abort.go", "if t.due() && t.serves(&c.Placement) {", "if false {"},
		{"abort.go", "if t.due() {\n\t\treturn t.do(Step{Kind: StepUnroute", "if false {\n\t\treturn t.do(Step{Kind: StepUnroute"},
	}, "", []string{"L1", "L5/L6"}},
	{"11: an abort removes whatever is on the candidate's colour", []edit{
		{"abort.go", "own := t.of(&c.Placement)\n\tif m := t.removeIdle(own", "own := t.on(c.Colour)\n\tif m := t.removeIdle(own"},
	}, "", []string{"S7"}},
	{"12: route drift is repaired only when no rollout is under way", []edit{
		{"settle.go", "t.rec.Stable == nil || t.rec.Phase != Idle && !t.rec.Phase.early()", "t.rec.Stable == nil || t.rec.Phase != Idle"},
		buildBehindRoute,
	}, "", []string{"S1", "S8", "L3"}},
	{"13: what is not seen of a host that is away is gone: its route is taken away", []edit{
		{"settle.go", "if len(t.on(b.Colour)) == 0 && !t.blind() {", "if len(t.on(b.Colour)) == 0 {"},
	}, "two_hosts", []string{"S1"}},
	{"14: what is not seen of a host that is away is gone: the candidate is given up", []edit{
		{"verdict.go", "== 0 && !t.blind() {\n\t\t\treturn &Failure", "== 0 {\n\t\t\treturn &Failure"},
	}, "two_hosts", []string{"a verdict was given"}},
	{"15: what is not seen of a host that is away is gone: the standby is given up", []edit{
		{"idle.go", "if len(t.of(&s.Placement)) == 0 && !t.blind() {", "if len(t.of(&s.Placement)) == 0 || t.blind() && len(t.of(&s.Placement)) < 2 {"},
	}, "two_hosts", []string{"S7"}},
	{"16: replicas are created on a wrong host", []edit{
		{"place.go", "Host: t.place(n), Seat", "Host: t.hosts()[0], Seat"},
	}, "two_hosts", []string{"a replica was created on a wrong host"}},
	{"17: a container of before Teal is removed", []edit{
		{"remove.go", "if c.Foreign {\n\t\ts.Kind", "if false {\n\t\ts.Kind"},
	}, "adopted", []string{"S12"}},
	{"18: a container of before Teal is started", []edit{
		{"settle.go", "if p == nil || p.Adopted {", "if p == nil {"},
	}, "adopted", []string{"S12"}},
	{"19: a container of before Teal is stopped before it was replaced", []edit{
		{"adopt.go", "return c.Foreign && (t.rec.Stable == nil", "return false && (t.rec.Stable == nil"},
		{"adopt.go", "\ts := t.rec.Stable\n\tif t.rec", "\ts := t.rec.Stable\n\tif s == nil {\n\t\treturn onward\n\t}\n\tif t.rec"},
	}, "adopted", []string{"S12 an adopted container was stopped before"}},
	{"20: a rollout begins while a host is away", []edit{
		{"idle.go", "if _, away := t.awayPlace(); !away {", "if _, away := t.awayPlace(); !away || away {"},
	}, "two_hosts", []string{"a rollout began"}},
	{"21: steps are decided for a host that is away", []edit{
		{"settle.go", "if t.isAway(t.place(n)) || ", "if "},
	}, "two_hosts", []string{"a step was decided"}},
	{"22: an abort waits for what it cannot remove", []edit{
		{"abort.go", "if len(going(own)) > 0 && (!t.due() || !t.blind()) {", "if len(own) > 0 {"},
	}, "two_hosts", []string{"L5/L6 with a host away"}},
	{"23: a rollout waits for a host without a limit", []edit{
		{"rollout.go", "case t.due() && away:", "case t.due() && away && false:"},
		{"rollout.go", "case t.due():\n\t\treturn t.abort(", "case t.due() && !away:\n\t\treturn t.abort("},
	}, "two_hosts", []string{"L5/L6 with a host away"}},
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
	cmd := exec.CommandContext(t.Context(), "go", "test", "-overlay", list, "-vet=off", "-run", "^TestSearch$/"+m.in, ".", "-search.first", "-failfast")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Errorf("the search passed")
	}
	return string(out)
}
