package view

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"teal/controller/api"
	"teal/reconcile"
	"teal/spec"
)

// hosts draws where apps can be, a line per host; nothing while there is only
// one, without a name.
func hosts(list []api.HostStatus, o Options) []string {
	if len(list) == 0 {
		return nil
	}
	rows := make([][]cell, 0, len(list))
	for _, h := range list {
		mark, t, engine := "✔", good, ""
		if h.Engine != "" {
			engine = "Docker " + Clean(h.Engine)
		}
		if !h.Answers.OK {
			mark, t, engine = "✖", bad, "away"
		}
		at := ""
		if h.Address != "" {
			at = "at " + Clean(h.Address)
		}
		rows = append(rows, []cell{{mark, t}, {Clean(h.Name), strong}, {Clean(h.URL), plain}, {at, plain}, {engine, plain}})
	}
	return append([]string{o.paint(strong, "hosts")}, o.branches(o.table(rows, "  "))...)
}

// branches puts lines below a headline.
func (o Options) branches(lines []string) []string {
	out := make([]string, 0, len(lines))
	for i, line := range lines {
		branch := "├─ "
		if i == len(lines)-1 {
			branch = "└─ "
		}
		out = append(out, o.paint(faint, branch)+line)
	}
	return out
}

// awayHosts are lines of trouble.
func awayHosts(list []api.HostStatus, o Options) []string {
	var out []string
	for _, h := range list {
		if !h.Answers.OK {
			out = append(out, o.mark(false)+" host "+Clean(h.Name)+"  "+o.paint(bad, words(h.Answers)))
		}
	}
	return out
}

// whereabouts tells on which hosts an app's replicas are, in a line: "on  app-1
// green 1 3 · app-2 green 2, away: connection refused". Nothing while there is
// only one host, without a name.
func whereabouts(s reconcile.Status, o Options) []string {
	on := map[string]string{} // host → its replicas
	for _, colour := range []spec.Colour{"", spec.Blue, spec.Green} {
		for host, text := range replicas(colour, s.Containers) {
			on[host] += text
		}
	}
	for _, a := range s.Away {
		on[a.Host] += o.paint(bad, ", away: "+Clean(a.Words))
	}
	var parts []string
	for _, host := range slices.Sorted(maps.Keys(on)) {
		parts = append(parts, o.paint(strong, Clean(host))+on[host])
	}
	if len(parts) == 0 {
		return nil
	}
	return []string{"on  " + strings.Join(parts, " · ")}
}

// replicas tells by host which replicas of a colour it has.
func replicas(colour spec.Colour, list []reconcile.ContainerStatus) map[string]string {
	out := map[string]string{}
	for _, x := range list {
		if x.Colour != colour {
			continue
		}
		if out[x.Host] == "" && colour != "" {
			out[x.Host] = " " + string(colour)
		}
		out[x.Host] += " " + strconv.Itoa(x.Replica)
		if x.Adopted {
			out[x.Host] += " (from before Teal)"
		}
	}
	return out
}
