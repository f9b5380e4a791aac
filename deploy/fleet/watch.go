package fleet

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"teal/spec"
)

// Watch keeps an event stream open to every host and calls changed, one call
// after the other, for every event of a container of ours, and for every app
// that a host concerns when it answers anew. ready is called once, when every
// host was tried once. It returns when ctx ends; with a single host also when
// the stream breaks.
func (f *Fleet) Watch(ctx context.Context, ready func(), changed func(spec.Name)) error {
	if f.single != nil {
		return f.single.engine.Watch(ctx, ready, changed)
	}
	var calling sync.Mutex
	var left atomic.Int64
	left.Store(int64(len(f.members)))
	var wg sync.WaitGroup
	for _, m := range f.members {
		w := &watcher{
			f: f, m: m,
			changed: func(app spec.Name) {
				calling.Lock()
				defer calling.Unlock()
				changed(app)
			},
			tried: sync.OnceFunc(func() {
				if left.Add(-1) == 0 {
					ready()
				}
			}),
		}
		wg.Go(func() { w.run(ctx) })
	}
	wg.Wait()
	return ctx.Err()
}

// watcher looks after one host.
type watcher struct {
	f       *Fleet
	m       *member
	changed func(spec.Name)
	tried   func() // the host was tried for the first time
}

// run follows the host until ctx ends.
func (w *watcher) run(ctx context.Context) {
	w.m.watch(true)
	defer w.m.watch(false)
	for ctx.Err() == nil {
		begun := time.Now()
		opened, err := w.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		// A stream may break and the host be there: the next round tells at once.
		if opened {
			w.m.doubt(err, w.f.limits)
			if time.Since(begun) > w.f.limits.PauseMin {
				continue
			}
		} else {
			w.f.lost(w.m, err)
		}
		w.tried()
		pause(ctx, w.m.next(w.f.limits))
	}
}

func (m *member) watch(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.watched = on
}

// next is how long to wait before the host is asked again.
func (m *member) next(l Limits) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pause(l)
}

// follow subscribes to the host's events, then lists what is on it, and returns
// when the host does not answer any more; opened is true if it did.
func (w *watcher) follow(ctx context.Context) (opened bool, err error) {
	if err := w.ping(ctx); err != nil {
		return false, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var stream sync.WaitGroup
	defer stream.Wait()
	defer cancel()
	subscribed, ended := make(chan struct{}), make(chan error, 1)
	stream.Go(func() {
		ended <- w.m.engine.Watch(ctx, func() { close(subscribed) }, func(app spec.Name) {
			w.m.note(app)
			w.changed(app)
		})
	})
	limit := time.NewTimer(w.f.limits.Answer)
	defer limit.Stop()
	select {
	case <-subscribed:
	case err := <-ended:
		return false, err
	case <-limit.C:
		return false, fmt.Errorf("no event stream within %s", w.f.limits.Answer)
	}
	if err := w.f.try(ctx, w.m); err != nil {
		return false, err
	}
	w.wake()
	w.tried()
	return true, w.attend(ctx, ended)
}

// wake has every app looked at that the host concerns.
func (w *watcher) wake() {
	for _, app := range w.m.concerned() {
		w.changed(app)
	}
}

// attend looks whether the host is still there: every so often, because a
// silent stream looks like a quiet one, and when somebody doubts it.
func (w *watcher) attend(ctx context.Context, ended <-chan error) error {
	ticks := time.NewTicker(w.f.limits.Ping)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-ended:
			return err
		case <-ticks.C:
		case <-w.m.nudge:
		}
		if err := w.look(ctx); err != nil {
			return err
		}
	}
}

// look pings a host that is well, and tries one that was doubted in full.
func (w *watcher) look(ctx context.Context) error {
	if w.m.is(answers) {
		return w.ping(ctx)
	}
	if err := w.f.try(ctx, w.m); err != nil {
		return err
	}
	w.wake()
	return nil
}

func (w *watcher) ping(ctx context.Context) error {
	_, err := within(ctx, w.f, w.f.limits.Answer, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, w.m.engine.Ping(ctx)
	})
	return err
}

// pause waits for d or for ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
