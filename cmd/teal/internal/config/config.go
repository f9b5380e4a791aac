// Package config fills settings from, in this order: flags, the environment
// (TEAL_… ), a file (teal.yaml), defaults. The flags of a verb are the schema:
// a flag --max-parallel is TEAL_MAX_PARALLEL in the environment and
// max_parallel in the file.
//
// It promises that nothing is ignored: an unknown key, a repeated key or a value
// of the wrong kind is a [Problem] that names file and line, or the variable.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v4"
)

// Problem is one setting that is wrong.
type Problem struct {
	Where   string // "teal.yaml:3" or "TEAL_RESYNC"
	Message string
}

// Error returns "where: message".
func (p Problem) Error() string { return p.Where + ": " + p.Message }

// Problems are all settings that are wrong, in the order they were met.
type Problems []Problem

// Error returns one line for each.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, x := range p {
		lines[i] = x.Error()
	}
	return strings.Join(lines, "\n")
}

// path marks flags whose relative values in a file are relative to its folder.
const path = "teal_path"

// MarkPath says that the flag called name holds paths.
func MarkPath(flags *pflag.FlagSet, name string) error {
	return flags.SetAnnotation(name, path, []string{"true"})
}

// Fill sets every flag that was not given from the environment, else from file
// (empty: none). The settings are those flags that schema has too, except the
// ones called in not; keys of schema that flags lacks are checked and left. The
// error is [Problems], or one of reading the file.
func Fill(flags, schema *pflag.FlagSet, env func(string) string, file string, not ...string) error {
	f := &filler{schema: schema, not: append(not, "help"), file: file}
	given := map[string]bool{}
	flags.Visit(func(x *pflag.Flag) { given[x.Name] = true })
	values, err := f.read()
	if err != nil {
		return err
	}
	schema.VisitAll(func(x *pflag.Flag) {
		if node := values[x.Name]; node != nil && !f.fits(x, node) {
			delete(values, x.Name)
		}
	})
	flags.VisitAll(func(x *pflag.Flag) {
		if !f.known(x.Name) || given[x.Name] {
			return
		}
		if v := env(Variable(x.Name)); v != "" {
			f.set(x, Variable(x.Name), split(x, v))
			return
		}
		if node := values[x.Name]; node != nil {
			f.set(x, f.at(node), f.texts(x, node))
		}
	})
	if len(f.problems) > 0 {
		return f.problems
	}
	return nil
}

// Variable returns the name of a flag's environment variable.
func Variable(flag string) string {
	return "TEAL_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// filler is one run of Fill.
type filler struct {
	schema   *pflag.FlagSet
	not      []string
	file     string
	problems Problems
}

func (f *filler) known(flag string) bool {
	return f.schema.Lookup(flag) != nil && !slices.Contains(f.not, flag)
}

func (f *filler) problem(where, format string, args ...any) {
	f.problems = append(f.problems, Problem{Where: where, Message: fmt.Sprintf(format, args...)})
}

func (f *filler) at(n *yaml.Node) string { return fmt.Sprintf("%s:%d", f.file, n.Line) }

// read returns the file's values by flag name.
func (f *filler) read() (map[string]*yaml.Node, error) {
	if f.file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(f.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Problems{{Where: f.file, Message: "there is no such file"}}
	}
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, Problems{{Where: f.file, Message: "is not YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}}
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	top := doc.Content[0]
	if top.Kind != yaml.MappingNode {
		return nil, Problems{{Where: f.at(top), Message: "the file must hold keys and values"}}
	}
	return f.keys(top), nil
}

func (f *filler) keys(top *yaml.Node) map[string]*yaml.Node {
	out := map[string]*yaml.Node{}
	for i := 0; i+1 < len(top.Content); i += 2 {
		name, value := top.Content[i], top.Content[i+1]
		flag, known := f.flags()[name.Value]
		switch {
		case !known:
			f.problem(f.at(name), "%s is not a key here%s", name.Value, f.near(name.Value))
		case out[flag] != nil:
			f.problem(f.at(name), "%s is given twice", name.Value)
		default:
			out[flag] = value
		}
	}
	return out
}

// flags returns the names of the settings by their keys in the file.
func (f *filler) flags() map[string]string {
	out := map[string]string{}
	f.schema.VisitAll(func(x *pflag.Flag) {
		if f.known(x.Name) {
			out[key(x)] = x.Name
		}
	})
	return out
}

// near suggests the nearest known key.
func (f *filler) near(name string) string {
	return suggestion(name, slices.Sorted(maps.Keys(f.flags())))
}

// suggestion names the nearest of what is known, if anything is near.
func suggestion(name string, known []string) string {
	best, least := "", max(2, len(name)/3)+1
	for _, k := range known {
		if d := levenshtein.ComputeDistance(name, k); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// fits reports whether a value's shape is right for a flag.
func (f *filler) fits(x *pflag.Flag, n *yaml.Node) bool {
	_, list := x.Value.(pflag.SliceValue)
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			f.problem(f.at(n), "%s has no value", key(x))
			return false
		}
		return true
	case yaml.SequenceNode:
		for _, item := range n.Content {
			if !list || item.Kind != yaml.ScalarNode {
				f.problem(f.at(item), "%s is %s", key(x), kindWords(x))
				return false
			}
		}
		return true
	case yaml.MappingNode:
		if isTable(x) {
			return f.fitsTable(x, n)
		}
		if _, ok := x.Annotations[pairs]; ok {
			return true
		}
	case yaml.DocumentNode, yaml.AliasNode, yaml.StreamNode:
	}
	f.problem(f.at(n), "%s is %s", key(x), kindWords(x))
	return false
}

// pairs marks list flags of KEY=VALUE, which a file may write as a mapping.
const pairs = "teal_pairs"

// MarkPairs says that the flag called name holds a list of KEY=VALUE.
func MarkPairs(flags *pflag.FlagSet, name string) error {
	return flags.SetAnnotation(name, pairs, []string{"true"})
}

// key is what a flag is called in the file.
func key(x *pflag.Flag) string {
	if k := x.Annotations[tableKey]; k != nil {
		return k[0]
	}
	return strings.ReplaceAll(x.Name, "-", "_")
}

func kindWords(x *pflag.Flag) string {
	if isTable(x) {
		return "a mapping of names to URLs"
	}
	if _, ok := x.Value.(pflag.SliceValue); ok {
		return "a list of texts"
	}
	return "one value (" + x.Value.Type() + ")"
}

// texts returns a value's texts, paths made absolute.
func (f *filler) texts(x *pflag.Flag, n *yaml.Node) []string {
	var out []string
	switch n.Kind {
	case yaml.SequenceNode:
		for _, item := range n.Content {
			out = append(out, item.Value)
		}
	case yaml.MappingNode:
		if isTable(x) {
			return f.tableTexts(x, n)
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			out = append(out, n.Content[i].Value+"="+n.Content[i+1].Value)
		}
	case yaml.ScalarNode, yaml.DocumentNode, yaml.AliasNode, yaml.StreamNode:
		out = []string{n.Value}
	}
	if _, ok := x.Annotations[path]; ok {
		for i, p := range out {
			if p != "" && !filepath.IsAbs(p) {
				out[i] = filepath.Join(filepath.Dir(f.file), p)
			}
		}
	}
	return out
}

// split cuts a variable's value into a list's items at commas.
func split(x *pflag.Flag, v string) []string {
	if _, ok := x.Value.(pflag.SliceValue); ok {
		return strings.Split(v, ",")
	}
	return []string{v}
}

// set gives a flag its value without marking it as given.
func (f *filler) set(x *pflag.Flag, where string, texts []string) {
	var err error
	if list, ok := x.Value.(pflag.SliceValue); ok {
		err = list.Replace(texts)
	} else {
		err = x.Value.Set(texts[0])
	}
	if err != nil {
		f.problem(where, "%s: %q is not %s", key(x), strings.Join(texts, ","), kindWords(x))
	}
}
