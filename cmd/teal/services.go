package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// services are parts that run until they are told to stop. They are stopped,
// and what was opened is closed, in the reverse order of their beginning, each
// within its limit.
type services struct {
	log   *slog.Logger
	ended chan error // the first part that ended by itself
	stack []cleanup
}

// cleanup undoes one beginning.
type cleanup struct {
	name  string
	limit time.Duration
	undo  func(context.Context) error
}

func newServices(log *slog.Logger) *services {
	return &services{log: log, ended: make(chan error, 1)}
}

// closing remembers to close something that was opened.
func (s *services) closing(name string, shut func() error) {
	s.stack = append(s.stack, cleanup{name, 5 * time.Second, func(context.Context) error { return shut() }})
}

// start runs a part in the background until it is its turn to stop; limit is
// how long that may take.
func (s *services) start(ctx context.Context, name string, limit time.Duration, run func(context.Context) error) {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() {
		err := run(own)
		if own.Err() == nil {
			select {
			case s.ended <- fmt.Errorf("%s ended by itself: %w", name, errors.Join(err, errEnded)):
			default: // another one was first
			}
		}
		done <- err
	}()
	s.stack = append(s.stack, cleanup{name, limit, func(ctx context.Context) error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			return fmt.Errorf("it did not stop within %s", limit)
		}
	}})
}

// errEnded makes a part's early end an error even if it gave none.
var errEnded = errors.New("nobody had told it to")

// wait returns nil once ctx ends, or why a part ended before that.
func (s *services) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.ended:
		return err
	}
}

// unwind stops and closes everything.
func (s *services) unwind(ctx context.Context) error {
	var errs []error
	for _, c := range slices.Backward(s.stack) {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.limit)
		if err := c.undo(limited); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", c.name, err))
		}
		cancel()
		s.log.Debug("part was stopped", "part", c.name)
	}
	s.stack = nil
	return errors.Join(errs...)
}
