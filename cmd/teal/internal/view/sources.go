package view

import (
	"fmt"
	"strings"

	"teal/controller/api"
	"teal/spec"
)

// Sources draws what desired states are pulled from, a line per source and one
// per project that could not be accepted.
func Sources(list []api.SourceStatus, o Options) string { return join(sources(list, o)) }

// sources is nothing while none is pulled from anywhere.
func sources(list []api.SourceStatus, o Options) []string {
	var rows [][]cell
	for _, s := range list {
		if s.Name != "" {
			rows = append(rows, sourceRow(s, o))
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return append([]string{o.paint(strong, "sources")}, o.branches(o.table(rows, "  "))...)
}

func sourceRow(s api.SourceStatus, o Options) []cell {
	mark, t := "✔", good
	if !s.Valid.OK {
		mark, t = "✖", bad
	}
	commit, age := cell{"no commit yet", faint}, ""
	if s.Commit != nil {
		commit = cell{Commit(*s.Commit), plain}
		age = length(o.Now.Sub(s.Commit.Committed)) + " ago"
	}
	return []cell{{mark, t}, {Clean(s.Name), strong}, {Clean(s.Follow), plain}, commit, {age, plain}, {lookWords(s, o), faint}}
}

// Commit tells a commit in one clause.
func Commit(c spec.Origin) string {
	return fmt.Sprintf("%s %s (%s)", Clean(c.Short()), Clean(c.Subject), Clean(c.Author))
}

// Synced tells what a look at sources came to: the commit of each, and its
// projects.
func Synced(list []api.SourceStatus, o Options) string {
	var out []string
	for _, s := range list {
		commit := "no commit yet"
		if s.Commit != nil {
			commit = Commit(*s.Commit)
		}
		out = append(out, fmt.Sprintf("%s %s  %s  %s", o.mark(s.Valid.OK), o.paint(strong, Clean(s.Name)), Clean(s.Follow), commit))
		for _, p := range s.Projects {
			if p.Valid.OK {
				out = append(out, fmt.Sprintf("  %s  accepted from %s", Clean(p.Project), Clean(p.File)))
			}
		}
		out = append(out, ailing(s, o)...)
	}
	return join(out)
}

// lookWords tells when a source was looked at, and will be again.
func lookWords(s api.SourceStatus, o Options) string {
	if s.Read.IsZero() {
		return "not looked at yet"
	}
	out := "looked " + length(o.Now.Sub(s.Read)) + " ago"
	if !s.Next.IsZero() {
		out += ", again in " + length(s.Next.Sub(o.Now))
	}
	return out
}

// ailing tells what is wrong with a source.
func ailing(s api.SourceStatus, o Options) []string {
	if s.Valid.OK || s.Name != "" && s.Read.IsZero() && len(s.Problems) == 0 {
		return nil
	}
	if s.Name == "" {
		return refusedLines(strings.Join(s.Files, ", "), "refused", s.Valid.Message, s.Problems, o)
	}
	var out []string
	if len(s.Problems) > 0 {
		out = refusedLines("source "+s.Name, "cannot be followed", string(s.Valid.Reason), s.Problems, o)
	}
	for _, p := range s.Projects {
		if !p.Valid.OK && len(p.Problems) > 0 {
			out = append(out, refusedLines(p.File+" of source "+s.Name, "refused", string(p.Valid.Reason), p.Problems, o)...)
		}
	}
	return out
}

func refusedLines(what, how, why string, problems []string, o Options) []string {
	out := []string{fmt.Sprintf("%s %s  %s, what was accepted before goes on: %s", o.mark(false), Clean(what), how, o.paint(bad, Clean(why)))}
	for _, p := range problems {
		out = append(out, "  "+Clean(p))
	}
	return out
}
