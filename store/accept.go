package store

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// Accept makes p the desired state of its project, in one transaction, and
// returns what that means for each app: those p names and those it does not name
// any more, sorted by name.
//
// A service that differs from what was accepted before gets the next generation:
// one more than the newest it ever had here, and at least atLeast[name]+1 if it
// is not known here now or comes from a backup. An app that p does not name is orphaned, with its wish
// and generation as they were; with prune it is pruned instead. To be pruned, and
// to be wanted again after that, are changes with a generation of their own.
// Changed is also set when only the orphan mark changed.
//
// [ErrInvalid] if p has no services, names one twice, or names another project.
func (d *DB) Accept(p spec.Project, prune bool, atLeast map[spec.Name]int64, now time.Time) ([]reconcile.Accepted, error) {
	if err := validate(p); err != nil {
		return nil, fmt.Errorf("accept project %q: %w", p.Name, err)
	}
	var out []reconcile.Accepted
	err := d.update("accept project "+p.Name, func(tx *txn) error {
		a := acceptance{tx: tx, project: p, prune: prune, atLeast: atLeast, now: now}
		changed, err := a.run()
		if err != nil {
			return err
		}
		out = a.out
		if !changed {
			return errUnchanged
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func validate(p spec.Project) error {
	if len(p.Services) == 0 {
		return fmt.Errorf("it has no services: %w", ErrInvalid)
	}
	seen := map[spec.Name]bool{}
	for _, s := range p.Services {
		if _, err := appKey(s.Name); err != nil {
			return err
		}
		if s.Name.Project != p.Name {
			return fmt.Errorf("service %s is of another project: %w", s.Name, ErrInvalid)
		}
		if seen[s.Name] {
			return fmt.Errorf("service %s is there twice: %w", s.Name, ErrInvalid)
		}
		seen[s.Name] = true
	}
	return nil
}

// acceptance is one run of Accept.
type acceptance struct {
	tx      *txn
	project spec.Project
	prune   bool
	atLeast map[spec.Name]int64
	now     time.Time
	out     []reconcile.Accepted
}

// run does the whole of it and reports whether anything was written.
func (a *acceptance) run() (changed bool, err error) {
	changed, err = a.keepProject()
	if err != nil {
		return false, err
	}
	for _, s := range a.project.Services {
		if err := a.want(s); err != nil {
			return false, err
		}
	}
	if err := a.leaveOut(); err != nil {
		return false, err
	}
	slices.SortFunc(a.out, func(x, y reconcile.Accepted) int { return strings.Compare(x.App.String(), y.App.String()) })
	for _, o := range a.out {
		changed = changed || o.Changed
	}
	return changed, nil
}

// keepProject keeps the project as a whole.
func (a *acceptance) keepProject() (changed bool, err error) {
	key := []byte(a.project.Name)
	return putNew(a.tx.Bucket(bucketProjects), key, a.project)
}

// want makes s the wish for its app.
func (a *acceptance) want(s spec.Service) error {
	var had reconcile.Desired
	known, err := a.get(s.Name, &had)
	if err != nil {
		return err
	}
	if known && !had.Pruned {
		// Both are computed by this version: another form of the fingerprint, or a
		// new field, does not make every stored wish a change.
		if spec.Fingerprint(had.Service) == spec.Fingerprint(s) {
			return a.keep(s.Name, had, reconcile.Desired{Generation: had.Generation, Accepted: had.Accepted, Service: s, Origin: had.Origin})
		}
	}
	generation, err := a.next(s.Name, known)
	if err != nil {
		return err
	}
	return a.keep(s.Name, had, reconcile.Desired{Generation: generation, Accepted: a.now, Service: s, Origin: a.project.Source.Origin})
}

// leaveOut orphans or prunes the apps that the project does not name any more.
func (a *acceptance) leaveOut() error {
	named := map[spec.Name]bool{}
	for _, s := range a.project.Services {
		named[s.Name] = true
	}
	apps, err := appsOf(a.tx.Bucket(bucketDesired), a.project.Name)
	if err != nil {
		return err
	}
	for _, app := range apps {
		if named[app] {
			continue
		}
		if err := a.abandon(app); err != nil {
			return err
		}
	}
	return nil
}

func (a *acceptance) abandon(app spec.Name) error {
	var had reconcile.Desired
	if _, err := a.get(app, &had); err != nil {
		return err
	}
	next := had
	next.Orphaned, next.Pruned = !a.prune, a.prune
	if next.Pruned != had.Pruned {
		generation, err := a.next(app, true)
		if err != nil {
			return err
		}
		next.Generation, next.Accepted = generation, a.now
	}
	return a.keep(app, had, next)
}

// keep writes next, unless it says what had says, and notes the result.
func (a *acceptance) keep(app spec.Name, had, next reconcile.Desired) error {
	changed := had.Generation != next.Generation || had.Orphaned != next.Orphaned || had.Pruned != next.Pruned
	a.out = append(a.out, reconcile.Accepted{
		App: app, Generation: next.Generation, Changed: changed, Orphaned: next.Orphaned, Pruned: next.Pruned,
	})
	if !changed {
		return nil
	}
	key, err := appKey(app)
	if err != nil {
		return err
	}
	return put(a.tx.Bucket(bucketDesired), key, next)
}

// next counts the generation of app up.
func (a *acceptance) next(app spec.Name, known bool) (int64, error) {
	key, err := appKey(app)
	if err != nil {
		return 0, err
	}
	b := a.tx.Bucket(bucketGenerations)
	var newest int64
	if _, err := get(b, key, &newest); err != nil {
		return 0, err
	}
	var recorded reconcile.Record
	if _, err := get(a.tx.Bucket(bucketRecords), key, &recorded); err != nil {
		return 0, err
	}
	newest = max(newest, recorded.Generation)
	newest = max(newest, recorded.Ahead)
	if !known || recorded.Restored {
		newest = max(newest, a.atLeast[app])
	}
	newest++
	return newest, put(b, key, newest)
}

func (a *acceptance) get(app spec.Name, v *reconcile.Desired) (bool, error) {
	key, err := appKey(app)
	if err != nil {
		return false, err
	}
	return get(a.tx.Bucket(bucketDesired), key, v)
}
