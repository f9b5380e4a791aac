package notify

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"teal/reconcile"
	"teal/spec"
)

// defaultEvents is what a target is told that does not say.
const defaultEvents = "warnings,results"

// results are the reasons that say how a rollout ended.
var results = []reconcile.Reason{
	reconcile.ReasonPromoted, reconcile.ReasonRolledBack, reconcile.ReasonUndone, reconcile.ReasonDegraded, reconcile.ReasonRemoved,
}

// selection says which events are wanted.
type selection struct {
	events []string // all, warnings, results, patterns of reasons; with ! in front: not those
	apps   []string // patterns of project/service; none: all, and what is of no app
}

func parseSelection(events, apps string) (s selection, err error) {
	if events == "" {
		events = defaultEvents
	}
	s = selection{events: list(events), apps: list(apps)}
	for _, e := range s.events {
		if err := checkEvent(strings.TrimPrefix(e, "!")); err != nil {
			return s, inField("events", err)
		}
	}
	if !slices.ContainsFunc(s.events, func(e string) bool { return !strings.HasPrefix(e, "!") }) {
		return s, errors.New("events: nothing is left: name what is wanted, too, as in warnings,!HostAway")
	}
	for _, a := range s.apps {
		if _, err := path.Match(a, ""); err != nil || strings.Count(a, "/") != 1 {
			return s, fmt.Errorf("apps: %q is no pattern of project/service, such as shop/* or */web", a)
		}
	}
	return s, nil
}

// list cuts at commas and spaces.
func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

// checkEvent refuses what can never match.
func checkEvent(e string) error {
	if slices.Contains([]string{"all", "warnings", "results"}, e) {
		return nil
	}
	best, least := "", 4
	for _, r := range reasons {
		if ok, err := path.Match(e, string(r)); err != nil {
			return fmt.Errorf("%q is no pattern", e)
		} else if ok {
			return nil
		}
		if d := levenshtein.ComputeDistance(strings.ToLower(e), strings.ToLower(string(r))); d < least {
			best, least = string(r), d
		}
	}
	if best != "" {
		return fmt.Errorf("there is no event %s; did you mean %s?", e, best)
	}
	return fmt.Errorf("there is no event %s: there are all, warnings, results, and the reasons of teal events, with * for any letters", e)
}

// has reports whether e is wanted.
func (s selection) has(e reconcile.Event) bool {
	if len(s.apps) > 0 && !s.hasApp(e.App) {
		return false
	}
	wanted := false
	for _, pattern := range s.events {
		pattern, not := strings.CutPrefix(pattern, "!")
		if !matches(pattern, e) {
			continue
		}
		if not {
			return false
		}
		wanted = true
	}
	return wanted
}

func matches(pattern string, e reconcile.Event) bool {
	switch pattern {
	case "all":
		return true
	case "warnings":
		return e.Warning
	case "results":
		return slices.Contains(results, e.Reason)
	}
	ok, err := path.Match(pattern, string(e.Reason))
	return ok && err == nil
}

func (s selection) hasApp(app spec.Name) bool {
	return slices.ContainsFunc(s.apps, func(pattern string) bool {
		ok, err := path.Match(pattern, app.String())
		return ok && err == nil
	})
}
