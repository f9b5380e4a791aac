package commitstatus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"teal/reconcile"
	"teal/spec"
)

// due is one status that is to be written.
type due struct {
	about  string // project/service, or project
	newest string // commit of the project
	written
}

type written = Written

// errMoving says that what is wanted changed while it was looked at.
var errMoving = errors.New("a newer commit was accepted meanwhile")

// look compares what is with what was written.
func (r *Reporter) look(ctx context.Context) ([]due, error) {
	before, err := r.newest()
	if err != nil {
		return nil, err
	}
	list, err := r.opts.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the status: %w", err)
	}
	after, err := r.newest()
	if err != nil {
		return nil, err
	}
	if !maps.EqualFunc(before, after, func(a, b spec.Origin) bool { return a.Commit == b.Commit }) {
		return nil, errMoving
	}
	var out []due
	seen := map[string]bool{}
	for _, app := range list {
		from, known := after[app.App.Project]
		if !known {
			continue
		}
		seen[app.App.String()] = true
		found, err := r.lookAt(app, from)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	out = append(out, r.refused(seen)...)
	return append(out, r.gone(seen)...), nil
}

// newest is the commit of each project that comes from a source with statuses.
func (r *Reporter) newest() (map[string]spec.Origin, error) {
	all, err := r.opts.Projects()
	if err != nil {
		return nil, fmt.Errorf("list projects: %w", err)
	}
	out := map[string]spec.Origin{}
	for _, p := range all {
		if o := p.Source.Origin; o != nil && r.opts.Services[o.Source] != nil {
			out[p.Name] = *o
		}
	}
	return out, nil
}

// lookAt compares one app: first the commits before that are not settled, then
// the newest.
func (r *Reporter) lookAt(app reconcile.Status, from spec.Origin) (out []due, err error) {
	about := app.App.String()
	for _, w := range r.ledger.entries[about] {
		if w.Origin.Commit == from.Commit || w.State.final() {
			continue
		}
		d := due{about: about, newest: from.Commit, written: w}
		if w.Generation == app.Generation { // the newer commit asks for the same
			d.State, d.Words = present(app)
		} else if d.State, d.Words, err = r.ended(app.App, w, from.Short()); err != nil {
			return nil, err
		}
		if d.State.final() {
			out = append(out, d)
		}
	}
	had := r.ledger.of(about, from.Commit)
	if had != nil && !had.State.final() {
		had.Generation = app.Generation
	}
	state, words, news := verdict(app, had)
	if !news || app.Kind != "app" && had == nil && state != Failure {
		return out, nil // a dependency is told of only when it is in the way
	}
	return append(out, due{about: about, newest: from.Commit, written: Written{Origin: from, Generation: app.Generation, State: state, Words: words}}), nil
}

func (r *Reporter) ended(app spec.Name, w Written, newer string) (State, string, error) {
	history, err := r.opts.History(app, 0)
	if err != nil {
		return "", "", fmt.Errorf("read the history of %s: %w", app, err)
	}
	state, words := ended(w, history, newer)
	return state, words, nil
}

// refused are the commits whose files were not accepted.
func (r *Reporter) refused(seen map[string]bool) (out []due) {
	if r.opts.Refused == nil {
		return nil
	}
	for _, x := range r.opts.Refused() {
		if r.opts.Services[x.Origin.Source] == nil {
			continue
		}
		about := x.Project
		if about == "" {
			about = x.Origin.Source
		}
		seen[about] = true
		words := shortened("refused: " + x.Words)
		if had := r.ledger.of(about, x.Origin.Commit); had == nil || had.Words != words {
			out = append(out, due{about: about, newest: x.Origin.Commit, written: Written{Origin: x.Origin, State: Failure, Words: words}})
		}
	}
	return out
}

// gone are pending statuses of apps that are not there any more; settled ones are
// forgotten.
func (r *Reporter) gone(seen map[string]bool) (out []due) {
	for _, about := range slices.Sorted(maps.Keys(r.ledger.entries)) {
		if seen[about] {
			continue
		}
		settled := func(w Written) bool { return w.State.final() }
		if !slices.ContainsFunc(r.ledger.entries[about], func(w Written) bool { return !settled(w) }) {
			delete(r.ledger.entries, about)
		}
		for _, w := range r.ledger.entries[about] {
			if !settled(w) {
				d := due{about: about, written: w}
				d.State, d.Words = ended(w, nil, "")
				out = append(out, d)
			}
		}
	}
	return out
}
