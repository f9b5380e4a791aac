package adopt

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// page is a Compose file that is edited by lines: what no edit touches stays as
// it was written, blank lines and comments included.
type page struct {
	lines []string
	root  *yaml.Node // a mapping
	edits []edit
}

// edit replaces the lines from (counted from 0) up to, without, to.
type edit struct {
	from, to int
	with     []string
}

// entry is one pair of a mapping with its lines, without the comments above.
type entry struct {
	key, value *yaml.Node
	from, to   int
}

func (e *entry) indent() string { return strings.Repeat(" ", e.key.Column-1) }

// read parses a file that holds one document.
func read(text []byte) (*page, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("read YAML: %w", err)
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode || flows(doc.Content[0]) {
		return nil, errors.New("a Compose file is a mapping, one key per line")
	}
	lines := strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return &page{lines: lines, root: doc.Content[0]}, nil
}

func flows(n *yaml.Node) bool { return n.Style&yaml.FlowStyle != 0 }

// entries returns the pairs of a mapping in block style, which ends at line end.
func (p *page) entries(m *yaml.Node, end int) []*entry {
	var out []*entry
	for i := 0; i+1 < len(m.Content); i += 2 {
		e := &entry{key: m.Content[i], value: m.Content[i+1], from: m.Content[i].Line - 1, to: end}
		if i+2 < len(m.Content) {
			e.to = m.Content[i+2].Line - 1
		}
		for e.to > e.from+1 && p.between(e.to-1, e.key.Column-1) {
			e.to--
		}
		out = append(out, e)
	}
	return out
}

// between reports whether a line is blank, or a comment that is not deeper than
// indent: it belongs to what comes next.
func (p *page) between(line, indent int) bool {
	text := strings.TrimLeft(p.lines[line], " \t")
	return text == "" || strings.HasPrefix(text, "#") && len(p.lines[line])-len(text) <= indent
}

// top returns a pair of the file itself, nil if there is none.
func (p *page) top(name string) *entry { return named(p.entries(p.root, len(p.lines)), name) }

// services returns the pairs of services.
func (p *page) services() []*entry {
	s := p.top("services")
	if s == nil || s.value.Kind != yaml.MappingNode || flows(s.value) {
		return nil
	}
	return p.entries(s.value, s.to)
}

func (p *page) service(name string) *entry { return named(p.services(), name) }

// keys returns the pairs of an entry's own mapping.
func (p *page) keys(e *entry) []*entry {
	if e.value.Kind != yaml.MappingNode || flows(e.value) {
		return nil
	}
	return p.entries(e.value, e.to)
}

func named(list []*entry, name string) *entry {
	i := slices.IndexFunc(list, func(e *entry) bool { return e.key.Value == name })
	if i < 0 {
		return nil
	}
	return list[i]
}

func (p *page) replace(from, to int, with ...string) {
	p.edits = append(p.edits, edit{from, to, with})
}

// drop removes an entry with the comments right above it.
func (p *page) drop(e *entry) {
	from := e.from
	for from > 0 && strings.HasPrefix(strings.TrimLeft(p.lines[from-1], " "), "#") && p.between(from-1, e.key.Column-1) {
		from--
	}
	to := e.to
	first := from == 0 || p.lines[from-1] == "" || len(p.lines[from-1])-len(strings.TrimLeft(p.lines[from-1], " ")) < e.key.Column-1
	if first && to < len(p.lines) && p.lines[to] == "" {
		to++ // of two blank lines, one is left
	}
	p.replace(from, to)
}

// rename gives an entry another key.
func (p *page) rename(e *entry, name string) {
	line, at := p.lines[e.from], e.key.Column-1
	end := at + strings.Index(line[at:], ":")
	p.replace(e.from, e.from+1, line[:at]+name+line[end:])
}

// outcomment keeps an entry as a comment, below the reason.
func (p *page) outcomment(e *entry, reason string) {
	with := []string{e.indent() + "# " + reason}
	for _, line := range p.lines[e.from:e.to] {
		rest := strings.TrimPrefix(line, e.indent())
		with = append(with, strings.TrimRight(e.indent()+"# "+rest, " "))
	}
	p.replace(e.from, e.to, with...)
}

// add puts lines behind all that belongs to an entry, one level deeper.
func (p *page) add(e *entry, lines ...string) {
	indent := e.indent() + "  "
	if keys := p.keys(e); len(keys) > 0 {
		indent = keys[0].indent()
	}
	var with []string
	for _, line := range lines {
		with = append(with, indent+line)
	}
	p.replace(e.to, e.to, with...)
}

// text returns the file with all edits made. Of several edits of the same lines
// the last one counts; edits inside of lines that go as a whole go with them.
func (p *page) text() []byte {
	var edits []edit
	for i, e := range p.edits {
		same := func(o edit) bool { return e.from == o.from && e.to == o.to && e.to > e.from }
		if !slices.ContainsFunc(p.edits, e.within) && !slices.ContainsFunc(p.edits[i+1:], same) {
			edits = append(edits, e)
		}
	}
	slices.Reverse(edits) // of those at the same place, the last one first
	slices.SortStableFunc(edits, func(a, b edit) int {
		if a.from != b.from {
			return b.from - a.from
		}
		return b.to - a.to
	})
	lines := slices.Clone(p.lines)
	for _, e := range edits {
		lines = slices.Replace(lines, e.from, e.to, e.with...)
	}
	return []byte(strings.Join(lines, "\n") + "\n")
}

func (e edit) within(o edit) bool {
	inside := o.from <= e.from && e.to <= o.to && o.to-o.from > e.to-e.from
	return inside && (e.to > e.from || o.from < e.from && e.from < o.to)
}

// again reads the file anew after its edits.
func (p *page) again() (*page, error) { return read(p.text()) }

// encode writes a pair in block style, indented.
func encode(key string, value *yaml.Node, indent string) ([]string, error) {
	block := *value
	block.Style &^= yaml.FlowStyle
	if value.Kind == yaml.AliasNode { // what is merged can have keys beside it
		block = yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!merge", Value: "<<"}, value}}
	}
	pair := yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: key}, &block}}
	text, err := yaml.Dump(&pair, yaml.WithIndent(2))
	if err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	var out []string
	for line := range strings.SplitSeq(strings.TrimRight(string(text), "\n"), "\n") {
		out = append(out, indent+line)
	}
	return out, nil
}
