package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// proof is a rule and what checks it beside search, scenarios and simulation,
// which are found by the rule's name.
type proof struct {
	rule, says string
	tests      []string // file: name of a test in it
}

var proofs = []proof{
	{"S1", "a container that the proxy serves, or that has requests in flight inside the drain limit, is never stopped or removed by Teal", []string{
		"cmd/teal/gates_test.go: TestGatesAndColoursUnderLoad", "controller/stop_test.go: TestLostStoreIsRebuiltWithoutTouchingWhatServes",
	}},
	{"S2", "a route is applied only to targets that are seen ready now", nil},
	{"S3", "stable is recorded only when the proxy's read back shows it", []string{"controller/router_test.go: TestRouterDoesNotBelieveAnApply"}},
	{"S4", "per app at most two revisions have containers, per colour no more than its replicas", nil},
	{"S5", "a revision that is held for this generation is never created or started", []string{"cmd/teal/engine_test.go: TestWhatCannotRunIsHeldAndStableServes"}},
	{"S6", "no candidate gets traffic before it is verified, and none passes a closed gate", []string{"cmd/teal/gates_test.go: TestGatesAndColoursUnderLoad"}},
	{"S7", "a standby lives until its deadline, unless a newer candidate, already pulled, needs its place", nil},
	{"S8", "nothing is created behind a route that has traffic", nil},
	{"S9", "weights sum to 100; the candidate's goes up by one step of its plan per read back; down at once. In part: blue/green has the one step from 0 to 100, other plans are not there yet", []string{
		"deploy/proxy/embedded/contract_test.go: TestContract", "deploy/proxy/nginx/contract_test.go: TestContract",
	}},
	{"S10", "a read back precedes every drain, a drain precedes every stop", nil},
	{"S11", "the observed generation never goes back, and no rollout is ahead of it", []string{"store/save_test.go: TestSaveRefusesAGenerationThatGoesBack", "store/property_test.go: TestGenerationsGrowAndTokensCountOnce"}},
	{"S12", "containers without Teal's labels are never touched; an adopted one is stopped when it was replaced, and never removed", []string{
		"deploy/docker/compose_test.go: TestStrangers", "deploy/docker/ensure_test.go: TestImitationIsIgnoredAndReportedOnce", "cmd/teal/adoptnginx_test.go: TestPairIsTakenOver",
	}},
	{"S13", "at most one pass per app is in flight; two controllers cannot both act", []string{
		"controller/queue_test.go: TestQueueRunsOnePassPerAppAndAgainWhenAddedMeanwhile", "store/lock_test.go: TestOpenNamesTheProcessThatHoldsTheLock", "cmd/teal/engine_test.go: TestASecondControllerIsRefused",
	}},
	{"S14", "every command takes effect at most once, and only on what it names", []string{
		"store/command_test.go: TestACommandIsQueuedOnceAndAnswered", "controller/api_test.go: TestPromoteOnceAndOnlyTheRolloutThatWasMeant", "cmd/teal/command_test.go: TestCommandIsSentOnceThroughARestart",
	}},
	{"S15", "going back never raises the candidate's weight", nil},
	{"S16", "invalid or empty input has no effect on containers", []string{
		"controller/intake_test.go: TestInvalidFileChangesNothingAndIsToldOnce", "controller/intake_test.go: TestAnEmptyProjectChangesNothingEvenWithPrune", "cmd/teal/engine_test.go: TestBadInputChangesNothing",
	}},
	{"S17", "a pass over an unchanged, settled world does nothing", []string{"controller/run_test.go: TestSettledPassWritesNothing"}},
	{"W1", "nothing begins outside of its deploy windows but a way back, and no gate opens there by itself", []string{"reconcile/window_test.go: TestWindows", "reconcile/window_test.go: TestWindowsLetGoBack"}},
	{"L1", "it comes to rest in a bounded number of steps", nil},
	{"L2", "the newest generation is tried at least once", nil},
	{"L3", "if stable can be healthy, the proxy ends on something healthy", nil},
	{"L4", "a good revision that is wanted and not held becomes stable", []string{"cmd/teal/engine_test.go: TestFromTheFirstVersionToTheLast"}},
	{"L5", "every phase ends, or waits at a gate that a person was named for", nil},
	{"L6", "taking a rollout back ends", nil},
	{"L7", "in the end there is nothing but stable, and standby in its window", nil},
	{"L8", "no request shorter than the drain fails because of a switch. Only real requests can show that", []string{
		"cmd/teal/engine_test.go: TestFromTheFirstVersionToTheLast", "cmd/teal/gates_test.go: TestGatesAndColoursUnderLoad",
		"deploy/proxy/embedded/parts_test.go: TestNoRequestSlipsPastASwitch", "deploy/proxy/embedded/contract_test.go: TestContract", "deploy/proxy/nginx/contract_test.go: TestContract",
	}},
}

// places are where rules are checked by name: files, and how a check of a rule
// looks there.
var places = []struct{ title, files, check string }{
	{"search", "../reconcile/search_*_test.go", `"(?:L\d+/)?%s(?:/L\d+)? `},
	{"scenarios", "../reconcile/*_test.go", `"%s: `},
	{"simulation", "../controller/sim/*_test.go", `checked\((?:\w+, )*%s[,)]`},
}

// TestEveryRuleIsChecked writes where each rule is checked, and wants each to be.
// That the checks of the simulation are really made is for its own test to see.
func TestEveryRuleIsChecked(t *testing.T) {
	var table strings.Builder
	table.WriteString("| rule | | search | scenarios | simulation | besides |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, p := range proofs {
		checks := len(p.tests)
		fmt.Fprintf(&table, "| %s | %s ", p.rule, p.says)
		for _, at := range places {
			mark := " "
			if standsIn(t, at.files, fmt.Sprintf(at.check, p.rule)) {
				mark = " ✔ "
				checks++
			}
			fmt.Fprintf(&table, "|%s", mark)
		}
		var names []string
		for _, test := range p.tests {
			file, name, _ := strings.Cut(test, ": ")
			if !standsIn(t, filepath.Join("..", file), `func `+name+`\(t \*testing\.T\)`) {
				t.Errorf("%s: there is no test %s in %s", p.rule, name, file)
			}
			names = append(names, fmt.Sprintf("[%s](../%s)", name, file))
		}
		fmt.Fprintf(&table, "| %s |\n", strings.Join(names, ", "))
		if checks == 0 {
			t.Errorf("nothing checks %s: %s", p.rule, p.says)
		}
	}
	written(t, "proofs.md", "rules", table.String())
}

// TestMutantsAreListed keeps the list of what is broken on purpose.
func TestMutantsAreListed(t *testing.T) {
	var list strings.Builder
	found := regexp.MustCompile(`(?m)^\t\{"(\d+): (.*)", \[\]edit\{$`)
	n := 0
	for _, file := range []string{"model", "planner", "loop", "windows"} {
		for _, m := range found.FindAllStringSubmatch(read(t, "../controller/mutants/"+file+"_test.go"), -1) {
			if n++; fmt.Sprint(n) != m[1] {
				t.Fatalf("mutant %s comes after %d", m[1], n-1)
			}
			fmt.Fprintf(&list, "%s. %s\n", m[1], m[2])
		}
	}
	if n < 40 {
		t.Errorf("there are %d mutants", n)
	}
	written(t, "proofs.md", "mutants", list.String())
}

// standsIn reports whether text of the given form stands in one of files.
func standsIn(t *testing.T, files, form string) bool {
	t.Helper()
	paths, err := filepath.Glob(files)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files %s: %v", files, err)
	}
	re := regexp.MustCompile(form)
	for _, path := range paths {
		if re.MatchString(read(t, path)) {
			return true
		}
	}
	return false
}

// written wants text between the marks of a page, or writes it there.
func written(t *testing.T, page, what, want string) {
	t.Helper()
	text := read(t, page)
	begin, end := "<!-- "+what+": generated by go test ./docs -update -->\n", "<!-- "+what+": end -->"
	from, to := strings.Index(text, begin), strings.Index(text, end)
	if from < 0 || to < from {
		t.Fatalf("%s has no place for %s", page, what)
	}
	from += len(begin)
	if text[from:to] == want {
		return
	}
	if !*update {
		t.Fatalf("%s has other %s than the code: go test ./docs -run '%s' -update", page, what, t.Name())
	}
	if err := os.WriteFile(page, []byte(text[:from]+want+text[to:]), 0o644); err != nil {
		t.Fatal(err)
	}
}
