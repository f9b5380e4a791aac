package nginx

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"teal/reconcile"
	"teal/spec"
)

// Apply makes nginx serve exactly table. When it returns nil, every later
// request follows it. The table that is served already is accepted again; an
// older one, or another one with the same number, is [ErrStale].
//
// What colour serves, weights and previews change by one rename per app, with no
// reload. Hosts, paths, limits and addresses are configuration: it is tested by
// nginx first, and if nginx refuses, the one before stays in use.
func (d *Driver) Apply(ctx context.Context, t reconcile.Table) error {
	if err := errors.Join(checked(t), checkNames(t)); err != nil {
		return fmt.Errorf("apply table %d: %w", t.Seq, err)
	}
	release, err := d.take(ctx)
	if err != nil {
		return fmt.Errorf("apply table %d: %w", t.Seq, err)
	}
	defer release()
	if err := d.apply(ctx, t); err != nil {
		return fmt.Errorf("apply table %d: %w", t.Seq, err)
	}
	return nil
}

func (d *Driver) apply(ctx context.Context, t reconcile.Table) error {
	loaded, err := d.ready(ctx)
	if err != nil {
		return err
	}
	old, err := loadState(ctx, d.o.Place)
	if err != nil {
		return err
	}
	if old == nil {
		old = d.memory.last
	}
	if old != nil && (t.Seq < old.Table.Seq || t.Seq == old.Table.Seq && !reflect.DeepEqual(t, old.Table)) {
		return fmt.Errorf("%w: table %d is served", ErrStale, old.Table.Seq)
	}
	return d.change(ctx, old, old.after(t), loaded)
}

// change goes from old to next. The addresses that traffic leaves stay until it
// has left them, and those that it goes to are there before it comes.
func (d *Driver) change(ctx context.Context, old, next *state, loaded string) error {
	d.forget(old, next)
	final, err := d.render(ctx, next)
	if err != nil {
		return err
	}
	first := final
	if old != nil {
		if first, err = d.render(ctx, next.heldBack(old)); err != nil {
			return err
		}
	}
	if err := d.introduce(ctx, old, next); err != nil {
		return err
	}
	if err := d.serve(ctx, first, next, loaded); err != nil {
		return err
	}
	next.Config = first.name
	if err := next.save(ctx, d.o.Place, old); err != nil {
		return err
	}
	if err := d.settle(ctx, next, old); err != nil {
		return err
	}
	if final.name != first.name {
		if err := d.load(ctx, final, next, first.name); err != nil {
			return err
		}
		next.Config = final.name
		if err := next.save(ctx, d.o.Place, old); err != nil {
			return err
		}
	}
	d.memory.last = next
	d.counts.assign(next)
	return d.unlink(ctx, old, next)
}

// serve loads c unless nginx runs it, from files that are as Teal wrote them.
func (d *Driver) serve(ctx context.Context, c configuration, next *state, loaded string) error {
	if c.name == loaded {
		like := *next
		like.Config = c.name
		conversation, err := d.converse(ctx)
		if err != nil {
			return err
		}
		good, err := d.untouched(conversation, &like)
		conversation.close()
		if good || err != nil {
			return err
		}
		d.o.Logger.Warn("the configuration was changed by hand", "place", d.o.Place.String(), "configuration", c.name)
	}
	return d.load(ctx, c, next, loaded)
}

// forget makes a slot that changes hands be seen idle anew, and keeps apps that
// leave until they are idle.
func (d *Driver) forget(old, next *state) {
	if old == nil {
		return
	}
	for i := range old.Apps {
		if next.find(old.Apps[i].App) == nil {
			next.Gone = append(next.Gone, old.Apps[i])
		}
	}
	for _, a := range old.Gone {
		if next.find(a.App) == nil && len(next.Gone) < goneKept {
			next.Gone = append(next.Gone, a)
		}
	}
	for i := range next.Apps {
		a := &next.Apps[i]
		for _, c := range []spec.Colour{spec.Blue, spec.Green} {
			if before := old.find(a.App); before != nil && before.slot(c).Revision != a.slot(c).Revision {
				delete(d.memory.gone, slotKey{app: a.App, colour: c})
			}
		}
	}
}

// goneKept bounds how many apps without a route are still looked at.
const goneKept = 50

// introduce writes the flags of apps that nginx does not know yet.
func (d *Driver) introduce(ctx context.Context, old, next *state) error {
	for i := range next.Table.Routes {
		r := &next.Table.Routes[i]
		if old.find(r.App) == nil {
			if err := d.point(ctx, r.App, choiceOf(r), next.Sets); err != nil {
				return err
			}
		}
	}
	return nil
}

// settle makes the flags of every app say what the table says, and believes only
// nginx about it.
func (d *Driver) settle(ctx context.Context, next, old *state) error {
	for attempt := range 3 {
		wrong, err := d.wrong(ctx, next)
		if err != nil || len(wrong) == 0 {
			return err
		}
		if attempt == 1 { // the shared folders were changed by hand: others in their place
			next.Sets++
			if err := next.save(ctx, d.o.Place, old); err != nil {
				return err
			}
		}
		for _, r := range wrong {
			if err := d.point(ctx, r.App, choiceOf(r), next.Sets); err != nil {
				return err
			}
		}
	}
	wrong, err := d.wrong(ctx, next)
	if err != nil || len(wrong) == 0 {
		return err
	}
	return fmt.Errorf("the rules of nginx in %s do not follow the flags of %s in %s/flags: can its workers read that folder?", d.o.Place, wrong[0].App, d.o.Place.Folder())
}

// wrong are the routes whose traffic goes elsewhere than the table says.
func (d *Driver) wrong(ctx context.Context, s *state) ([]*reconcile.Route, error) {
	c, err := d.converse(ctx)
	if err != nil {
		return nil, err
	}
	defer c.close()
	seen := map[spec.Name]seenFlags{}
	if err := d.lookAtFlags(c, s, seen); err != nil {
		return nil, err
	}
	var out []*reconcile.Route
	for i := range s.Table.Routes {
		if r := &s.Table.Routes[i]; !seen[r.App].right {
			out = append(out, r)
		}
	}
	return out, nil
}

// unlink removes the flags of apps that have left.
func (d *Driver) unlink(ctx context.Context, old, next *state) error {
	if old == nil {
		return nil
	}
	var names []string
	for i := range old.Apps {
		if next.find(old.Apps[i].App) == nil {
			names = append(names, "flags/"+fileOf(old.Apps[i].App))
		}
	}
	if len(names) == 0 {
		return nil
	}
	if err := d.o.Place.Remove(ctx, names...); err != nil {
		return fmt.Errorf("remove flags: %w", err)
	}
	return nil
}
