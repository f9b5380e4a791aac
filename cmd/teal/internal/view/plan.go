package view

import (
	"fmt"
	"strings"

	"teal/controller/api"
	"teal/reconcile"
)

// Plan draws what would be done: the differences, then the steps with their
// reasons.
func Plan(p api.PlanResult, o Options) string {
	var blocks []string
	todo := 0
	for _, a := range p.Apps {
		if len(a.Entries) > 0 || a.Changed || a.Pruned {
			todo++
		}
		blocks = append(blocks, join(appPlan(a, o)))
	}
	if len(p.Warnings) > 0 {
		blocks = append(blocks, Warnings(p.Warnings, o))
	}
	end := "nothing to do\n"
	if todo > 0 {
		end = fmt.Sprintf("%s to change; nothing was changed → teal apply\n", plural(todo, "service"))
	}
	return strings.Join(append(blocks, end), "\n")
}

func appPlan(a api.AppPlan, o Options) []string {
	head := name(a.App, o) + "  " + o.paint(faint, a.Kind) + fmt.Sprintf("  gen %d", a.Generation)
	switch {
	case a.Pruned:
		head += "  " + o.paint(bad, "to be removed")
	case a.Orphaned:
		head += "  " + o.paint(busy, "not in the file any more; left alone without --prune")
	case a.Changed:
		head += "  " + o.paint(busy, "new")
	case len(a.Entries) == 0 && a.Blocked == "":
		head += "  " + o.paint(good, "as wanted")
	}
	out := append([]string{head}, Changes(a.Changes, o)...)
	if a.Blocked != "" {
		out = append(out, "  "+o.paint(bad, "blocked: "+Clean(a.Blocked)))
	}
	rows := make([][]cell, 0, len(a.Entries))
	for i, e := range a.Entries {
		rows = append(rows, entry(i+1, e))
	}
	return append(out, o.table(rows, "  ")...)
}

func entry(n int, e api.PlanEntry) []cell {
	text, mark, t := Clean(e.Text), "", plain
	switch e.Kind {
	case api.PlanStep:
	case api.PlanWait:
		mark, t = "…", faint
	case api.PlanGate:
		mark, t = "◇", busy
	}
	if e.Limit > 0 {
		text += fmt.Sprintf(" (at most %s)", e.Limit)
	}
	return []cell{{fmt.Sprintf("%4d.", n), faint}, {mark, t}, {text, t}, {Clean(e.Why), faint}}
}

// Changes draws differences, one a line, indented.
func Changes(list []api.Change, o Options) []string {
	rows := make([][]cell, 0, len(list))
	for _, c := range list {
		sign, t := "~", busy
		value := Clean(c.From) + " → " + Clean(c.To)
		switch {
		case c.From == "" && c.To == "":
			value = ""
		case c.From == "":
			sign, t, value = "+", good, Clean(c.To)
		case c.To == "":
			sign, t, value = "-", bad, Clean(c.From)
		}
		rows = append(rows, []cell{{"  " + sign, t}, {Clean(c.Key), plain}, {value, plain}})
	}
	return o.table(rows, " ")
}

// Accepted draws what came of an apply: one line per service that changed, and
// how many did not.
func Accepted(r api.ApplyResult, o Options) string {
	var out []string
	same := 0
	for _, a := range r.Apps {
		line := fmt.Sprintf("%s %s  gen %d", o.mark(true), name(a.App, o), a.Generation)
		switch {
		case a.Pruned:
			line += "  " + o.paint(bad, "to be removed")
		case a.Orphaned:
			line += "  " + o.paint(busy, "not in the file any more; left alone without --prune")
		case a.Changed:
			line += "  accepted"
		default:
			same++
			continue
		}
		out = append(out, line)
		out = append(out, Changes(a.Changes, o)...)
	}
	if same > 0 {
		out = append(out, o.paint(faint, fmt.Sprintf("  %s unchanged", plural(same, "service"))))
	}
	return join(out) + Warnings(r.Warnings, o)
}

// Warnings draws warnings, one a line.
func Warnings(list []string, o Options) string {
	out := make([]string, 0, len(list))
	for _, w := range list {
		out = append(out, o.paint(busy, "! ")+Clean(w))
	}
	return join(out)
}

// Event draws one event as a line.
func Event(e reconcile.Event, o Options) string {
	t, mark := plain, "·"
	if e.Warning {
		t, mark = bad, "!"
	}
	app := "-"
	if e.App.Project != "" {
		app = strings.TrimSuffix(e.App.String(), "/")
	}
	line := fmt.Sprintf("%s  %s %s  %s  %s", o.clock(e.At), o.paint(t, mark), o.paint(strong, app), o.paint(t, string(e.Reason)), Clean(e.Message))
	if e.Rollout != "" {
		line += o.paint(faint, "  "+Clean(e.Rollout))
	}
	return line + "\n"
}

// Log draws one line that an app wrote.
func Log(l api.LogLine, o Options) string {
	text := cleanLog(l.Text, o.Colour)
	return o.paint(colourTint(l.Colour), Clean(l.Container)) + o.paint(faint, " │ ") + text + "\n"
}

// Progress tells in a line where an app stands, for output that is not redrawn.
// It is the same text until something worth a new line happened.
func Progress(s reconcile.Status, o Options) string {
	out := []string{name(s.App, o), syncWords(s)}
	for _, c := range s.Colours {
		if c.Role == "candidate" && c.Probe != "" {
			out = append(out, string(c.Colour)+": "+Clean(c.Probe))
		}
	}
	if b := s.Backoff; b != nil {
		out = append(out, fmt.Sprintf("try %d after %s: %s", b.Attempts+1, b.Failure.Reason, Clean(b.Failure.Message)))
	}
	return strings.Join(out, "  ")
}
