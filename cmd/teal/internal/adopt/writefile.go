package adopt

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"teal/spec"
)

// unfold brings services that are written in one line, or as an alias, into
// block style, so that keys can be added to them. It returns the problems of the
// file with their places in what is on the page then.
func (w *writer) unfold(ctx context.Context) (spec.Errors, error) {
	for _, e := range w.page.services() {
		if e.value.Kind == yaml.MappingNode && !flows(e.value) {
			continue
		}
		lines, err := encode(e.key.Value, e.value, e.indent())
		if err != nil {
			return nil, err
		}
		w.page.replace(e.from, e.to, lines...)
	}
	if len(w.page.edits) == 0 {
		return w.problems, nil
	}
	var err error
	if w.page, err = w.page.again(); err != nil {
		return nil, fmt.Errorf("%s: %w", w.file(), err)
	}
	opts := w.site.Options
	opts.Profiles = []string{"*"}
	opts.Drafts = map[string][]byte{opts.Files[0]: w.page.text()}
	_, problems, err := look(ctx, opts)
	return problems, err
}

// refused keeps keys that Teal does not honour as comments, and lists them.
func (w *writer) refused(here spec.Errors) {
	for _, p := range w.problems {
		if p.Reason != "" && !w.goes(p) {
			w.out.Left = append(w.out.Left, p)
		}
	}
	done := map[*yaml.Node]bool{}
	for _, p := range here {
		if p.Reason == "" || p.File != w.file() {
			continue
		}
		if e := w.page.at(p); e != nil && !done[e.key] && !w.goes(p) {
			done[e.key] = true
			w.page.outcomment(e, notCarried+p.Reason)
		}
	}
}

// goes reports whether a problem is about the colour that is left out, or about
// a name that Teal gives itself.
func (w *writer) goes(p spec.Problem) bool {
	service, key, ok := strings.Cut(strings.TrimPrefix(p.Key, "services."), ".")
	if !ok || !strings.HasPrefix(p.Key, "services.") {
		return false
	}
	return slices.ContainsFunc(w.out.Apps, func(a App) bool {
		return a.has(service) && (a.service() != service || key == "container_name")
	})
}

// at finds the entry that a problem is about.
func (p *page) at(problem spec.Problem) *entry {
	last := problem.Key[strings.LastIndex(problem.Key, ".")+1:]
	var found *entry
	var look func(m *yaml.Node, end int)
	look = func(m *yaml.Node, end int) {
		if m.Kind != yaml.MappingNode || flows(m) {
			return
		}
		for _, e := range p.entries(m, end) {
			if e.key.Value == last && e.key.Line == problem.Line && e.key.Column == problem.Column {
				found = e
			}
			look(e.value, e.to)
		}
	}
	look(p.root, len(p.lines))
	return found
}

// dependOn lets other services depend on the app instead of its colours.
func (w *writer) dependOn() error {
	for _, e := range w.page.services() {
		on := named(w.page.keys(e), "depends_on")
		if on == nil || slices.ContainsFunc(w.out.Apps, func(a App) bool { return a.Pair != nil && a.has(e.key.Value) && a.has(a.Name) }) {
			continue
		}
		value, changed := w.renamed(on.value)
		if !changed {
			continue
		}
		lines, err := encode("depends_on", value, on.indent())
		if err != nil {
			return err
		}
		w.page.replace(on.from, on.to, lines...)
	}
	return nil
}

// renamed returns a list, or the keys of a mapping, with apps for their colours.
func (w *writer) renamed(n *yaml.Node) (*yaml.Node, bool) {
	out := *n
	out.Content = nil
	step, changed := 1, false
	if n.Kind == yaml.MappingNode {
		step = 2
	}
	seen := map[string]bool{}
	for i := 0; i+step <= len(n.Content); i += step {
		name := *n.Content[i]
		for _, a := range w.out.Apps {
			if a.Pair != nil && a.has(name.Value) && name.Value != a.Name {
				name.Value, changed = a.Name, true
			}
		}
		if !seen[name.Value] {
			out.Content = append(append(out.Content, &name), n.Content[i+1:i+step]...)
		}
		seen[name.Value] = true
	}
	return &out, changed
}

// title writes the project's name down, which so far came from somewhere else.
func (w *writer) title() {
	if w.page.top("name") != nil {
		return
	}
	line := w.page.root.Content[0].Line - 1
	if v := w.page.top("version"); v != nil {
		line = v.to
	}
	w.page.replace(line, line, "name: "+quoted(w.project.Name))
}
