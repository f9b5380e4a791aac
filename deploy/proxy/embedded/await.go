package embedded

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// awaitEvery is how often an address that another program has is tried: a bind
// that fails costs some microseconds, and nobody is answered meanwhile.
const awaitEvery = time.Millisecond

// edges are the listeners for clients; some may come later.
type edges struct {
	mu    sync.Mutex
	list  []*edge
	ended bool
}

func (l *edges) all() []*edge {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}

// add takes an edge in, unless the proxy ends.
func (l *edges) add(e *edge) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.list = append(l.list, e)
	}
	return !l.ended
}

// end returns all edges; none is added any more.
func (l *edges) end() []*edge {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	return slices.Clone(l.list)
}

// listenAt prepares to serve on an address: at once, or, where that is
// configured and another program has it, as soon as it is free. It returns what
// is listened on.
func (s *server) listenAt(ctx context.Context, addr string, from places, serve func(*edge) error) (string, error) {
	e, err := s.openEdge(ctx, addr, from)
	if from.await && errors.Is(err, unix.EADDRINUSE) {
		s.log.Warn("another program has an address, which is waited for", "address", addr)
		s.ready = append(s.ready, func() { s.run(func() error { return s.awaitEdge(ctx, addr, from, serve) }) })
		return addr, nil
	}
	if err != nil {
		return "", err
	}
	s.ready = append(s.ready, func() { s.run(func() error { return serve(e) }) })
	return e.Addr().String(), nil
}

// awaitEdge tries until the address is free, then serves on it.
func (s *server) awaitEdge(ctx context.Context, addr string, from places, serve func(*edge) error) error {
	from.inherited = &inherited{} // what there was is taken or closed
	tick := time.NewTicker(awaitEvery)
	defer tick.Stop()
	for {
		e, err := s.openEdge(ctx, addr, from)
		switch {
		case err == nil:
			s.log.Info("address was free and is listened on", "address", addr)
			return serve(e)
		case ctx.Err() != nil:
			return net.ErrClosed
		case !errors.Is(err, unix.EADDRINUSE):
			return err
		}
		select {
		case <-ctx.Done():
			return net.ErrClosed
		case <-tick.C:
		}
	}
}
