package embedded

import (
	"context"
	"errors"
	"fmt"
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
	s.waitIdle(limits.Announce, never, nil)
	return errors.Join(append(errs, s.finish(ctx, limits.Shutdown, nil))...)
}

// fade is end for a proxy whose successor serves: there is no hurry. A kept
// connection is closed by the answer to its next request, or when it would have
// been closed as idle; the rest may go on for Linger. When the successor goes
// away, which leaves nobody to follow, it is the end as ever.
func (s *server) fade(ctx context.Context) error {
	limits := s.proxy.limits
	s.log.Info("another proxy took over; what is in flight ends here", "at_most", limits.Linger)
	s.proxy.ending.Store(true)
	s.admin.closeMetrics()
	var errs []error
	for _, e := range s.edges.end() {
		errs = append(errs, e.end())
	}
	s.waitIdle(limits.IdleTime, func() bool { return len(s.slots) == 0 }, s.orphaned)
	errs = append(errs, s.finish(ctx, limits.Linger, s.orphaned))
	s.awaitForerunner(limits.Linger)
	s.log.Info("nothing is in flight here any more")
	return errors.Join(errs...)
}

func never() bool { return false }

// finish waits for what is in flight, at most for limit, and at most for the
// usual time once hurry is closed; then it closes everything.
func (s *server) finish(ctx context.Context, limit time.Duration, hurry <-chan struct{}) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	s.background.Go(func() {
		select {
		case <-limited.Done():
			return
		case <-hurry:
		}
		timer := time.NewTimer(s.proxy.limits.Shutdown)
		defer timer.Stop()
		select {
		case <-limited.Done():
		case <-timer.C:
			cancel()
		}
	})
	err := s.shutdown(limited)
	s.waitIdle(limit, s.noTunnels, limited.Done())
	if !s.noTunnels() {
		s.log.Warn("upgraded connections were cut at the end")
		s.proxy.registry.close()
		s.waitIdle(time.Second, s.noTunnels, nil)
	}
	s.closeAll()
	return err
}

// shutdown ends the servers for clients together; what outlives ctx is cut.
func (s *server) shutdown(ctx context.Context) error {
	var all sync.WaitGroup
	errs := make([]error, len(s.data))
	for i, srv := range s.data {
		all.Go(func() {
			err := srv.Shutdown(ctx)
			if err != nil && ctx.Err() != nil {
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

// waitIdle waits until quiet says so, at most for limit and until stop is closed.
func (s *server) waitIdle(limit time.Duration, quiet func() bool, stop <-chan struct{}) {
	over := time.NewTimer(limit)
	defer over.Stop()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for !quiet() {
		select {
		case <-look.C:
		case <-over.C:
			return
		case <-stop:
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
	for _, srv := range s.data {
		_ = srv.Close()
	}
	for _, e := range s.edges.end() {
		_ = e.Close()
	}
	s.admin.close()
}

// awaitForerunner stays between this proxy's own forerunner and its successor,
// for as long as it has something in flight.
func (s *server) awaitForerunner(limit time.Duration) {
	over := time.Now().Add(limit)
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for s.control.before.there() && time.Now().Before(over) {
		select {
		case <-tick.C:
		case <-s.orphaned:
			return
		}
	}
}
