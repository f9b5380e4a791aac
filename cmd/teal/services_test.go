package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPartsStopInReverse(t *testing.T) {
	var order []string
	s := newServices(slog.New(slog.DiscardHandler))
	s.closing("store", func() error { order = append(order, "store"); return nil })
	for _, name := range []string{"prober", "controller", "API"} {
		s.start(t.Context(), name, time.Second, func(ctx context.Context) error {
			<-ctx.Done()
			order = append(order, name)
			return nil
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.wait(ctx); err != nil {
		t.Error(err)
	}
	if err := s.unwind(ctx); err != nil {
		t.Error(err)
	}
	if !slices.Equal(order, []string{"API", "controller", "prober", "store"}) {
		t.Errorf("stopped in the order %v", order)
	}
}

func TestAPartThatEndsByItselfEndsTheRun(t *testing.T) {
	s := newServices(slog.New(slog.DiscardHandler))
	s.start(t.Context(), "controller", time.Second, func(context.Context) error { return errors.New("no store") })
	if err := s.wait(t.Context()); err == nil || !strings.Contains(err.Error(), "controller ended by itself: no store") {
		t.Errorf("got %v", err)
	}
	if err := s.unwind(t.Context()); err == nil {
		t.Error("its error was lost")
	}
}

func TestAPartThatDoesNotStopHoldsNobodyUpForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServices(slog.New(slog.DiscardHandler))
		release := make(chan struct{})
		closed := false
		s.closing("store", func() error { closed = true; return nil })
		s.start(t.Context(), "controller", time.Minute, func(context.Context) error { <-release; return nil })
		began := time.Now()
		err := s.unwind(t.Context())
		if err == nil || !strings.Contains(err.Error(), "stop controller: it did not stop within 1m0s") || !closed {
			t.Errorf("got %v, closed %v", err, closed)
		}
		if d := time.Since(began); d != time.Minute {
			t.Errorf("took %s", d)
		}
		close(release)
	})
}
