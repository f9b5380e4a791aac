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
