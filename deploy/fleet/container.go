package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"

	"teal/reconcile"
)

// Health tells the verdict of a container's own HEALTHCHECK and the output of
// its last run.
func (f *Fleet) Health(ctx context.Context, id string) (status reconcile.EngineHealth, output string, err error) {
	err = f.at(ctx, id, func(m *member) error {
		status, output, err = m.engine.Health(ctx, id)
		return err
	})
	return status, output, err
}

// Logs writes the last tail lines of a container (all if tail is negative), and
// follows it if asked to.
func (f *Fleet) Logs(ctx context.Context, id string, tail int, follow bool, w io.Writer) error {
	return f.at(ctx, id, func(m *member) error { return m.engine.Logs(ctx, id, tail, follow, w) })
}

// at asks the host on which a container was last seen.
func (f *Fleet) at(ctx context.Context, id string, ask func(*member) error) error {
	if f.single != nil {
		return ask(f.single)
	}
	for _, m := range f.members {
		if !m.holds(id) {
			continue
		}
		if words, is := m.absent(); is {
			return fmt.Errorf("%s does not answer: %s", m, words)
		}
		if err := ask(m); err != nil {
			return &hostError{m: m, err: err}
		}
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.New("container " + id + " was seen on no host")
}

// hostError names the host of an error.
type hostError struct {
	m   *member
	err error
}

func (h *hostError) Error() string { return h.m.named(h.err.Error()) }
func (h *hostError) Unwrap() error { return h.err }
