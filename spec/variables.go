package spec

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/interpolation"
	"github.com/compose-spec/compose-go/v2/tree"
)

// maxExpanded limits one value after its variables are filled in, in bytes.
const maxExpanded = 1 << 20

// variables are the names and values that ${NAME} may stand for. The process's
// environment is never among them: the same files mean the same everywhere.
type variables map[string]string

// with returns v and what other has beside it; v wins.
func (v variables) with(other variables) variables {
	out := maps.Clone(v)
	if out == nil {
		out = variables{}
	}
	for k, value := range other {
		if _, ok := out[k]; !ok {
			out[k] = value
		}
	}
	return out
}

// expand fills in the variables of s by Compose's rules: $NAME, ${NAME}, $$ for
// a dollar sign, and ${NAME:-default}, ${NAME-default}, ${NAME:?error},
// ${NAME?error}, ${NAME:+value}, ${NAME+value}, which may be nested. Unlike
// Compose it refuses a variable that has no value and no default.
func (v variables) expand(s string) (string, error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(s, "$")
		out.WriteString(before)
		if out.Len() > maxExpanded {
			return "", fmt.Errorf("grows over %d KiB", maxExpanded>>10)
		}
		if !found {
			return out.String(), nil
		}
		value, after, err := v.one(rest)
		if err != nil {
			return "", err
		}
		out.WriteString(value)
		s = after
	}
}

// one expands what follows a dollar sign and returns the rest.
func (v variables) one(s string) (value, rest string, err error) {
	if strings.HasPrefix(s, "$") {
		return "$", s[1:], nil
	}
	if strings.HasPrefix(s, "{") {
		end := closing(s)
		if end < 0 {
			return "", "", fmt.Errorf("${ is not closed; write $$ for a dollar sign")
		}
		value, err = v.braced(s[1:end])
		return value, s[end+1:], err
	}
	n := nameLength(s)
	if n == 0 {
		return "", "", fmt.Errorf("a lone $; write $$ for a dollar sign")
	}
	value, err = v.need(s[:n])
	return value, s[n:], err
}

// closing returns where the brace that opens s is closed, or -1.
func closing(s string) int {
	depth := 0
	for i, c := range s {
		switch c {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

func nameLength(s string) int {
	for i, c := range s {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return i
		}
	}
	return len(s)
}

func (v variables) need(name string) (string, error) {
	value, ok := v[name]
	if !ok {
		return "", fmt.Errorf("the variable %s has no value: set it in .env or write ${%s:-default}"+
			" (the environment of the process is not read)", name, name)
	}
	return value, nil
}

// braced expands the inside of ${…}.
func (v variables) braced(s string) (string, error) {
	n := nameLength(s)
	name, rest := s[:n], s[n:]
	if n == 0 {
		return "", fmt.Errorf("${%s} is not a variable; write $$ for a dollar sign", s)
	}
	if rest == "" {
		return v.need(name)
	}
	value, set := v[name]
	operator := rest[0]
	if operator == ':' && len(rest) > 1 {
		set = set && value != ""
		rest = rest[1:]
		operator = rest[0]
	}
	word := rest[1:]
	switch {
	case operator == '-' && !set, operator == '+' && set:
		return v.expand(word)
	case operator == '-', operator == '?' && set:
		return value, nil
	case operator == '+':
		return "", nil
	case operator == '?':
		return "", v.missing(name, word)
	}
	return "", fmt.Errorf("${%s} is not understood; after the name come :- :? :+ - ? or +", s)
}

func (v variables) missing(name, word string) error {
	reason, err := v.expand(word)
	if err != nil || reason == "" {
		return fmt.Errorf("the variable %s is required and has no value", name)
	}
	return fmt.Errorf("the variable %s is required and has no value: %s", name, reason)
}

// fill expands every text of value and casts the result where Compose wants
// something else than text.
func (v variables) fill(value any, at path, casts map[tree.Path]interpolation.Cast, report func(finding)) any {
	switch value := value.(type) {
	case string:
		out, err := v.cast(value, at, casts)
		if err != nil {
			report(finding{at: at, message: err.Error()})
			return value
		}
		return out
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(value)) {
			value[k] = v.fill(value[k], at.with(k), casts, report)
		}
		return value
	case []any:
		for i := range value {
			value[i] = v.fill(value[i], at.item(i), casts, report)
		}
		return value
	}
	return value
}

func (v variables) cast(s string, at path, casts map[tree.Path]interpolation.Cast) (any, error) {
	out, err := v.expand(s)
	if err != nil {
		return nil, err
	}
	p := tree.NewPath()
	for _, segment := range at {
		if isIndex(segment) {
			segment = tree.PathMatchList
		}
		p = p.Next(segment)
	}
	for pattern, cast := range casts {
		if p.Matches(pattern) {
			typed, err := cast(out)
			if err != nil {
				return nil, fmt.Errorf("%q is not the kind of value this key takes", out)
			}
			return typed, nil
		}
	}
	return out, nil
}
