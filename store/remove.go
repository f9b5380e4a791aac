package store

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// Remove prunes every app of a project and forgets the project, in one
// transaction. It is a request of its own, so that a project without services
// can never be accepted by mistake. An unknown project is nothing to remove.
func (d *DB) Remove(project string, now time.Time) ([]reconcile.Accepted, error) {
	var out []reconcile.Accepted
	err := d.update("remove project "+project, func(tx *txn) error {
		a := acceptance{tx: tx, project: spec.Project{Name: project}, prune: true, now: now}
		if err := a.leaveOut(); err != nil {
			return err
		}
		out = a.out
		if len(out) == 0 && tx.Bucket(bucketProjects).Get([]byte(project)) == nil {
			return errUnchanged
		}
		return tx.Bucket(bucketProjects).Delete([]byte(project))
	})
	if err != nil {
		return nil, fmt.Errorf("remove project %q: %w", project, err)
	}
	slices.SortFunc(out, func(x, y reconcile.Accepted) int { return strings.Compare(x.App.String(), y.App.String()) })
	return out, nil
}

// Orphan marks every app of a project as not named any more, in one transaction.
// Wishes and generations stay as they are, and so does the project, which may be
// named again.
func (d *DB) Orphan(project string) ([]reconcile.Accepted, error) {
	var out []reconcile.Accepted
	err := d.update("orphan project "+project, func(tx *txn) error {
		a := acceptance{tx: tx, project: spec.Project{Name: project}}
		apps, err := appsOf(tx.Bucket(bucketDesired), project)
		if err != nil {
			return err
		}
		for _, app := range apps {
			if err := a.orphan(app); err != nil {
				return err
			}
		}
		out = a.out
		if !slices.ContainsFunc(out, func(o reconcile.Accepted) bool { return o.Changed }) {
			return errUnchanged
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("orphan project %q: %w", project, err)
	}
	slices.SortFunc(out, func(x, y reconcile.Accepted) int { return strings.Compare(x.App.String(), y.App.String()) })
	return out, nil
}

// orphan marks app as not named any more, unless it is to be removed anyway.
func (a *acceptance) orphan(app spec.Name) error {
	var had reconcile.Desired
	if _, err := a.get(app, &had); err != nil || had.Pruned {
		return err
	}
	next := had
	next.Orphaned = true
	return a.keep(app, had, next)
}
