package config

import (
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v4"
)

// Table says how a file writes a list flag whose values are
// NAME=URL?field=value&…: as a mapping of names, each to a URL or to a mapping of
// "url" and fields.
//
//	hosts:
//	  edge: unix:///var/run/docker.sock
//	  app: {url: ssh://deploy@10.0.0.5, address: 10.0.0.5}
type Table struct {
	Key    string   // in the file; the flag's own name is then no key
	Fields []string // that may be given beside the URL
	Paths  []string // fields that hold paths, commas between several; relative ones are relative to the file's folder
	// Instead is the field that may stand in the place of the URL; empty: none.
	Instead string
}

// Annotations of a table's flag.
const (
	tableKey    = "teal_key"
	tableFields = "teal_fields"
	tablePaths  = "teal_field_paths"
	tableElse   = "teal_field_instead"
)

// mainField is the one that is not a parameter.
const mainField = "url"

// MarkTable says that the flag called name holds a table.
func MarkTable(flags *pflag.FlagSet, name string, t Table) error {
	for _, a := range []struct {
		name   string
		values []string
	}{{tableKey, []string{t.Key}}, {tableFields, t.Fields}, {tablePaths, t.Paths}, {tableElse, []string{t.Instead}}} {
		if err := flags.SetAnnotation(name, a.name, a.values); err != nil {
			return err
		}
	}
	return nil
}

func isTable(x *pflag.Flag) bool { return x.Annotations[tableKey] != nil }

// fitsTable reports whether n is a mapping as a table is written, and tells
// everything that is wrong with it.
func (f *filler) fitsTable(x *pflag.Flag, n *yaml.Node) bool {
	before := len(f.problems)
	names := map[string]bool{}
	for name, value := range entries(n) {
		if names[name.Value] {
			f.problem(f.at(name), "%s.%s is given twice", key(x), name.Value)
		}
		names[name.Value] = true
		switch {
		case value.Kind == yaml.MappingNode:
			f.fitsFields(x, name, value)
		case !isText(value) || value.Value == "":
			f.problem(f.at(value), "%s.%s is a URL, or a mapping with a url", key(x), name.Value)
		}
	}
	return len(f.problems) == before
}

// fitsFields checks one entry that is written as a mapping.
func (f *filler) fitsFields(x *pflag.Flag, name, fields *yaml.Node) {
	known := append([]string{mainField}, x.Annotations[tableFields]...)
	given := map[string]bool{}
	for field, value := range entries(fields) {
		at := key(x) + "." + name.Value + "." + field.Value
		switch {
		case !slices.Contains(known, field.Value):
			f.problem(f.at(field), "%s is not a key here%s", at, suggestion(field.Value, known))
		case given[field.Value]:
			f.problem(f.at(field), "%s is given twice", at)
		case !isText(value) && !isTexts(value):
			f.problem(f.at(value), "%s is a text, or a list of texts", at)
		}
		given[field.Value] = true
	}
	if instead := x.Annotations[tableElse][0]; !given[mainField] && (instead == "" || !given[instead]) {
		f.problem(f.at(name), "%s.%s has no %s", key(x), name.Value, mainField)
	}
}

func isText(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag != "!!null" }

func isTexts(n *yaml.Node) bool {
	return n.Kind == yaml.SequenceNode && !slices.ContainsFunc(n.Content, func(item *yaml.Node) bool { return !isText(item) })
}

// joined is a value with commas between the items of a list.
func joined(n *yaml.Node) string {
	if n.Kind != yaml.SequenceNode {
		return n.Value
	}
	items := make([]string, 0, len(n.Content))
	for _, item := range n.Content {
		items = append(items, item.Value)
	}
	return strings.Join(items, ",")
}

// entries are the pairs of a mapping, in order.
func entries(n *yaml.Node) func(yield func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i], n.Content[i+1]) {
				return
			}
		}
	}
}

// tableTexts returns the values of a table as they would be given to the flag.
func (f *filler) tableTexts(x *pflag.Flag, n *yaml.Node) []string {
	var out []string
	for name, value := range entries(n) {
		base, query, _ := strings.Cut(value.Value, "?")
		params, err := url.ParseQuery(query)
		if err != nil { // whoever reads the URL says so
			out = append(out, name.Value+"="+value.Value)
			continue
		}
		for field, v := range entries(value) {
			if field.Value == mainField {
				base = v.Value
				continue
			}
			params.Set(field.Value, joined(v))
		}
		f.absolute(x, params)
		if len(params) > 0 {
			base += separator(base) + params.Encode()
		}
		out = append(out, name.Value+"="+base)
	}
	return out
}

// separator is for a URL that may have parameters of its own.
func separator(base string) string {
	if strings.Contains(base, "?") {
		return "&"
	}
	return "?"
}

// absolute makes paths independent of the folder the program runs in.
func (f *filler) absolute(x *pflag.Flag, params url.Values) {
	for _, field := range x.Annotations[tablePaths] {
		given := params.Get(field)
		if given == "" {
			continue
		}
		paths := strings.Split(given, ",")
		for i, p := range paths {
			if p = strings.TrimSpace(p); p != "" && !filepath.IsAbs(p) {
				paths[i] = filepath.Join(filepath.Dir(f.file), p)
			}
		}
		params.Set(field, strings.Join(paths, ","))
	}
}
