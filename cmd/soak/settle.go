package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// settleLimit bounds how long everything may take to come to rest: longer than
// the longest back-off, on a machine that is busy.
const settleLimit = 15 * time.Minute

// settle waits until nothing is under way any more, and then compares everything
// with the model of the wish.
func (s *soaker) settle(ctx context.Context) error {
	began := time.Now()
	if !s.sources {
		if err := s.send(ctx, s.projects[0]); err != nil {
			return err
		}
	}
	calm := 0
	var open []string
	var last *view
	for calm < 3 {
		if err := pause(ctx, 400*time.Millisecond); err != nil {
			return err
		}
		v, err := s.look(ctx)
		if err != nil {
			open = []string{err.Error()}
		} else {
			open, last = s.unsettled(v), v
		}
		if len(open) == 0 {
			calm++
			continue
		}
		calm = 0
		if s.teal.over() {
			s.find("controller", "it ended by itself: %s", s.teal.lastWords(20))
			return fmt.Errorf("the controller ended by itself")
		}
		if time.Since(began) > settleLimit {
			s.find("L1", "not at rest %s after the last action: %s", settleLimit, strings.Join(open, "; "))
			return nil
		}
	}
	if err := s.endOrphans(ctx); err != nil {
		return err
	}
	s.compare(ctx, last)
	s.journal.write("settled", "", "after %s", time.Since(began).Round(10*time.Millisecond))
	s.report.settled(time.Since(began))
	s.connectAll(ctx)
	if err := s.removeRenamed(ctx); err != nil {
		return err
	}
	return s.sample(ctx)
}

// unsettled says what is still under way; nothing: all is at rest.
func (s *soaker) unsettled(v *view) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, src := range v.list.Sources {
		if !src.Valid.OK || src.Read.Before(s.wrote) {
			say("the watched file was not read, or refused: %s", src.Valid.Message)
		}
	}
	for _, a := range all(s.projects) {
		if _, known := v.status[a.name]; known == a.absent {
			say("%s: known %t, wanted %t", a.name, known, !a.absent)
		}
	}
	for _, c := range v.containers {
		if f, ours := v.facts[c.ID]; ours && c.State != "running" && !s.idle(v, f) {
			say("%s is %s", c.Name, c.State)
		}
	}
	for name, st := range v.status {
		if why := resting(st); why != "" {
			say("%s: %s", name, why)
		}
		for _, c := range st.Colours {
			if n := v.count(name, c.Colour, c.Revision); c.Weight == 100 && n != c.Replicas {
				say("%s: %d containers of %s, wanted %d", name, n, c.Colour, c.Replicas) // one too many may be draining
			}
		}
	}
	return out
}

// resting says why an app or dependency is not at rest; empty: it is.
func resting(st reconcile.Status) string {
	staged := st.Phase == reconcile.Staged && (st.Synced.Reason == reconcile.ReasonPinned || st.Synced.Reason == reconcile.ReasonAwaitPromotion)
	switch {
	case st.Generation != st.Observed:
		return fmt.Sprintf("generation %d is not dealt with", st.Generation)
	case st.Phase != reconcile.Idle && !staged:
		return "phase " + st.Phase.Words()
	case !st.Serving.OK:
		return "serving: " + st.Serving.Message
	case st.Backoff != nil:
		return fmt.Sprintf("backs off: %+v", *st.Backoff)
	case !st.Synced.OK && !staged && st.Hold == nil && st.Override == nil:
		return "synced: " + st.Synced.Message
	}
	for _, c := range st.Colours {
		switch {
		case c.Role == "draining" || c.Role == "leftover" || c.Role == "candidate":
			return fmt.Sprintf("%s is %s", c.Colour, c.Role)
		case c.Role == "standby" && !c.Until.IsZero() && time.Until(c.Until) < time.Second:
			return "the standby is about to end"
		case c.Role == "stable" && c.Ready < c.Replicas:
			return fmt.Sprintf("%d of %d replicas are ready", c.Ready, c.Replicas)
		}
	}
	return ""
}

// connectAll gives every app that serves a client.
func (s *soaker) connectAll(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range all(s.projects) {
		if a.absent || a.client != nil {
			continue
		}
		if err := s.connect(ctx, a); err != nil {
			s.find("soak", "%v", err)
		}
	}
}

// lastWish makes everything good again and expects that all of it is reached.
func (s *soaker) lastWish(ctx context.Context) error {
	s.journal.next()
	for _, p := range s.projects {
		for _, a := range p.apps {
			if a.absent {
				s.mu.Lock()
				a.absent = false
				s.mu.Unlock()
			}
			s.change(a, "last wish", func() {
				a.manual, a.active, a.flipped, a.image, a.replicas = false, spec.ActiveAuto, false, "soak:c", 1
				a.next(good)
			})
		}
		if err := s.send(ctx, p); err != nil {
			return err
		}
	}
	return s.settle(ctx)
}

// idle reports that a container is one of a standby: what a hand did to it is
// found when somebody wants to go back, not before.
func (s *soaker) idle(v *view, f spec.Facts) bool {
	for _, c := range v.status[f.Name].Colours {
		if c.Role == "standby" && c.Colour == f.Colour && c.Revision == f.Revision {
			return true
		}
	}
	return false
}
