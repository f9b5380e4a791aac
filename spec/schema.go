package spec

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/compose-spec/compose-go/v2/schema"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// composeSchema compiles Compose's own schema, once. Compose's validator says
// only the first thing that is wrong, and only in words.
var composeSchema = sync.OnceValues(func() (*jsonschema.Schema, error) {
	raw, err := jsonschema.UnmarshalJSON(strings.NewReader(schema.Schema))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.RegisterFormat(&jsonschema.Format{Name: "duration", Validate: func(v any) error {
		s, ok := v.(string)
		if !ok {
			return nil
		}
		_, err := time.ParseDuration(s)
		return err
	}})
	if err := c.AddResource("compose-spec.json", raw); err != nil {
		return nil, err
	}
	return c.Compile("compose-spec.json")
})

// validateSchema returns where data differs from what Compose allows.
func validateSchema(data map[string]any) []finding {
	s, err := composeSchema()
	if err != nil {
		return []finding{{message: "read Compose's schema: " + err.Error()}}
	}
	// The validator wants exactly what a JSON decoder makes.
	text, err := json.Marshal(data)
	if err != nil {
		return []finding{{message: err.Error()}}
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		return []finding{{message: err.Error()}}
	}
	err = s.Validate(value)
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return nil
	}
	all := leaves(invalid)
	// Next to a wrong value, all its neighbours count as not looked at: noise.
	telling := slices.DeleteFunc(slices.Clone(all), func(e *jsonschema.ValidationError) bool {
		_, no := e.ErrorKind.(*kind.FalseSchema)
		return no
	})
	if len(telling) == 0 {
		telling = all
	}
	var out []finding
	for _, leaf := range telling {
		out = append(out, finding{at: instancePath(data, leaf.InstanceLocation), message: schemaMessage(leaf)})
	}
	return out
}

// leaves returns the errors that say something: of alternatives the one that
// fits best, which is the one that got deepest.
func leaves(e *jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(e.Causes) == 0 {
		return []*jsonschema.ValidationError{e}
	}
	var out []*jsonschema.ValidationError
	for _, c := range e.Causes {
		out = append(out, leaves(c)...)
	}
	switch e.ErrorKind.(type) {
	case *kind.OneOf, *kind.AnyOf:
		best := out[0]
		for _, l := range out[1:] {
			if depth(l) > depth(best) {
				best = l
			}
		}
		if depth(best) == len(e.InstanceLocation) {
			return []*jsonschema.ValidationError{alternatives(e, out)}
		}
		return []*jsonschema.ValidationError{best}
	}
	return out
}

func depth(e *jsonschema.ValidationError) int {
	if _, ok := e.ErrorKind.(*kind.AdditionalProperties); ok {
		return len(e.InstanceLocation) + 1
	}
	return len(e.InstanceLocation)
}

// alternatives joins the wanted types of out into one error, if types are all
// that they are about.
func alternatives(e *jsonschema.ValidationError, out []*jsonschema.ValidationError) *jsonschema.ValidationError {
	joined := &kind.Type{}
	for _, l := range out {
		t, ok := l.ErrorKind.(*kind.Type)
		if !ok {
			return l
		}
		joined.Got = t.Got
		joined.Want = append(joined.Want, t.Want...)
	}
	return &jsonschema.ValidationError{InstanceLocation: e.InstanceLocation, ErrorKind: joined}
}

func schemaMessage(e *jsonschema.ValidationError) string {
	switch k := e.ErrorKind.(type) {
	case *kind.Type:
		return fmt.Sprintf("must be %s, not %s", words(k.Want), plainType(k.Got))
	case *kind.FalseSchema:
		return "unknown key"
	case *kind.AdditionalProperties:
		return "unknown key " + strings.Join(k.Properties, ", ")
	}
	return e.ErrorKind.LocalizedString(message.NewPrinter(language.English))
}

func words(types []string) string {
	seen := map[string]bool{}
	var out []string
	for _, t := range types {
		if w := plainType(t); !seen[w] {
			seen[w] = true
			out = append(out, w)
		}
	}
	return strings.Join(out, " or ")
}

func plainType(t string) string {
	switch t {
	case "object":
		return "a mapping"
	case "array":
		return "a list"
	case "string":
		return "text"
	case "boolean":
		return "true or false"
	case "null":
		return "empty"
	case "integer":
		return "a whole number"
	}
	return "a number"
}

// instancePath turns a JSON location into a path; only data knows which
// segments are numbers of items.
func instancePath(data any, location []string) path {
	var p path
	for _, s := range location {
		if list, ok := data.([]any); ok {
			i, err := strconv.Atoi(s)
			if err != nil || i >= len(list) {
				return p
			}
			p, data = p.item(i), list[i]
			continue
		}
		p, data = p.with(s), mapping(data)[s]
	}
	return p
}

// pathIn finds the path that the Compose library names in an error, for its
// place only: the longest one that is known.
func pathIn(words string, places index) path {
	var best path
	for _, word := range strings.FieldsFunc(words, func(r rune) bool { return strings.ContainsRune(" :'\"`,;()", r) }) {
		p := path(strings.Split(word, "."))
		for ; len(p) > len(best); p = p[:len(p)-1] {
			if _, ok := places[p.key()]; ok {
				best = p
				break
			}
		}
	}
	return best
}
