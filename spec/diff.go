package spec

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Change is one difference between two desired states, for people.
type Change struct {
	Path string `json:"path"`          // services.was.container.image
	Old  string `json:"old,omitempty"` // empty: was not there
	New  string `json:"new,omitempty"` // empty: is not there any more
}

// String returns "path: old → new".
func (c Change) String() string {
	switch {
	case c.Old == "":
		return c.Path + ": added " + c.New
	case c.New == "":
		return c.Path + ": removed " + c.Old
	}
	return c.Path + ": " + c.Old + " → " + c.New
}

// Words that stand for a value that is not shown.
const (
	hidden        = "(hidden)"
	hiddenChanged = "(changed)"
)

// Diff returns what differs between two desired states, sorted by path. Where
// they were read from does not count. Values that are often secret (environment
// variables, contents of secrets, command lines, probe headers, the query of a probe's path, preview
// tokens, options of drivers) are not shown, only that they changed.
func Diff(from, to Project) []Change {
	var out []Change
	a, b := services(from), services(to)
	for _, name := range union(a, b) {
		at := path{"services", name}
		x, had := a[name]
		y, has := b[name]
		switch {
		case !had:
			out = append(out, Change{Path: at.String(), New: y.Container.Image})
		case !has:
			out = append(out, Change{Path: at.String(), Old: x.Container.Image})
		default:
			out = diffValue(out, at, plain(x), plain(y))
		}
	}
	if from.Name != to.Name {
		out = append(out, Change{"name", from.Name, to.Name})
	}
	slices.SortFunc(out, func(x, y Change) int { return strings.Compare(x.Path, y.Path) })
	return out
}

func services(p Project) map[string]Service {
	out := map[string]Service{}
	for _, s := range p.Services {
		out[s.Name.Service] = s
	}
	return out
}

// plain returns v as the API shows it; a value of our own types always can be.
func plain(v any) any {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	var out any
	if err := json.Unmarshal(text, &out); err != nil {
		return err.Error()
	}
	return out
}

func diffValue(out []Change, at path, a, b any) []Change {
	x, xMap := a.(map[string]any)
	y, yMap := b.(map[string]any)
	if (xMap || a == nil) && (yMap || b == nil) && (xMap || yMap) {
		for _, k := range union(x, y) {
			out = diffValue(out, at.with(k), x[k], y[k])
		}
		return out
	}
	p, pList := a.([]any)
	q, qList := b.([]any)
	if pList && qList && len(p) == len(q) {
		for i := range p {
			out = diffValue(out, at.item(i), p[i], q[i])
		}
		return out
	}
	if sameJSON(a, b) {
		return out
	}
	c := Change{at.String(), show(a), show(b)}
	if at[len(at)-1] == "path" {
		c.Old, c.New = withoutQuery(c.Old), withoutQuery(c.New)
	}
	if secret(at) {
		c.Old, c.New = veil(a, hidden), veil(b, hidden)
		if a != nil && b != nil {
			c.New = hiddenChanged
		}
	}
	return append(out, c)
}

// withoutQuery hides what a path asks with: "/health?key=…".
func withoutQuery(path string) string {
	if before, _, asks := strings.Cut(path, "?"); asks {
		return before + "?" + hidden
	}
	return path
}

// secret reports whether the value at a path must not be shown.
func secret(at path) bool {
	for _, key := range []string{"environment", "headers", "token", "options", "driver_opts", "body", "command", "entrypoint", "content"} {
		if slices.Contains(at[2:], key) {
			return true
		}
	}
	i := slices.Index(at, "healthcheck")
	return i > 1 && i+1 < len(at) && at[i+1] == "test"
}

// Shown returns c as people may see it: values that are often secret are
// "(hidden)", as in [Diff].
func (c Container) Shown() Container { return shown(c) }

// Shown returns h as people may see it.
func (h Health) Shown() Health { return shown(h) }

// shown hides the secrets of a value of our own types.
func shown[T any](v T) T {
	text, err := json.Marshal(cover(path{"", ""}, plain(v)))
	var out T
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		panic("spec: hide secrets: " + err.Error()) // only texts were put in the place of texts
	}
	return out
}

// cover replaces every text of v that is secret at its path.
func cover(at path, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = cover(at.with(k), e)
		}
	case []any:
		for i, e := range v {
			v[i] = cover(at.item(i), e)
		}
	case string:
		switch {
		case secret(at):
			return hidden
		case at[len(at)-1] == "path":
			return withoutQuery(v)
		}
	}
	return v
}

func veil(v any, word string) string {
	if v == nil {
		return ""
	}
	return word
}

func show(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		if v == "" || strings.ContainsAny(v, " \n\t") {
			return strconv.Quote(v)
		}
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any, map[string]any:
		text, err := json.Marshal(masked(v))
		if err != nil {
			return err.Error()
		}
		return string(text)
	}
	return fmt.Sprint(v)
}

// masked hides secret values inside a list that is shown whole.
func masked(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = masked(v[i])
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			if out[k] = masked(e); secret(path{"", "", k}) {
				out[k] = hidden
			}
		}
		return out
	}
	return v
}

func union[V any](a, b map[string]V) []string {
	keys := append(sortedKeys(a), sortedKeys(b)...)
	slices.Sort(keys)
	return slices.Compact(keys)
}
