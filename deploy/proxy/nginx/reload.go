package nginx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"time"
)

// canaries are idle connections to the status server that are opened before a
// reload: a worker that ends closes its listening sockets first and its idle
// connections then, so when all canaries are gone, no old worker takes
// connections any more.
const canaries = 8

// reload makes nginx load the configuration called name, and returns when every
// worker that takes connections runs it.
//
// A worker that ends closes idle client connections, and a POST that is on its
// way on one of them is lost. From 1.27.4 on nginx keeps them for a while
// (keepalive_min_timeout). For older versions a flag makes every answer end its
// connection, until none is idle or the limit has passed.
func (d *Driver) reload(ctx context.Context, name string, v version) (err error) {
	limited, cancel := context.WithTimeout(ctx, d.o.Close+d.o.Settle+askLimit)
	defer cancel()
	birds, err := d.perch(limited)
	if err != nil {
		return err
	}
	defer func() {
		for _, c := range birds {
			c.close()
		}
	}()
	if len(birds) > 0 { // otherwise there is no worker to hold
		letGo, err := d.anchor(limited)
		if err != nil {
			return err
		}
		defer time.AfterFunc(anchored, letGo)
	}
	asked := false
	if !v.keeps() && len(birds) > 0 {
		d.memory.quiet = false
		if err := d.o.Place.Write(limited, File{Name: closing}); err != nil {
			return fmt.Errorf("announce a reload: %w", err)
		}
		defer func() {
			if _, refused := errors.AsType[*ExitError](err); err == nil || !asked || refused {
				err = errors.Join(err, d.open(ctx))
			} // else it may still come: the announcement stays until one is seen to be over
		}()
		if err := d.empty(limited, birds[0]); err != nil {
			return err
		}
	}
	asked = true
	if out, err := d.o.Place.Nginx(limited, "-s", "reload"); err != nil {
		return fmt.Errorf("reload nginx in %s: %w: %s", d.o.Place, err, complaints(out))
	}
	return d.settled(limited, name, birds)
}

// open takes the flag away, also when ctx has ended in the middle.
func (d *Driver) open(ctx context.Context) error {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), askLimit)
	defer cancel()
	if err := d.o.Place.Remove(limited, closing); err != nil {
		return fmt.Errorf("end the announcement of a reload: %w", err)
	}
	d.memory.quiet = true
	return nil
}

// finish ends a reload that was announced and not seen to be over: its process
// was killed, or nginx' answer was lost. It is done once more, as old workers may
// still be there; what has no table to compare with is for the next table.
func (d *Driver) finish(ctx context.Context, loaded string) error {
	if d.memory.quiet {
		return nil
	}
	_, err := d.o.Place.Read(ctx, closing)
	if errors.Is(err, fs.ErrNotExist) {
		d.memory.quiet = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for an announcement of a reload: %w", err)
	}
	s, err := loadState(ctx, d.o.Place)
	if err != nil || s == nil || s.Config != loaded {
		return err
	}
	v, err := askVersion(ctx, d.o.Place)
	if err != nil {
		return err
	}
	if err := d.reload(ctx, loaded, v); err != nil || d.memory.quiet {
		return err
	}
	return d.open(ctx)
}

// perch opens the canaries; none where no status server answers yet.
func (d *Driver) perch(ctx context.Context) ([]*conversation, error) {
	var out []*conversation
	for range canaries {
		c, err := d.converse(ctx)
		if err == nil {
			if _, _, err = c.loaded(); err != nil { // from now on it is idle
				c.close()
			}
		}
		if err != nil {
			for _, c := range out {
				c.close()
			}
			return nil, ctx.Err()
		}
		out = append(out, c)
	}
	return out, nil
}

// empty waits until no client connection is idle, at most Options.Close.
func (d *Driver) empty(ctx context.Context, c *conversation) error {
	limit := time.NewTimer(d.o.Close)
	defer limit.Stop()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		_, waiting, err := c.loaded()
		if err != nil {
			return err
		}
		if waiting >= 0 && waiting < canaries { // the one that asks is not idle
			return nil
		}
		select {
		case <-tick.C:
		case <-limit.C:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("wait for clients to close: %w", ctx.Err())
		}
	}
}

// settled waits until the canaries are gone and the new configuration answers.
func (d *Driver) settled(ctx context.Context, name string, birds []*conversation) error {
	limited, cancel := context.WithTimeout(ctx, d.o.Settle)
	defer cancel()
	if err := d.answers(limited, name); err != nil {
		return err
	}
	for _, c := range birds {
		_ = c.conn.SetReadDeadline(time.Now().Add(d.o.Settle)) // the context ends what has no deadlines
		if _, err := c.br.ReadByte(); !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
			if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
				return fmt.Errorf("reload nginx in %s: old workers still take connections after %v", d.o.Place, d.o.Settle)
			}
		}
	}
	return d.answers(limited, name)
}

// answers waits until the status server tells the configuration called name;
// any, if that is empty.
func (d *Driver) answers(ctx context.Context, name string) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		got, err := d.ask(ctx)
		if err == nil && (got == name || name == "") {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if err == nil {
				err = fmt.Errorf("nginx runs configuration %q, not %q: its error log says why it did not load it, mostly an address it cannot listen on", got, name)
			}
			return fmt.Errorf("reload nginx in %s: %w", d.o.Place, err)
		}
	}
}

// ask is the name of the configuration that nginx runs, asked on a connection of
// its own.
func (d *Driver) ask(ctx context.Context) (string, error) {
	c, err := d.converse(ctx)
	if err != nil {
		return "", err
	}
	defer c.close()
	name, _, err := c.loaded()
	return name, err
}
