package spec

import (
	"bytes"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// leastBare is how long a decrypted value is, in bytes, to be hidden wherever it
// stands; a shorter one, which may be any word, is hidden in quotes.
const leastBare = 8

// shroud knows the values of files that were encrypted, and takes them out of what
// is said about the files.
type shroud struct{ values []string }

// learn adds the values of a file. What stands in it encrypted and plain alike,
// as SOPS leaves names and comments, is no secret.
func (v *shroud) learn(text, encrypted []byte) {
	add := func(value string) {
		if value != "" && !bytes.Contains(encrypted, []byte(value)) {
			v.values = append(v.values, value)
		}
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		add(line)
		if _, value, ok := strings.Cut(line, "="); ok {
			add(strings.TrimSpace(value))
			add(strings.Trim(strings.TrimSpace(value), `'"`))
		}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var node yaml.Node
		if decoder.Decode(&node) != nil {
			break // its end; or it is no YAML, and its lines are all that is known
		}
		scalars(&node, 0, func(value string) {
			add(value)
			for _, part := range strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(":/=,@? \n", r) }) {
				add(part)
			}
		})
	}
	slices.SortFunc(v.values, func(a, b string) int { return len(b) - len(a) }) // the whole before its parts
	v.values = slices.Compact(v.values)
}

// scalars calls yield with every value of a mapping or list, not with its keys.
func scalars(n *yaml.Node, depth int, yield func(string)) {
	if depth > maxDepth {
		return
	}
	switch n.Kind {
	case yaml.ScalarNode:
		yield(n.Value)
	case yaml.MappingNode:
		for i := 1; i < len(n.Content); i += 2 {
			scalars(n.Content[i], depth+1, yield)
		}
	default:
		for _, c := range n.Content {
			scalars(c, depth+1, yield)
		}
	}
}

// over returns what is said without the values.
func (v *shroud) over(said string) string {
	for _, value := range v.values {
		for _, quoted := range []string{quote(value), "'" + value + "'", "`" + value + "`"} {
			said = strings.ReplaceAll(said, quoted, hidden)
		}
		if len(value) >= leastBare {
			said = strings.ReplaceAll(said, value, hidden)
		}
	}
	return said
}
