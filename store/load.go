package store

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"teal/reconcile"
	"teal/spec"
)

// Projects returns the accepted projects, sorted by name.
func (d *DB) Projects() ([]spec.Project, error) {
	var out []spec.Project
	err := d.view("list projects", func(tx *txn) error {
		b := tx.Bucket(bucketProjects)
		return b.ForEach(func(k, v []byte) error {
			var p spec.Project
			if err := b.decode(k, v, &p); err != nil {
				return err
			}
			out = append(out, p)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Apps returns every app that has a desired state or a record, sorted.
func (d *DB) Apps() ([]spec.Name, error) {
	var out []spec.Name
	err := d.view("list apps", func(tx *txn) error {
		for _, bucket := range [][]byte{bucketDesired, bucketRecords} {
			apps, err := appsOf(tx.Bucket(bucket), "")
			if err != nil {
				return err
			}
			out = append(out, apps...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b spec.Name) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(out), nil
}

// appsOf lists the apps of a project that have an entry in b; "" is every one.
func appsOf(b *bucket, project string) ([]spec.Name, error) {
	var out []spec.Name
	err := b.ForEach(func(k, _ []byte) error {
		if app := appOf(k); project == "" || app.Project == project {
			out = append(out, app)
		}
		return nil
	})
	return out, err
}

// Load returns the state of one app; ok is false if there is neither a desired
// state nor a record of it. An app without a record yet has one with its name
// alone.
func (d *DB) Load(app spec.Name) (state reconcile.State, ok bool, err error) {
	key, err := appKey(app)
	if err != nil {
		return reconcile.State{}, false, fmt.Errorf("load: %w", err)
	}
	err = d.view("load "+app.String(), func(tx *txn) error {
		state = reconcile.State{}
		wanted, err := get(tx.Bucket(bucketDesired), key, &state.Desired)
		if err != nil {
			return err
		}
		recorded, err := get(tx.Bucket(bucketRecords), key, &state.Record)
		if err != nil {
			return err
		}
		if ok = wanted || recorded; !ok {
			return nil
		}
		state.Record.Name = app
		if state.Commands, err = waiting(tx, key); err != nil {
			return err
		}
		state.Previous, err = previous(tx, key, state.Record.Stable)
		return err
	})
	if err != nil {
		return reconcile.State{}, false, err
	}
	return state, ok, nil
}

// previous returns the newest revision in history that became stable, is not
// what stable is now, and can be made again; nil if there is none. Only the
// rollout it finds is read: those that failed are many, and long with evidence.
func previous(tx *txn, key []byte, stable *reconcile.Placement) (*reconcile.Placement, error) {
	b := tx.Bucket(bucketStables).Bucket(key)
	if b == nil {
		return nil, nil
	}
	c := b.Cursor()
	for k, v := c.Last(); k != nil; k, v = c.Prev() {
		var id string
		if err := b.decode(k, v, &id); err != nil {
			return nil, err
		}
		if stable != nil && id == stable.Revision.ID {
			continue
		}
		var r reconcile.Rollout
		if _, err := get(tx.Bucket(bucketHistory).Bucket(key), k, &r); err != nil {
			return nil, err
		}
		return &reconcile.Placement{
			Colour: r.Colour, Revision: r.Revision, Health: r.Health,
			Generation: r.Generation, Rollout: r.ID, Since: r.Ended, Origin: r.Origin,
		}, nil
	}
	return nil, nil
}

// History returns the finished rollouts of app, newest first, at most limit; 0
// is all that are kept. An app that is gone keeps its history.
func (d *DB) History(app spec.Name, limit int) ([]reconcile.Rollout, error) {
	key, err := appKey(app)
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	var out []reconcile.Rollout
	err = d.view("read history of "+app.String(), func(tx *txn) error {
		b := tx.Bucket(bucketHistory).Bucket(key)
		if b == nil {
			return nil
		}
		c := b.Cursor()
		for k, v := c.Last(); k != nil && (limit <= 0 || len(out) < limit); k, v = c.Prev() {
			var r reconcile.Rollout
			if err := b.decode(k, v, &r); err != nil {
				return err
			}
			out = append(out, r)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Events returns the events after number after, oldest first, at most limit (0:
// no limit), and the number to ask after next time: of the last event looked at,
// whether it was of app or not. An empty app is every app. Numbers grow for ever;
// the 5,000 newest events are kept. If after is beyond the newest event, as after
// a rebuild, the answer is no event and the newest number.
func (d *DB) Events(app spec.Name, after uint64, limit int) ([]reconcile.Event, uint64, error) {
	var (
		out  []reconcile.Event
		last uint64
	)
	err := d.view("read events", func(tx *txn) error {
		b := tx.Bucket(bucketEvents)
		last = newest(b)
		if after >= last {
			return nil
		}
		c := b.Cursor()
		for k, v := c.Seek(number(after + 1)); k != nil; k, v = c.Next() {
			if limit > 0 && len(out) == limit {
				break
			}
			var e reconcile.Event
			if err := b.decode(k, v, &e); err != nil {
				return err
			}
			if app == (spec.Name{}) || e.App == app {
				out = append(out, e)
			}
			last = binary.BigEndian.Uint64(k)
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	return out, last, nil
}
