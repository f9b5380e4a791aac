package main

import (
	"context"
	"time"
)

// action is one thing that is done at a random moment. It returns an error only
// when the soak itself cannot go on.
type action struct {
	weight int
	do     func(s *soaker, ctx context.Context) error
}

// theme is what happens in a round beside edits and commands.
type theme struct {
	name    string
	early   bool // only in the first half: afterwards one life of the controller is watched
	actions []action
}

var themes = []theme{
	{name: "edits"},
	{name: "kills", early: true, actions: []action{
		{25, (*soaker).killTeal}, {10, (*soaker).killTealTwice}, {6, (*soaker).stopTeal}, {3, (*soaker).secondTeal},
	}},
	{name: "hands", actions: []action{{40, (*soaker).hand}, {4, (*soaker).strangerComes}}},
	{name: "engine", actions: []action{{14, (*soaker).freezeEngine}, {7, (*soaker).killEngine}, {7, (*soaker).stopEngine}}},
	{name: "proxy", actions: []action{{14, (*soaker).slowProxy}, {4, (*soaker).killProxy}}},
}

// round acts for a while, and then waits until everything has settled.
func (s *soaker) round(ctx context.Context) error {
	n := s.journal.next()
	th := themes[(n-1)%len(themes)]
	for th.early && s.late(n) {
		th = themes[s.rng.IntN(len(themes))]
	}
	s.journal.write("round", "", "%s, for %s", th.name, s.set.round)
	everything := append(editActions(), th.actions...)
	first := true
	for end := time.Now().Add(s.set.round); time.Now().Before(end); first = false {
		if err := pause(ctx, time.Duration(s.rng.ExpFloat64()*float64(actEvery))); err != nil {
			return err
		}
		from := everything
		if first && len(th.actions) > 0 {
			from = th.actions
		}
		if err := pick(s, from)(s, ctx); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if s.teal.over() {
			s.find("controller", "it ended by itself: %s", s.teal.lastWords(20))
			if err := s.teal.start(ctx); err != nil {
				return err
			}
		}
	}
	return s.settle(ctx)
}

// late reports that the n-th round, from 1, is in the second half of the run.
func (s *soaker) late(n int) bool {
	if s.set.rounds > 0 {
		return 2*(n-1) > s.set.rounds
	}
	return time.Since(s.report.began) > s.set.time/2
}

// actEvery is the mean time between two actions.
const actEvery = 700 * time.Millisecond

// pick chooses by weight.
func pick(s *soaker, from []action) func(*soaker, context.Context) error {
	sum := 0
	for _, a := range from {
		sum += a.weight
	}
	n := s.rng.IntN(sum)
	for _, a := range from {
		if n -= a.weight; n < 0 {
			return a.do
		}
	}
	panic("weights do not add up")
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
