package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// evidenceLines is how many log lines of a container a failure shows.
const evidenceLines = 10

// History draws finished rollouts as a table, in the order given.
func History(list []reconcile.Rollout, o Options) string {
	if len(list) == 0 {
		return "no rollout has ended yet\n"
	}
	commits := slices.ContainsFunc(list, func(r reconcile.Rollout) bool { return r.Origin != nil })
	rows := [][]cell{{
		{"ROLLOUT", faint},
		{"ENDED", faint},
		{"GEN", faint},
		{"IMAGE", faint},
		{"COLOUR", faint},
		{"WHY", faint},
		{"RESULT", faint},
		{"READY", faint},
		{"TRAFFIC", faint},
		{"REASON", faint},
	}}
	if commits {
		rows[0] = append(rows[0], cell{"COMMIT", faint})
	}
	for _, r := range list {
		row := []cell{
			{Clean(r.ID), strong},
			{o.clock(r.Ended), plain},
			{fmt.Sprint(r.Generation), plain},
			{ShortImage(r.Revision.Image.Ref), plain},
			{string(r.Colour), colourTint(r.Colour)},
			{string(r.Trigger), plain},
			{string(r.Result), resultTint(r.Result)},
			{since(r.Accepted, r.Verified), plain},
			{since(r.Accepted, r.Switched), plain},
			{failureWords(r.Failure), plain},
		}
		if commits {
			row = append(row, cell{commitWords(r.Origin), plain})
		}
		rows = append(rows, row)
	}
	return join(o.table(rows, "  "))
}

// commitWords tells a commit in one line: what, by whom, and what it says.
func commitWords(from *spec.Origin) string {
	if from == nil {
		return "-"
	}
	out := from.Short()
	if from.Author != "" {
		out += " " + from.Author
	}
	if from.Subject != "" {
		out += ": " + from.Subject
	}
	return Clean(out)
}

// since tells the time between two moments, or - if one never came.
func since(from, to time.Time) string {
	if from.IsZero() || to.IsZero() {
		return "-"
	}
	return length(to.Sub(from))
}

func failureWords(f *reconcile.Failure) string {
	if f == nil {
		return ""
	}
	return Clean(strings.TrimSuffix(fmt.Sprintf("%s: %s", f.Reason, f.Message), ": "))
}

func resultTint(r reconcile.Result) tint {
	switch r {
	case reconcile.Succeeded:
		return good
	case reconcile.Failed, reconcile.RolledBack:
		return bad
	case reconcile.Superseded, reconcile.Adopted:
		return busy
	}
	return plain
}

// Ended tells one finished rollout in a line.
func Ended(r reconcile.Rollout, o Options) string {
	ok := r.Result == reconcile.Succeeded || r.Result == reconcile.Adopted
	line := fmt.Sprintf("%s %s  %s %s: %s", o.mark(ok), name(r.App, o), Clean(r.ID), ShortImage(r.Revision.Image.Ref), r.Result)
	if r.Failure != nil {
		line += "  " + o.paint(bad, failureWords(r.Failure))
	}
	if ok && !r.Switched.IsZero() && !r.Accepted.IsZero() {
		line += fmt.Sprintf("  traffic after %s", length(r.Switched.Sub(r.Accepted)))
	}
	return line + "\n"
}

// Held tells a hold with all its evidence: what failed, how the containers
// ended, their last probe and last words.
func Held(s reconcile.Status, o Options) string {
	h := s.Hold
	if h == nil {
		return ""
	}
	head := fmt.Sprintf("%s %s  gen %d %s held: %s", o.mark(false), name(s.App, o), h.Generation,
		ShortImage(h.Image), o.paint(bad, strings.TrimSuffix(fmt.Sprintf("%s: %s", h.Reason, Clean(h.Message)), ": ")))
	if s.Serving.OK {
		head += "\n  still serving " + words(s.Serving)
	}
	lines := append([]string{head}, Evidence(h.Evidence, o)...)
	if len(s.Next) > 0 {
		lines = append(lines, "  → "+Clean(strings.Join(s.Next, " | ")))
	}
	return join(lines)
}

// Evidence draws what is left of removed containers, indented.
func Evidence(e *reconcile.Evidence, o Options) []string {
	if e == nil {
		return nil
	}
	var out []string
	for _, c := range e.Containers {
		line := fmt.Sprintf("  %s  %s", Clean(c.Name), ending(c))
		if c.LastProbe != "" {
			line += "  last probe: " + Clean(c.LastProbe)
		}
		out = append(out, line)
		out = append(out, quoted(c.Logs, o)...)
	}
	if len(e.Test) > 0 {
		out = append(out, "  test")
		out = append(out, quoted(e.Test, o)...)
	}
	return out
}

func ending(c reconcile.ContainerEvidence) string {
	out := Clean(c.State)
	switch reconcile.ContainerState(c.State) {
	case reconcile.Exited, reconcile.Restarting, reconcile.Dead:
		out = fmt.Sprintf("exited with %d", c.ExitCode)
	case reconcile.Running, reconcile.Created, reconcile.Paused, reconcile.Removing:
	}
	if c.OOMKilled {
		out += ", out of memory"
	}
	if c.Restarts > 0 {
		out += ", " + plural(c.Restarts, "restart")
	}
	return out
}

// quoted draws the last of some lines as a quotation.
func quoted(logs []string, o Options) []string {
	var out []string
	if cut := len(logs) - evidenceLines; cut > 0 {
		out = append(out, o.paint(faint, fmt.Sprintf("  │ … %s before", plural(cut, "line"))))
		logs = logs[cut:]
	}
	for _, l := range logs {
		out = append(out, o.paint(faint, "  │ ")+Clean(l))
	}
	return out
}

// Reached tells in a line that an app stands where it was wanted.
func Reached(s reconcile.Status, o Options) string {
	line := fmt.Sprintf("%s %s  gen %d  %s", o.mark(s.Serving.OK), name(s.App, o), s.Generation, words(s.Serving))
	if !s.Synced.OK {
		line += "  " + o.paint(busy, syncWords(s))
		if len(s.Next) > 0 {
			line += " → " + Clean(strings.Join(s.Next, " | "))
		}
	}
	return line + "\n"
}
