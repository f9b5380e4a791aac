package controller

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"teal/spec"
)

// family knows which apps there are and who depends on whom, so that a change
// of a database is a reason to look at what waits for it.
type family struct {
	mu      sync.Mutex
	apps    map[spec.Name]bool
	waiting map[spec.Name][]spec.Name
}

// read learns everything anew from the store.
func (f *family) read(store Store) error {
	apps, err := store.Apps()
	if err != nil {
		return fmt.Errorf("list apps: %w", err)
	}
	projects, err := store.Projects()
	if err != nil {
		return fmt.Errorf("list projects: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.apps, f.waiting = map[spec.Name]bool{}, map[spec.Name][]spec.Name{}
	for _, app := range apps {
		f.apps[app] = true
	}
	for _, p := range projects {
		for _, s := range p.Services {
			for _, d := range s.DependsOn {
				on := spec.Name{Project: p.Name, Service: d.Service}
				f.waiting[on] = append(f.waiting[on], s.Name)
			}
		}
	}
	return nil
}

// all returns every known app, sorted.
func (f *family) all() []spec.Name {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.SortedFunc(maps.Keys(f.apps), byName)
}

// forget drops an app of which nothing is left.
func (f *family) forget(app spec.Name) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.apps, app)
}

// dependents returns the apps whose depends_on names app.
func (f *family) dependents(app spec.Name) []spec.Name {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.waiting[app])
}

func byName(a, b spec.Name) int { return strings.Compare(a.String(), b.String()) }
