package spec

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/override"
	"github.com/compose-spec/compose-go/v2/transform"
)

// model is Compose data, merged from one or more documents.
type model struct {
	data   map[string]any
	places index
}

// mergeDocument puts over, a document whose includes and extends are resolved,
// on top of m, and brings the result into Compose's long forms.
func (l *load) mergeDocument(m *model, over document) bool {
	for _, p := range over.resets {
		remove(m.data, p)
	}
	for name, service := range mapping(over.data["services"]) {
		replaceLists(mapping(mapping(m.data["services"])[name]), mapping(service))
	}
	replaceOwn(m.data, over.data)
	m.places.override(over.places)
	var merged map[string]any
	ok := l.compose(m.places, func() (err error) {
		merged, err = override.Merge(m.data, over.data)
		return err
	})
	if !ok {
		return false
	}
	m.data = merged
	return l.canonical(m)
}

// canonical validates m against Compose's schema and expands its short forms.
func (l *load) canonical(m *model) bool {
	if !l.transform(m, override.EnforceUnicity) {
		return false
	}
	if problems := validateSchema(m.data); len(problems) > 0 {
		l.settle()
		for _, f := range problems {
			l.reportNew(m.places, f)
		}
		return false
	}
	delete(m.data, "version")
	return l.transform(m, func(data map[string]any) (map[string]any, error) {
		data, err := transform.Canonical(data, false)
		if err != nil {
			return nil, err
		}
		// Long forms can reveal repetitions: a range of ports and one of them.
		return override.EnforceUnicity(loader.OmitEmpty(data))
	})
}

// transform replaces the data of m by what a step of the Compose library makes
// of it. If the step fails, it is repeated for each key by itself, to find the
// places that it does not like.
func (l *load) transform(m *model, step func(map[string]any) (map[string]any, error)) bool {
	before := mapping(clone(m.data))
	err := guarded(func() (err error) {
		m.data, err = step(m.data)
		return err
	})
	if err == nil {
		return true
	}
	m.data = before
	found := blame(before, step)
	if len(found) == 0 {
		at := pathIn(err.Error(), m.places)
		found = []finding{{at: at, message: lastWords(err)}}
	}
	l.settle()
	for _, f := range found {
		l.reportNew(m.places, f)
	}
	return false
}

// blame returns the keys for which step fails.
func blame(data map[string]any, step func(map[string]any) (map[string]any, error)) []finding {
	var out []finding
	for _, section := range []string{"services", "networks", "volumes"} {
		for name, v := range mapping(data[section]) {
			for key, value := range mapping(v) {
				alone := map[string]any{section: map[string]any{name: map[string]any{key: clone(value)}}}
				err := guarded(func() error {
					_, err := step(alone)
					return err
				})
				if err != nil {
					out = append(out, finding{at: path{section, name, key}, message: lastWords(err)})
				}
			}
		}
	}
	return out
}

// lastWords leaves out the preamble and the path that a decoder puts before
// what is wrong.
func lastWords(err error) string {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	last := strings.TrimSpace(lines[len(lines)-1])
	if strings.HasPrefix(last, "'") {
		if _, words, ok := strings.Cut(last, "' "); ok {
			return words
		}
	}
	return last
}

// compose runs a step of the Compose library; what it says, or that it
// panicked on input it did not expect, becomes a problem of the file.
func (l *load) compose(places index, step func() error) bool {
	err := guarded(step)
	if err != nil {
		at := pathIn(err.Error(), places)
		l.report(finding{at: at, where: places.find(at), message: lastWords(err)})
	}
	return err == nil
}

func guarded(step func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("a value has a form that Compose does not know (%v)", v)
		}
	}()
	return step()
}

// remove deletes what p addresses.
func remove(data map[string]any, p path) {
	for i, k := range p {
		if i == len(p)-1 {
			delete(data, k)
			return
		}
		data = mapping(data[k])
	}
}

// replaceLists keeps the lists of our own keys whole: Compose appends lists when
// it merges, which makes nonsense of a command.
func replaceLists(base, over map[string]any) {
	replaceOwn(base, over)
	b, o := mapping(base["x-teal"]), mapping(over["x-teal"])
	for _, p := range [][2]string{{"test", "command"}, {"health", "status"}} {
		if _, ok := mapping(o[p[0]])[p[1]]; ok {
			delete(mapping(b[p[0]]), p[1])
		}
	}
	for _, key := range []string{"windows", "freezes"} {
		if _, ok := o[key]; ok {
			delete(b, key)
			delete(base, "x-teal-"+key) // the same, written beside
		}
	}
}

// replaceOwn lets what over says for all services stand alone.
func replaceOwn(base, over map[string]any) {
	for _, key := range ownTop {
		if _, ok := over[key]; ok {
			delete(base, key)
			delete(mapping(base["x-teal"]), strings.TrimPrefix(key, "x-teal-"))
		}
	}
}

// mapping returns v as a mapping; nil, which reads as empty, if it is none.
func mapping(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// clone copies plain values deeply.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = clone(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = clone(e)
		}
		return out
	}
	return v
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
