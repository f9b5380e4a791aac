package crash

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var table = flag.Bool("crash.table", false, "run nothing, and write the results of the last full run into docs/crash-matrix.md")

// Lines of the page between which the generated part is.
const (
	tableBegin = "<!-- crash matrix: begin, written by make crash -->"
	tableEnd   = "<!-- crash matrix: end -->"
)

// writeTable writes the results of all full runs since the last one that was not
// resumed into the page.
func writeTable(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(keptFolder, "results.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	last := map[string]result{}
	for line := range strings.Lines(string(text)) {
		var r result
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		key := r.Scenario + "|" + r.Kill
		if _, ok := last[key]; !ok {
			order = append(order, key)
		}
		last[key] = r
	}
	var results []result
	for _, key := range order {
		results = append(results, last[key])
	}
	page := filepath.Join(root, "docs", "crash-matrix.md")
	had, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(had), tableBegin)
	_, after, ended := strings.Cut(rest, tableEnd)
	if !found || !ended {
		t.Fatalf("%s has no lines %q and %q", page, tableBegin, tableEnd)
	}
	fresh := before + tableBegin + "\n" + tables(allPoints(t), results) + tableEnd + after
	if err := os.WriteFile(page, []byte(fresh), 0o644); err != nil {
		t.Fatal(err)
	}
}

// count is what came of some cells.
type count struct{ good, failed, missed, requests, lost int }

func (c *count) add(r result) {
	c.requests += int(r.Requests)
	c.lost += int(r.Failed)
	switch {
	case r.Err != "":
		c.failed++
	case r.Kill != "" && !r.Killed:
		c.missed++
	case r.Kill != "":
		c.good++
	}
}

func (c *count) cell() string {
	switch {
	case c == nil || *c == (count{}):
		return ""
	case c.failed > 0:
		return fmt.Sprintf("%d, **%d failed**", c.good, c.failed)
	}
	return fmt.Sprint(c.good)
}

// tables are one table per scenario and one per point.
func tables(points set, results []result) string {
	scenarios, at := map[string]*count{}, map[string]*count{}
	var all count
	var names []string
	for _, r := range results {
		if scenarios[r.Scenario] == nil {
			scenarios[r.Scenario] = &count{}
			names = append(names, r.Scenario)
		}
		scenarios[r.Scenario].add(r)
		all.add(r)
		if r.Kill == "" {
			continue
		}
		point, _, _ := strings.Cut(r.Kill, "#")
		if at[point] == nil {
			at[point] = &count{}
		}
		at[point].add(r)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%d scenarios, %d cells: %d killed, started again and equal to the run without a kill, %d failed, %d whose point was not reached again. %d requests, %d failed.\n",
		len(names), all.good+all.failed+all.missed, all.good, all.failed, all.missed, all.requests, all.lost)
	b.WriteString("\n| scenario | cells passed | not reached | requests | failed requests |\n| --- | --- | --- | --- | --- |\n")
	for _, n := range names {
		c := scenarios[n]
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %d |\n", n, c.cell(), c.missed, c.requests, c.lost)
	}
	b.WriteString("\n| killed at | cells passed |\n| --- | --- |\n")
	for _, p := range sortedKeys(points) {
		if at[p] != nil {
			fmt.Fprintf(&b, "| `%s` | %s |\n", p, at[p].cell())
		}
	}
	b.WriteString("\nWithout a cell:\n\n")
	for _, p := range unreached(points, results) {
		fmt.Fprintf(&b, "- `%s`: %s\n", p, cmp.Or(excused[p], "**not reached in this run**"))
	}
	return b.String() + "\n"
}

// excused are points that no scenario reaches, and why.
var excused = map[string]string{
	"store.openChecked/commit": "only a store of an older Teal is brought up to date",
	"store.encrypt/before":     "only the records of an older Teal are encrypted",
	"store.encrypt/commit":     "as before it",
	"store.encrypt/after":      "as before it",
	"store.rekey/before":       "only a backup of another machine gets another key, by teal restore, which is done wholly or not at all",
	"store.rekey/commit":       "as before it",
	"store.rekey/after":        "as before it",
	"store.putBack/before":     "somebody removes the records under a running Teal; a kill before they are back leaves them removed, as in the scenarios of records that were lost",
	"store.putBack/commit":     "has nothing to commit",
	"store.putBack/after":      "as before it",
}

// unreached are the points without a cell.
func unreached(points set, results []result) []string {
	seen := map[string]bool{}
	for _, r := range results {
		point, _, _ := strings.Cut(r.Kill, "#")
		seen[point] = true
	}
	return slices.DeleteFunc(sortedKeys(points), func(p string) bool { return seen[p] })
}
