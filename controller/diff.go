package controller

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"teal/controller/api"
	"teal/spec"
)

// changesBetween lists what differs between two wishes, in the file's words.
// Values of the environment are not shown: they may be secrets.
func changesBetween(before, after spec.Service) []api.Change {
	from, to := flatten(before), flatten(after)
	keys := map[string]bool{}
	for k := range from {
		keys[k] = true
	}
	for k := range to {
		keys[k] = true
	}
	var out []api.Change
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if from[k] == to[k] {
			continue
		}
		c := api.Change{Key: inFileWords(k), From: from[k], To: to[k]}
		if strings.HasPrefix(c.Key, "environment.") {
			c.From, c.To = hidden(c.From), hidden(c.To)
		}
		out = append(out, c)
	}
	return out
}

func hidden(value string) string {
	if value == "" {
		return ""
	}
	return "(not shown)"
}

// inFileWords turns a path in our types into the key an operator writes.
func inFileWords(key string) string {
	if rest, ok := strings.CutPrefix(key, "container."); ok {
		return rest
	}
	if rest, ok := strings.CutPrefix(key, "rollout"); ok {
		return "x-teal" + rest
	}
	return key
}

// flatten lists the leaves of a wish by their path.
func flatten(s spec.Service) map[string]string {
	out := map[string]string{}
	b, err := json.Marshal(s)
	if err != nil {
		return out // a Service is made of plain values only
	}
	var tree any
	if err := json.Unmarshal(b, &tree); err != nil {
		return out
	}
	leaves("", tree, out)
	return out
}

func leaves(path string, v any, out map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			leaves(strings.TrimPrefix(path+"."+k, "."), x, out)
		}
	case []any:
		if text, err := json.Marshal(v); err == nil {
			out[path] = string(text)
		}
	case nil:
	default:
		out[path] = fmt.Sprint(v)
	}
}
