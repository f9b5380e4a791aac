package main

import (
	"context"
	"fmt"
	"time"

	"teal/deploy/workbench"
	"teal/spec"
)

// hand does something to one of Teal's containers without asking Teal. Where the
// container serves, requests under way in it are lost by nature: the app's
// failures are counted apart until all of it runs again. A container that was
// renamed is a stranger to Teal from then on, and must be treated as one.
func (s *soaker) hand(ctx context.Context) error {
	list, err := s.stage.bench.All(ctx)
	if err != nil {
		return err
	}
	var ours []workbench.Container
	s.mu.Lock()
	for _, c := range list {
		own := c.Labels[spec.LabelController] == controllerID && s.strangers[c.ID] == ""
		if own && c.Labels[spec.LabelRole] == spec.RoleReplica && c.State == "running" {
			ours = append(ours, c)
		}
	}
	s.mu.Unlock()
	if len(ours) == 0 {
		return nil
	}
	c := ours[s.rng.IntN(len(ours))]
	do := []workbench.Hand{
		workbench.HandStop, workbench.HandKill, workbench.HandKill, workbench.HandRemove, workbench.HandPause, workbench.HandRename,
	}[s.rng.IntN(6)]
	a := s.app(spec.Name{Project: c.Labels[spec.LabelProject], Service: c.Labels[spec.LabelService]})
	s.mu.Lock()
	s.touched[c.ID] = true
	if a != nil {
		a.sure, a.handled = false, true
		if do != workbench.HandRename {
			a.excuse("docker "+string(do)+" by hand", time.Now())
		}
	}
	s.mu.Unlock()
	s.journal.write("docker "+string(do), c.Name, "%.12s", c.ID)
	if err := s.stage.bench.ByHand(ctx, do, c.ID); err != nil {
		s.journal.write("answer", c.Name, "%v", err) // it may be gone by now
		return nil
	}
	if do != workbench.HandRename {
		return nil
	}
	since, err := s.stage.bench.Since(ctx, c.ID)
	if err != nil {
		s.journal.write("answer", c.Name, "%v", err) // Teal removed it a moment before
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.strangers[c.ID] = since
	s.renamed = append(s.renamed, c.ID)
	return nil
}

// removeRenamed removes the containers that a hand renamed, as whoever did it
// would in the end.
func (s *soaker) removeRenamed(ctx context.Context) error {
	s.looking.Lock() // a look sees them as strangers, or not at all
	defer s.looking.Unlock()
	for _, id := range s.renamed {
		s.mu.Lock()
		s.touched[id] = true // this is no doing of Teal's
		s.mu.Unlock()
		if err := s.stage.bench.Discard(ctx, id); err != nil {
			return err
		}
		s.mu.Lock()
		delete(s.strangers, id)
		s.mu.Unlock()
	}
	s.renamed = nil
	return nil
}

// app finds one by its name; nil: it is a dependency, or gone.
func (s *soaker) app(name spec.Name) *app {
	for _, a := range all(s.projects) {
		if a.name == name {
			return a
		}
	}
	return nil
}

// killProxy ends the proxy's container: nothing answers until Teal has started
// it again.
func (s *soaker) killProxy(ctx context.Context) error {
	list, err := s.stage.bench.All(ctx)
	if err != nil {
		return err
	}
	for _, c := range list {
		if c.Labels[spec.LabelController] != controllerID || c.Labels[spec.LabelRole] != spec.RoleProxy || c.State != "running" {
			continue
		}
		s.mu.Lock()
		s.touched[c.ID] = true
		for _, a := range all(s.projects) {
			a.excuse("proxy killed by hand", time.Now())
		}
		s.mu.Unlock()
		s.journal.write("kill proxy", c.Name, "%.12s", c.ID)
		if err := s.stage.bench.ByHand(ctx, workbench.HandKill, c.ID); err != nil {
			s.journal.write("answer", c.Name, "%v", err)
		}
	}
	return nil
}

// strangerComes starts another container that is not Teal's, and removes the one
// before: strangers come and go, and Teal must not mind.
func (s *soaker) strangerComes(ctx context.Context) error {
	name := fmt.Sprintf("stranger-%d", 2+s.rng.IntN(1_000_000))
	s.journal.write("stranger", name, "")
	id, err := s.stage.bench.Stranger(ctx, name, "soak:b", "", map[string]string{"teal.controller": "somebody-else", "teal.role": "proxy"})
	if err != nil {
		return err
	}
	since, err := s.stage.bench.Since(ctx, id)
	if err != nil {
		return err
	}
	s.mu.Lock()
	old := s.guest
	s.guest = id
	s.strangers[id] = since
	delete(s.strangers, old)
	s.mu.Unlock()
	if old == "" {
		return nil
	}
	return s.stage.bench.Discard(ctx, old)
}
