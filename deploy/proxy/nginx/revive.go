package nginx

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Prepare brings the place to where nginx can be started and read: with the
// table that was served last or, in a new place, with a configuration that
// answers every request 503. It changes nothing in a place that is in order.
func (d *Driver) Prepare(ctx context.Context) error {
	release, err := d.take(ctx)
	if err != nil {
		return fmt.Errorf("prepare %s: %w", d.o.Place, err)
	}
	defer release()
	loaded, err := d.ready(ctx)
	if err != nil {
		return err
	}
	return d.finish(ctx, loaded)
}

// ready makes sure that nginx answers, and returns what it runs.
func (d *Driver) ready(ctx context.Context) (string, error) {
	if name, err := d.ask(ctx); err == nil {
		return name, nil
	} else if ctx.Err() != nil {
		return "", err
	}
	if err := d.revive(ctx); err != nil {
		return "", err
	}
	return d.ask(ctx)
}

// revive makes an nginx that does not answer serve what was served last.
func (d *Driver) revive(ctx context.Context) error {
	_, before := d.files(ctx) // what nginx needs to start; a container that is not there has nothing
	started, err := d.o.Place.Ensure(ctx)
	if err != nil {
		return fmt.Errorf("start nginx in %s: %w", d.o.Place, errors.Join(err, before))
	}
	changed, err := d.files(ctx)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, d.o.Settle)
	defer cancel()
	if started && !changed && d.answers(limited, "") == nil {
		return nil
	}
	if _, err := d.ask(ctx); err == nil {
		return nil
	}
	if out, err := d.o.Place.Nginx(ctx, "-t"); err != nil {
		return fmt.Errorf("test the configuration of %s: %w", d.o.Place, refusal(orError(out, err)))
	}
	if out, err := d.o.Place.Nginx(ctx, "-s", "reload"); err != nil {
		return fmt.Errorf("reload nginx in %s: %w: %s", d.o.Place, ErrUnreachable, complaints(orError(out, err)))
	}
	again, cancelAgain := context.WithTimeout(ctx, d.o.Settle)
	defer cancelAgain()
	if err := d.answers(again, ""); err != nil {
		return fmt.Errorf("%w; its configuration must have the line \"include %s/%s;\" at http level", err, d.o.Place.Folder(), included)
	}
	return nil
}

func orError(out string, err error) string {
	if strings.TrimSpace(out) == "" {
		return err.Error()
	}
	return out
}

// files puts what nginx needs to start into the folder, where it is not, and
// reports whether it did.
func (d *Driver) files(ctx context.Context) (changed bool, err error) {
	s, err := loadState(ctx, d.o.Place)
	if err != nil {
		return false, err
	}
	if s == nil {
		s = d.memory.last
	}
	conf, err := d.render(ctx, s)
	if err != nil {
		return false, err
	}
	if s != nil && s.Config == conf.name && d.inPlace(ctx, conf) || s == nil && d.inPlace(ctx, conf) {
		return false, nil
	}
	d.memory.sets = map[string]bool{}
	if s != nil {
		for i := range s.Table.Routes {
			r := &s.Table.Routes[i]
			if err := d.point(ctx, r.App, choiceOf(r), s.Sets); err != nil {
				return false, err
			}
		}
	}
	before := ""
	if s != nil {
		before = s.Config
	}
	if err := d.install(ctx, conf, s, before); err != nil {
		return false, err
	}
	if s == nil {
		return true, nil
	}
	s.Config = conf.name
	return true, s.save(ctx, d.o.Place, nil)
}

// inPlace reports whether the configuration's files and the link to them are as
// they should be.
func (d *Driver) inPlace(ctx context.Context, c configuration) bool {
	entry, err := d.o.Place.Read(ctx, included)
	if err != nil || string(entry) != d.entry() {
		return false
	}
	for _, f := range c.files {
		content, err := d.o.Place.Read(ctx, current+"/"+f.Name)
		if err != nil || string(content) != string(f.Content) {
			return false
		}
	}
	return true
}

// Refresh loads what has changed beside the table: the certificate, or the
// version of nginx.
func (d *Driver) Refresh(ctx context.Context) error {
	release, err := d.take(ctx)
	if err != nil {
		return fmt.Errorf("refresh %s: %w", d.o.Place, err)
	}
	defer release()
	s, err := loadState(ctx, d.o.Place)
	if err != nil || s == nil {
		return err
	}
	conf, err := d.render(ctx, s)
	if err != nil {
		return err
	}
	loaded, err := d.ask(ctx)
	if err != nil || conf.name == loaded {
		return err
	}
	if loaded != s.Config {
		return errors.New("nginx runs another configuration than its table says; the next table settles that")
	}
	if err := d.load(ctx, conf, s, loaded); err != nil {
		return err
	}
	s.Config = conf.name
	return s.save(ctx, d.o.Place, s)
}
