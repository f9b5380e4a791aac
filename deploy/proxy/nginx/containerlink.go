package nginx

import (
	"context"
	"path"
)

// relinker is a place that points a link elsewhere with one call, where a call
// takes long.
type relinker interface {
	relink(ctx context.Context, target, name string) error
}

// relink makes name a link to target in one atomic step. A folder that was made
// by hand under the name goes.
func relink(ctx context.Context, p Place, target, name string) error {
	if r, ok := p.(relinker); ok {
		return r.relink(ctx, target, name)
	}
	fresh := path.Join(path.Dir(name), ".new."+path.Base(name))
	if err := p.Remove(ctx, fresh); err != nil { // of an attempt that was interrupted
		return err
	}
	if err := p.Link(ctx, target, fresh); err != nil {
		return err
	}
	if p.Rename(ctx, fresh, name) == nil {
		return nil
	}
	if err := p.Remove(ctx, name); err != nil {
		return err
	}
	return p.Rename(ctx, fresh, name)
}
