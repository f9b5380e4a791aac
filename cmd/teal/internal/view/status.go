package view

import (
	"fmt"
	"strings"

	"teal/controller/api"
	"teal/reconcile"
	"teal/spec"
)

// Status draws everything the controller told as a tree per app.
func Status(list api.StatusList, o Options) string {
	blocks := []string{}
	if head := trouble(list, o); len(head) > 0 {
		blocks = append(blocks, join(head))
	}
	for _, s := range list.Apps {
		blocks = append(blocks, join(tree(s, o)))
	}
	if len(list.Apps) == 0 {
		blocks = append(blocks, "nothing is wanted yet → teal apply -f compose.yaml\n")
	}
	if src := sources(list.Sources, o); len(src) > 0 {
		blocks = append(blocks, join(src))
	}
	if h := hosts(list.Controller.Hosts, o); len(h) > 0 {
		blocks = append(blocks, join(h))
	}
	return strings.Join(blocks, "\n")
}

// trouble tells what is wrong with the controller's surroundings.
func trouble(list api.StatusList, o Options) []string {
	var out []string
	for _, c := range []struct {
		name string
		cond reconcile.Condition
	}{{"engine", list.Controller.Engine}, {"proxy", list.Controller.Proxy}, {"records", list.Controller.Records}} {
		if !c.cond.OK && c.cond != (reconcile.Condition{}) { // an older controller says nothing of records
			out = append(out, fmt.Sprintf("%s %s  %s", o.mark(false), c.name, o.paint(bad, words(c.cond))))
		}
	}
	out = append(out, awayHosts(list.Controller.Hosts, o)...)
	for _, s := range list.Sources {
		out = append(out, ailing(s, o)...)
	}
	return out
}

// words tells a condition's message, or its reason if it has none.
func words(c reconcile.Condition) string {
	if c.Message == "" {
		return string(c.Reason)
	}
	return Clean(c.Message)
}

// tree draws one app.
func tree(s reconcile.Status, o Options) []string {
	var rows [][]cell
	for _, c := range s.Colours {
		rows = append(rows, colourRow(c, o))
	}
	below := append(o.table(rows, "  "), whereabouts(s, o)...)
	return append([]string{headline(s, o)}, o.branches(append(below, remarks(s, o)...))...)
}

func headline(s reconcile.Status, o Options) string {
	out := o.paint(strong, s.App.String()) + fmt.Sprintf("  gen %d  ", s.Generation)
	if s.Kind != "app" {
		out = o.paint(strong, s.App.String()) + "  " + o.paint(faint, s.Kind) + "  "
	}
	out += "Serving " + o.mark(s.Serving.OK) + " " + words(s.Serving)
	out += "   Synced " + syncMark(s, o) + " " + syncWords(s)
	if s.Phase != reconcile.Idle && !s.Since.IsZero() {
		out += " · " + watch(o.Now.Sub(s.Since))
		if !s.Deadline.IsZero() {
			out += " of " + watch(s.Deadline.Sub(s.Since))
		}
	}
	return out
}

// syncMark is amber while a rollout is under way: not there yet is no failure.
func syncMark(s reconcile.Status, o Options) string {
	if !s.Synced.OK && s.Hold == nil && s.Phase != reconcile.Idle {
		return o.paint(busy, "…")
	}
	return o.mark(s.Synced.OK)
}

// syncWords names the phase even where the message does not.
func syncWords(s reconcile.Status) string {
	text := words(s.Synced)
	if s.Phase == reconcile.Idle || strings.Contains(text, string(s.Phase)) {
		return text
	}
	if text == "" {
		return string(s.Phase)
	}
	return string(s.Phase) + ": " + text
}

func colourRow(c reconcile.ColourStatus, o Options) []cell {
	name := string(c.Colour)
	if name == "" {
		name = "only"
	}
	ready := fmt.Sprintf("%d/%d ready", c.Ready, c.Replicas)
	readyTint := plain
	if c.Ready < c.Replicas {
		readyTint = busy
	}
	return []cell{
		{name, colourTint(c.Colour)},
		{"rev " + short(c.Revision), faint},
		{ShortImage(c.Image), strong},
		{Clean(c.Role), plain},
		{weight(c), plain},
		{ready, readyTint},
		{detail(c, o), plain},
	}
}

// weight tells a share only where colours share or the role does not say it.
func weight(c reconcile.ColourStatus) string {
	if c.Colour == "" || (c.Weight == 0 && c.Role != "stable") {
		return ""
	}
	return fmt.Sprintf("%d %%", c.Weight)
}

func detail(c reconcile.ColourStatus, o Options) string {
	var out []string
	if c.Origin != nil {
		out = append(out, "commit "+Clean(c.Origin.Short()))
	}
	if !c.Until.IsZero() {
		out = append(out, fmt.Sprintf("until %s (%s)", o.clock(c.Until), length(c.Until.Sub(o.Now))))
	}
	if t := c.Traffic; t != nil && (t.Requests > 0 || t.InFlight > 0 || t.Upgraded > 0) {
		out = append(out, traffic(*t)...)
	}
	if c.Restarts > 0 || c.Role == "candidate" {
		out = append(out, fmt.Sprintf("restarts %d", c.Restarts))
	}
	if c.Probe != "" && (c.Ready < c.Replicas || c.Role == "candidate") {
		out = append(out, Clean(c.Probe))
	}
	return strings.Join(out, "  ")
}

func traffic(t reconcile.Traffic) []string {
	out := []string{count(t.Requests) + " req"}
	if t.Requests > 0 {
		out = append(out, failed(t)+" failed", "p95 "+millis(t.P95))
	}
	if t.InFlight > 0 {
		out = append(out, count(int64(t.InFlight))+" in flight")
	}
	if t.Upgraded > 0 {
		out = append(out, plural(t.Upgraded, "upgraded connection"))
	}
	return out
}

// failed tells a share, and never tells a few as none.
func failed(t reconcile.Traffic) string {
	share := 100 * float64(t.Failures) / float64(t.Requests)
	if share > 0 && share < 0.1 {
		return "<0.1 %"
	}
	return fmt.Sprintf("%.1f %%", share)
}

// remarks are the lines below the colours: hold, override, back-off, what to
// type next.
func remarks(s reconcile.Status, o Options) []string {
	var out []string
	if b := s.Backoff; b != nil {
		out = append(out, fmt.Sprintf("again in %s  %s (try %d)",
			length(b.Next.Sub(o.Now)), o.paint(busy, string(b.Failure.Reason)+": "+Clean(b.Failure.Message)), b.Attempts+1))
	}
	if c := s.Closed; c != nil && !c.Waits { // else Synced says so
		out = append(out, closed(*c, o))
	}
	next := strings.Join(s.Next, " | ")
	if h := s.Hold; h != nil {
		line := fmt.Sprintf("last  gen %d  %s held: %s", h.Generation, ShortImage(h.Image), o.paint(bad, heldWords(*h)))
		if next != "" {
			line += " → " + Clean(next)
		}
		return append(out, line)
	}
	if next != "" {
		out = append(out, "next  "+Clean(next))
	}
	return out
}

// closed tells when the next rollout may begin, and why none may now.
func closed(c reconcile.Closure, o Options) string {
	out := "next allowed not in sight"
	if !c.Next.IsZero() {
		out = fmt.Sprintf("next allowed %s (in %s)", c.Next.Format("Mon 2006-01-02 15:04 MST"), length(c.Next.Sub(o.Now)))
	}
	return out + "  " + o.paint(faint, string(c.Reason)+": "+Clean(c.Message))
}

// heldWords tells why, and how the containers ended.
func heldWords(h reconcile.Hold) string {
	out := Clean(h.Message)
	if out == "" {
		out = string(h.Reason)
	}
	if ends := exits(h.Evidence); ends != "" {
		out += " (" + ends + ")"
	}
	return out
}

// exits sums evidence up: "exit 137 ×3, out of memory".
func exits(e *reconcile.Evidence) string {
	if e == nil {
		return ""
	}
	var out []string
	seen := map[string]int{}
	for _, c := range e.Containers {
		if c.State == string(reconcile.Running) { // its exit code is that of no exit
			if c.Restarts > 0 {
				out = append(out, fmt.Sprintf("%d restarts", c.Restarts))
			}
			continue
		}
		text := fmt.Sprintf("exit %d", c.ExitCode)
		if c.OOMKilled {
			text += " out of memory"
		}
		if seen[text] == 0 {
			out = append(out, text)
		}
		seen[text] += 1 + c.Restarts
	}
	for i, text := range out {
		if seen[text] > 1 {
			out[i] = fmt.Sprintf("%s ×%d", text, seen[text])
		}
	}
	return strings.Join(out, ", ")
}

// name tells an app so that it stands out.
func name(app spec.Name, o Options) string { return o.paint(strong, app.String()) }
