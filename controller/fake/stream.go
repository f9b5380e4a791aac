package fake

import (
	"context"
	"fmt"
	"io"

	"teal/spec"
)

type watcher struct {
	changed func(spec.Name)
	broken  chan struct{}
	stays   bool // outlives a break
}

// Watch implements controller.Engine.
func (e *Engine) Watch(ctx context.Context, ready func(), changed func(spec.Name)) error {
	if err := e.meet(ctx, Call{Name: "watch"}); err != nil {
		return err
	}
	w := &watcher{changed: changed, broken: make(chan struct{})}
	e.mu.Lock()
	e.next++
	id := e.next
	e.watchers[id] = w
	e.mu.Unlock()
	ready()
	defer func() {
		e.mu.Lock()
		delete(e.watchers, id)
		e.mu.Unlock()
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-w.broken:
		return io.ErrUnexpectedEOF
	}
}

func (e *Engine) breakStreams() {
	for id, w := range e.watchers {
		if w.stays {
			continue
		}
		close(w.broken)
		delete(e.watchers, id)
	}
}

// tell sends an event to those who watch.
func (e *Engine) tell(app spec.Name) {
	for _, w := range e.watchers {
		w.changed(app)
	}
}

// Logs implements controller.Engine.
func (e *Engine) Logs(ctx context.Context, id string, tail int, follow bool, w io.Writer) error {
	if err := e.meet(ctx, Call{Name: "logs"}); err != nil {
		return err
	}
	e.mu.Lock()
	c := e.byID(id)
	e.mu.Unlock()
	if c == nil {
		return nil
	}
	for n := range min(tail, 3) {
		if _, err := fmt.Fprintf(w, "%s line %d\n", c.Name, n+1); err != nil {
			return err
		}
	}
	if follow {
		<-ctx.Done()
	}
	return nil
}

// Listen has heard called for every event, for as long as the engine exists. It
// is called with the lock held: it must not ask the engine.
func (e *Engine) Listen(heard func(spec.Name)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.next++
	e.watchers[e.next] = &watcher{changed: heard, broken: make(chan struct{}), stays: true}
}
