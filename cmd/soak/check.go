package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"teal/deploy/workbench"
	"teal/reconcile"
	"teal/spec"
)

// check compares one look with what must hold at every moment.
func (s *soaker) check(v *view) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.report.looks++
	s.containersBounded(v)
	s.weights(v)
	s.generations(v)
	s.served(v)
	for _, c := range v.containers {
		for _, address := range c.Addresses {
			s.addresses[c.ID+" "+address] = true
		}
	}
	s.before = v
}

// containersBounded: S4, and names that fit the labels.
func (s *soaker) containersBounded(v *view) {
	revisions := map[spec.Name]map[string]bool{}
	replicas := map[string]int{}
	for _, c := range v.containers {
		f, ours := v.facts[c.ID]
		if !ours || f.Role != spec.RoleReplica || f.Colour == "" || c.State == "removing" || c.State == "dead" {
			continue
		}
		if want := spec.ContainerName(f.Name, f.Colour, f.Revision, f.Replica); c.Name != want && !s.touched[c.ID] {
			s.find("name", "%s carries the labels of %s", c.Name, want)
		}
		if revisions[f.Name] == nil {
			revisions[f.Name] = map[string]bool{}
		}
		revisions[f.Name][f.Revision] = true
		slot := fmt.Sprintf("%s %s %.8s", f.Name, f.Colour, f.Revision)
		replicas[slot]++
		if a := s.app(f.Name); a != nil && replicas[slot] > a.mostReplicas && !a.handled {
			s.find("S4", "%d containers of %s, at most %d were wanted since all was settled", replicas[slot], slot, a.mostReplicas)
		}
	}
	for app, of := range revisions {
		if len(of) > 2 {
			s.find("S4", "%s has containers of %d revisions: %s", app, len(of), short(of))
		}
	}
}

func short(of map[string]bool) string {
	var out []string
	for _, id := range slices.Sorted(maps.Keys(of)) {
		out = append(out, fmt.Sprintf("%.8s", id))
	}
	return strings.Join(out, ", ")
}

// weights: S9, those of a route sum to 100.
func (s *soaker) weights(v *view) {
	if v.table == nil {
		return
	}
	for _, r := range v.table.Routes {
		sum := 0
		for _, b := range r.Backends {
			sum += b.Weight
			if b.Weight > 0 && len(b.Targets) == 0 {
				s.find("S2", "%s leads %d %% of the traffic to %s, which has no target", r.App, b.Weight, b.Colour)
			}
		}
		if sum != 100 {
			s.find("S9", "the weights of %s sum to %d: %+v", r.App, sum, r.Backends)
		}
	}
}

// generations: S11, what was dealt with never goes back.
func (s *soaker) generations(v *view) {
	for name, st := range v.status {
		a := s.app(name)
		if a == nil || a.absent {
			continue
		}
		if st.Observed < a.observed {
			s.find("S11", "%s had dealt with generation %d and now says %d", name, a.observed, st.Observed)
		}
		a.observed = max(a.observed, st.Observed)
		if st.Observed > st.Generation {
			s.find("S11", "%s has dealt with generation %d of %d", name, st.Observed, st.Generation)
		}
	}
}

// served closes the excuses of apps that are whole again: every replica of what
// has the traffic runs and Teal says that it serves.
func (s *soaker) served(v *view) {
	running := map[string]int{}
	for _, c := range v.containers {
		if f, ours := v.facts[c.ID]; ours && c.State == "running" {
			running[f.Name.String()+" "+f.Revision]++
		}
	}
	for _, a := range all(s.projects) {
		st, ok := v.status[a.name]
		if !ok || !st.Serving.OK {
			continue
		}
		for _, c := range st.Colours {
			if c.Weight == 100 && running[a.name.String()+" "+c.Revision] >= c.Replicas && c.Ready >= c.Replicas {
				a.closeExcuses(v.at.Add(-graceAfterHand), time.Now())
			}
		}
	}
}

// graceAfterHand is the least time that an excuse lasts: what Teal says may be
// as old as its last look.
const graceAfterHand = 4 * time.Second

// happened looks at one event of a container of ours.
func (s *soaker) happened(ctx context.Context, h workbench.Happening) {
	f, err := spec.ParseLabels(h.Labels)
	if err != nil || f.Controller != controllerID || f.Role != spec.RoleReplica || f.Colour == "" {
		return
	}
	s.mu.Lock()
	before, touched := s.before, s.touched[h.ID]
	s.mu.Unlock()
	if touched || before == nil {
		return
	}
	switch h.What {
	case "kill":
		s.notServing(ctx, h, f, before)
		s.notStandby(h, f, before)
	case "create", "start":
		s.notHeld(ctx, h, f, before)
	}
}

// notServing: S1, nothing that has traffic is stopped. It is believed only when
// the proxy led traffic there before the event and does right after it.
func (s *soaker) notServing(ctx context.Context, h workbench.Happening, f spec.Facts, before *view) {
	if time.Since(h.At) > time.Second || time.Since(before.at) > 5*time.Second {
		return
	}
	after, err := s.table(ctx)
	if err != nil || after == nil || time.Since(h.At) > time.Second {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	leads := func(t *reconcile.Table) bool {
		b := live(t, f.Name)
		if b == nil || b.Colour != f.Colour || b.Revision != f.Revision {
			return false
		}
		return slices.ContainsFunc(b.Targets, func(target string) bool {
			address, _, _ := strings.Cut(target, ":")
			return s.addresses[h.ID+" "+address]
		})
	}
	if leads(before.table) && leads(after) && !s.touched[h.ID] {
		s.find("S1", "%s (%.12s) was stopped at %s while the proxy led traffic to it", h.Name, h.ID, clock(h.At))
	}
}

// notStandby: S7, the standby lives until its deadline unless a newer candidate
// needs its place.
func (s *soaker) notStandby(h workbench.Happening, f spec.Facts, before *view) {
	st, ok := before.status[f.Name]
	if !ok || st.Generation != st.Observed || h.At.Sub(before.at) > 2*time.Second || st.Phase != reconcile.Idle {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.app(f.Name)
	if a == nil || a.absent || a.changed.After(before.at.Add(-5*time.Second)) {
		return
	}
	for _, c := range st.Colours {
		if c.Role == "standby" && c.Colour == f.Colour && c.Revision == f.Revision && c.Replicas >= f.Replica && c.Until.After(h.At.Add(2*time.Second)) {
			s.find("S7", "%s was stopped at %s, it stands by until %s", h.Name, clock(h.At), clock(c.Until))
		}
	}
}

// notHeld: S5, what is held for its generation is not tried.
func (s *soaker) notHeld(ctx context.Context, h workbench.Happening, f spec.Facts, before *view) {
	held := func(v reconcile.Status) bool {
		return v.Hold != nil && v.Hold.Revision == f.Revision && v.Hold.Generation == f.Generation
	}
	st, ok := before.status[f.Name]
	if !ok || !held(st) {
		return
	}
	now, err := s.api.Status(ctx, f.Name)
	if err != nil || len(now.Apps) != 1 || !held(now.Apps[0]) || now.Apps[0].Hold.Since != st.Hold.Since {
		return
	}
	// A held revision may still stand as stable or standby: it went back to it.
	for _, c := range now.Apps[0].Colours {
		if c.Revision == f.Revision {
			return
		}
	}
	s.find("S5", "%s: %s at %s, but generation %d is held: %s", h.Name, h.What, clock(h.At), f.Generation, st.Hold.Message)
}
