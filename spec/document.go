package spec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"go.yaml.in/yaml/v4"
)

// Limits on one YAML file, after aliases are expanded: a few lines of aliases
// of aliases would otherwise grow to gigabytes.
const (
	maxNodes = 50_000
	maxDepth = 64
)

// document is one YAML document as plain values, with the place of each.
type document struct {
	data   map[string]any
	places index
	// resets are what the document takes back from the files before it (!reset
	// and !override).
	resets []path
}

// parse reads all documents of a file. Values are what Compose's own loader
// makes of them, except that dates stay as they are written.
func parse(file string, content []byte) ([]document, []finding) {
	var docs []document
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			return nil, []finding{syntaxFinding(file, err)}
		}
		b := builder{file: file, doc: document{places: index{"": {file: file}}}}
		if d, ok := b.document(&node); ok {
			docs = append(docs, d)
		}
		if len(b.findings) > 0 {
			return nil, b.findings
		}
	}
}

func syntaxFinding(file string, err error) finding {
	at := position{file: file}
	message := err.Error()
	if load, ok := errors.AsType[*yaml.LoadError](err); ok {
		at.line, at.column = load.Mark.Line, load.Mark.Column
		message = load.Message
	}
	return finding{where: at, message: "not valid YAML: " + message}
}

// builder turns nodes into values.
type builder struct {
	file     string
	doc      document
	findings []finding
	nodes    int
	open     []*yaml.Node // anchors being expanded, to find cycles
}

func (b *builder) document(node *yaml.Node) (document, bool) {
	if node.Kind == yaml.DocumentNode && len(node.Content) == 1 {
		node = node.Content[0]
	}
	if node.Kind == 0 || node.ShortTag() == "!!null" {
		return document{}, false
	}
	value, keep := b.value(node, nil)
	data, ok := value.(map[string]any)
	if keep && !ok && len(b.findings) == 0 {
		b.refuse(node, nil, "a Compose file is a mapping with the key services")
	}
	b.doc.data = data
	return b.doc, ok
}

func (b *builder) refuse(node *yaml.Node, at path, format string, args ...any) {
	where := position{b.file, node.Line, node.Column}
	b.findings = append(b.findings, finding{at: at, where: where, message: fmt.Sprintf(format, args...)})
}

// value returns what node stands for; keep is false for what is taken back.
func (b *builder) value(node *yaml.Node, at path) (value any, keep bool) {
	if len(b.findings) > 0 {
		return nil, true
	}
	if b.nodes++; b.nodes > maxNodes || len(at) > maxDepth {
		b.refuse(node, nil, "too large once its aliases are expanded: at most %d values, %d deep", maxNodes, maxDepth)
		return nil, true
	}
	tag := node.Tag
	switch tag {
	case "!reset":
		b.doc.resets = append(b.doc.resets, at)
		return nil, false
	case "!override":
		b.doc.resets = append(b.doc.resets, at)
		tag = ""
	}
	switch node.Kind {
	case yaml.AliasNode:
		return b.alias(node, at)
	case yaml.MappingNode:
		return b.mapping(node, at), true
	case yaml.SequenceNode:
		return b.sequence(node, at), true
	case yaml.ScalarNode:
		return b.scalar(node, tag, at), true
	}
	b.refuse(node, at, "not a value")
	return nil, true
}

func (b *builder) alias(node *yaml.Node, at path) (any, bool) {
	if slices.Contains(b.open, node.Alias) {
		b.refuse(node, at, "alias *%s contains itself", node.Value)
		return nil, true
	}
	b.open = append(b.open, node.Alias)
	defer func() { b.open = b.open[:len(b.open)-1] }()
	return b.value(node.Alias, at)
}

func (b *builder) sequence(node *yaml.Node, at path) []any {
	out := []any{}
	for _, item := range node.Content {
		next := at.item(len(out))
		b.doc.places[next.key()] = position{b.file, item.Line, item.Column}
		if v, keep := b.value(item, next); keep {
			out = append(out, v)
		}
	}
	return out
}

// mapping builds a mapping; its own keys win over those merged in with <<.
func (b *builder) mapping(node *yaml.Node, at path) map[string]any {
	out := map[string]any{}
	seen := map[string]*yaml.Node{}
	var merges []*yaml.Node
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.ShortTag() == "!!merge" {
			merges = append(merges, value)
			continue
		}
		if before := seen[key.Value]; before != nil {
			b.refuse(key, at.with(key.Value), "written twice: first on line %d", before.Line)
			return out
		}
		seen[key.Value] = key
		b.pair(out, key, value, at)
	}
	for _, m := range merges {
		b.merge(out, m, at)
	}
	return out
}

func (b *builder) pair(out map[string]any, key, value *yaml.Node, at path) {
	if key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str" {
		b.refuse(key, at, "the key %s is not text; put it in quotes", key.Value)
		return
	}
	next := at.with(key.Value)
	b.doc.places[next.key()] = position{b.file, key.Line, key.Column}
	if v, keep := b.value(value, next); keep {
		out[key.Value] = v
	}
}

// merge adds the pairs of a << value that out does not have yet.
func (b *builder) merge(out map[string]any, node *yaml.Node, at path) {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	switch node.Kind {
	case yaml.SequenceNode:
		for _, item := range node.Content {
			b.merge(out, item, at)
		}
	case yaml.MappingNode:
		b.mergePairs(out, node, at)
	default:
		b.refuse(node, at, "<< takes a mapping or a list of mappings")
	}
}

func (b *builder) mergePairs(out map[string]any, node *yaml.Node, at path) {
	if b.nodes++; b.nodes > maxNodes || len(b.open) > maxDepth {
		b.refuse(node, nil, "too large once its merges are expanded")
		return
	}
	b.open = append(b.open, node)
	defer func() { b.open = b.open[:len(b.open)-1] }()
	var merges []*yaml.Node
	for i := 0; i+1 < len(node.Content) && len(b.findings) == 0; i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.ShortTag() == "!!merge" {
			merges = append(merges, value)
		} else if _, has := out[key.Value]; !has {
			b.pair(out, key, value, at)
		}
	}
	for _, m := range merges {
		b.merge(out, m, at)
	}
}

func (b *builder) scalar(node *yaml.Node, tag string, at path) any {
	plain := *node
	if tag != node.Tag {
		plain.Tag = ""
	}
	switch short := plain.ShortTag(); short {
	case "!!str", "!!timestamp":
		return node.Value
	case "!!null", "!!bool", "!!int", "!!float":
		var v any
		if err := plain.Decode(&v); err != nil {
			b.refuse(node, at, "%q is not a value of %s", node.Value, short)
		}
		return v
	default:
		b.refuse(node, at, "the tag %s is not known", short)
		return nil
	}
}
