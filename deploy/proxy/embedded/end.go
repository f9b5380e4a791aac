package embedded

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// end lets what is in flight finish. First no client is accepted any more and
// every answer tells its client to open another connection next time (to the
// proxy that took over); closing kept connections right away would lose the
// requests that are on their way on them. Then the rest is waited for.
func (s *server) end(ctx context.Context) error {
	limits := s.proxy.limits
	s.proxy.ending.Store(true)
	var errs []error
	for _, e := range s.edges.end() {
		errs = append(errs, e.end())
	}
	s.waitIdle(limits.Announce, func() bool { return false })
	limited, cancel := context.WithTimeout(ctx, limits.Shutdown)
	defer cancel()
	deadline := time.Now().Add(limits.Shutdown)
	errs = append(errs, s.shutdown(limited))
	s.waitIdle(time.Until(deadline), s.noTunnels)
	if !s.noTunnels() {
		s.log.Warn("upgraded connections were cut at the end")
		s.proxy.registry.close()
		s.waitIdle(time.Second, s.noTunnels)
	}
	s.closeAll()
	return errors.Join(errs...)
}

// shutdown ends the servers for clients together; what outlives ctx is cut.
func (s *server) shutdown(ctx context.Context) error {
	var all sync.WaitGroup
	errs := make([]error, len(s.data))
	for i, srv := range s.data {
		all.Go(func() {
			err := srv.Shutdown(ctx)
			if errors.Is(err, context.DeadlineExceeded) {
				s.log.Warn("requests in flight were cut at the end")
				err = srv.Close()
			}
			if err != nil {
				errs[i] = fmt.Errorf("end: %w", err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// waitIdle waits until quiet says so, at most for limit.
func (s *server) waitIdle(limit time.Duration, quiet func() bool) {
	over := time.NewTimer(limit)
	defer over.Stop()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for !quiet() {
		select {
		case <-look.C:
		case <-over.C:
			return
		}
	}
}

func (s *server) noTunnels() bool {
	for _, up := range s.proxy.registry.all() {
		if up.upgraded.Load() > 0 {
			return false
		}
	}
	return true
}

// closeAll closes what is still open. Listeners that a server has closed already
// say so, which is no news.
func (s *server) closeAll() {
	for _, srv := range append(append([]*http.Server(nil), s.data...), s.admin...) {
		_ = srv.Close()
	}
	for _, e := range s.edges.end() {
		_ = e.Close()
	}
	if s.handover != nil {
		_ = s.handover.Close()
	}
}
