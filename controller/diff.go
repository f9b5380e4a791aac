package controller

import (
	"strings"

	"teal/controller/api"
	"teal/spec"
)

// changesBetween lists what differs between two wishes for one service, in the
// file's words.
func changesBetween(before, after spec.Service) []api.Change {
	one := func(s spec.Service) spec.Project {
		s.Name = after.Name
		return spec.Project{Name: after.Name.Project, Services: []spec.Service{s}}
	}
	var out []api.Change
	for _, c := range spec.Diff(one(before), one(after)) {
		key := strings.TrimPrefix(c.Path, "services."+after.Name.Service+".")
		out = append(out, api.Change{Key: inFileWords(key), From: c.Old, To: c.New})
	}
	return out
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
