package fake

import (
	"reflect"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// Accept implements controller.Store.
func (s *Store) Accept(p spec.Project, prune bool, atLeast map[spec.Name]int64, now time.Time) ([]reconcile.Accepted, error) {
	if err := s.write("accept"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(p.Services) == 0 {
		return nil, ErrInvalid
	}
	s.projects[p.Name] = p
	var out []reconcile.Accepted
	named := map[spec.Name]bool{}
	for _, service := range p.Services {
		named[service.Name] = true
		had, known := s.desired[service.Name]
		next := reconcile.Desired{Generation: had.Generation, Accepted: had.Accepted, Service: service, Origin: had.Origin}
		if !known || had.Pruned || !reflect.DeepEqual(had.Service, service) {
			next.Generation, next.Accepted = s.count(service.Name, known, atLeast), now
			next.Origin = p.Source.Origin
		}
		out = append(out, s.want(service.Name, had, next))
	}
	s.writes++
	return append(out, s.leaveOut(p.Name, named, prune, now)...), nil
}

// leaveOut orphans or prunes the project's apps that are not named.
func (s *Store) leaveOut(project string, named map[spec.Name]bool, prune bool, now time.Time) []reconcile.Accepted {
	var out []reconcile.Accepted
	for _, app := range s.sorted() {
		if app.Project != project || named[app] {
			continue
		}
		had := s.desired[app]
		next := had
		next.Orphaned, next.Pruned = !prune, prune
		if next.Pruned != had.Pruned {
			next.Generation, next.Accepted = s.count(app, true, nil), now
		}
		out = append(out, s.want(app, had, next))
	}
	return out
}

// Remove implements controller.Store.
func (s *Store) Remove(project string, now time.Time) ([]reconcile.Accepted, error) {
	if err := s.write("remove"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	delete(s.projects, project)
	return s.leaveOut(project, nil, true, now), nil
}

// Orphan implements controller.Store.
func (s *Store) Orphan(project string) ([]reconcile.Accepted, error) {
	if err := s.write("orphan"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	return s.leaveOut(project, nil, false, time.Time{}), nil
}

func (s *Store) count(app spec.Name, known bool, atLeast map[spec.Name]int64) int64 {
	newest := s.generations[app]
	if !known {
		newest = max(newest, atLeast[app])
	}
	s.generations[app] = newest + 1
	return newest + 1
}

func (s *Store) want(app spec.Name, had, next reconcile.Desired) reconcile.Accepted {
	changed := had.Generation != next.Generation || had.Orphaned != next.Orphaned || had.Pruned != next.Pruned
	if changed {
		s.desired[app] = next
	}
	return reconcile.Accepted{App: app, Generation: next.Generation, Changed: changed, Orphaned: next.Orphaned, Pruned: next.Pruned}
}
