package spec

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// assemble turns merged Compose data into a project and checks it. whole is
// false if merging broke off: then only x-teal blocks are looked at, to report
// as much as there is to report.
func (l *load) assemble(m model, whole bool) *Project {
	active := l.active(m)
	l.spread(m)
	said := map[string]said{}
	for _, name := range m.services() {
		service := mapping(mapping(m.data["services"])[name])
		unfinished := service["extends"] != nil // its block may be only a part
		if active(name) && !unfinished {
			said[name] = l.said(m, name, service)
		}
	}
	if !whole {
		return nil
	}
	// Short forms are long by now, and show keys that were hidden in them.
	honoured.check(m.data, nil, func(f finding) { l.reportAt(m.places, f) })
	composed, ok := l.typed(m)
	if !ok {
		return nil
	}
	p := &Project{Name: l.name}
	l.settle()
	for _, name := range sortedKeys(composed.Services) {
		c := converter{load: l, project: composed, places: m.places, name: name, at: path{"services", name}}
		p.Services = append(p.Services, c.service(composed.Services[name], said[name]))
	}
	markJobs(p.Services, composed)
	l.settle()
	for _, f := range check(*p, l.opts.Policy) {
		l.reportNew(m.places, f)
	}
	return p
}

// said is what the keys of our own say about a service.
type said struct {
	rollout *Rollout // nil: a dependency
	publish *Publish
	hosts   []string
	adopt   []Adopted

	calendars []Calendar
}

func (l *load) said(m model, name string, service map[string]any) said {
	at := path{"services", name}
	report := func(f finding) { l.reportAt(m.places, f) }
	var out said
	if raw, ok := service["x-teal"]; ok {
		v := value{at.with("x-teal"), raw, report}
		out.rollout = xteal(v, exposedPorts(service["expose"]), checkedByCompose(service["healthcheck"]))
		if raw, ok := mapping(raw)["publish"]; ok {
			out.publish = publish(value{v.at.with("publish"), raw, report})
		}
	}
	if raw, ok := service[keyHosts]; ok {
		out.hosts = hosts(value{at.with(keyHosts), raw, report})
	}
	if raw, ok := service[keyAdopt]; ok {
		out.adopt = adopted(value{at.with(keyAdopt), raw, report}, out.rollout != nil, out.hosts)
	}
	out.calendars = l.calendars(report, at, service)
	return out
}

// typed lets the Compose library read m into its types.
func (l *load) typed(m model) (composed *types.Project, ok bool) {
	details := types.ConfigDetails{WorkingDir: l.opts.Policy.Dir, Environment: types.Mapping(l.env)}
	opts := loader.ToOptions(&details, []func(*loader.Options){loader.WithProfiles(l.profiles())})
	opts.SkipConsistencyCheck = true // it stops at the first problem: see check
	opts.SkipResolveEnvironment = true
	opts.SkipResolveLabels = true
	opts.SetProjectName(l.name, true)
	ok = l.transform(&m, func(data map[string]any) (map[string]any, error) {
		data["name"] = l.name
		data, err := loader.Normalize(data, types.Mapping(l.env))
		if err != nil {
			return nil, err
		}
		composed, err = loader.ModelToProject(data, opts, details)
		return data, err
	})
	return composed, ok
}

// markJobs finds the dependencies that others wait for to complete. One that
// does not say how it restarts must not.
func markJobs(services []Service, composed *types.Project) {
	awaited := map[string]bool{}
	for _, s := range services {
		for _, d := range s.DependsOn {
			awaited[d.Service] = awaited[d.Service] || d.Condition == Completed
		}
	}
	for i := range services {
		s := &services[i]
		if !awaited[s.Name.Service] || s.Rollout != nil {
			continue
		}
		s.Job = true
		if composed.Services[s.Name.Service].Restart == "" {
			s.Container.Restart = restartNever
		}
	}
}

// exposedPorts reads expose: single TCP ports only.
func exposedPorts(raw any) []int {
	items, _ := raw.([]any)
	seen := map[int]bool{}
	for _, item := range items {
		var s string
		switch item := item.(type) {
		case string:
			s = strings.TrimSuffix(item, "/tcp")
		case int:
			s = strconv.Itoa(item)
		}
		n, err := strconv.Atoi(s)
		if err != nil {
			return nil // a range, UDP: it does not name exactly one
		}
		seen[n] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

// checkedByCompose reports whether a service's healthcheck makes the engine
// check it.
func checkedByCompose(raw any) bool {
	h, ok := raw.(map[string]any)
	if !ok || h["disable"] == true {
		return false
	}
	switch t := h["test"].(type) {
	case string:
		return t != "" && t != "NONE"
	case []any:
		return len(t) > 0 && t[0] != "NONE"
	}
	return false
}
