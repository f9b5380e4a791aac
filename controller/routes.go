package controller

import (
	"fmt"
	"maps"
	"slices"

	"teal/controller/api"
	"teal/reconcile"
	"teal/spec"
)

// checkRoutes refuses an offer whose routes somebody else has: the proxy could
// not tell the two apart.
func checkRoutes(o offer, before map[spec.Name]reconcile.Desired) error {
	holders := map[string]spec.Name{} // route in words → who has it
	for _, app := range slices.SortedFunc(maps.Keys(before), byName) {
		d := before[app]
		mine := app.Project == o.project.Name
		if d.Pruned || mine && (o.prune || names(o.project, app)) {
			continue
		}
		for _, r := range routesOf(d.Service) {
			holders[r] = app
		}
	}
	var details []string
	for _, s := range o.project.Services {
		for _, r := range routesOf(s) {
			if other, taken := holders[r]; taken {
				details = append(details, conflictWords(s.Name, other, r, o.project.Name))
			}
			holders[r] = s.Name
		}
	}
	if len(details) == 0 {
		return nil
	}
	return &api.Error{Reason: api.ReasonInvalid, Message: details[0], Details: details, Hint: "give one of them another host or path"}
}

func conflictWords(app, other spec.Name, route, project string) string {
	words := fmt.Sprintf("%s and %s both claim %s", app, other, route)
	if other.Project == project && app != other {
		words += fmt.Sprintf(" (%s may be left over: remove it with prune)", other)
	}
	return words
}

func names(p spec.Project, app spec.Name) bool {
	return slices.ContainsFunc(p.Services, func(s spec.Service) bool { return s.Name == app })
}

// routesOf returns, in words, what a service claims of the proxy.
func routesOf(s spec.Service) []string {
	if s.Rollout == nil {
		return nil
	}
	r := s.Rollout.Route
	out := []string{fmt.Sprintf("host %s, path %s", r.Host, r.Path)}
	if r.Preview.Host != "" {
		out = append(out, "preview host "+r.Preview.Host)
	}
	return out
}
