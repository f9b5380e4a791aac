package reconcile_test

import (
	"slices"

	. "teal/reconcile"
)

// checkRules holds one decision against the safety rules, whatever the scenario
// is about.
func (s *scenario) checkRules(in Input, d Decision) {
	s.t.Helper()
	for _, step := range d.Steps {
		switch step.Kind {
		case StepRemove, StepStop:
			s.checkRemove(in, d, s.host.find(step.Container))
		case StepRoute:
			s.checkRoute(in, d, *step.Route)
		case StepEnsure:
			s.checkEnsure(d, *step.Ensure)
		case StepResolve, StepPull, StepUnroute, StepTest, StepEvidence:
		}
	}
	if d.Record.Generation < in.Record.Generation {
		s.t.Errorf("S11: the observed generation went back")
	}
	if !d.Again.IsZero() && !d.Again.After(in.Now) {
		s.t.Fatalf("it wants to look again in the past, at %s: now %s, phase %s", d.Again, in.Now, d.Record.Phase.Words())
	}
	if p := d.Record.Phase; p != Idle && p != Staged && len(d.Steps) == 0 && d.Again.IsZero() {
		s.t.Errorf("L5: %s waits for nothing", p.Words())
	}
	s.checkClosed(in, d)
	s.checkStable(in, d)
	s.checkRevisions()
}

// checkRemove: S1, S7 and S10.
func (s *scenario) checkRemove(in Input, d Decision, b *box) {
	s.t.Helper()
	if b == nil || in.Desired.Service.Rollout == nil || b == s.host.test {
		return
	}
	what := place(b.Colour, b.Replica, b.Image)
	if k := s.host.live(); k != nil && slices.Contains(k.Targets, b.Address) && k.Revision == b.Revision {
		s.t.Errorf("S1: %s is removed while the proxy serves it", what)
	}
	if !in.World.Served.Known {
		s.t.Errorf("S10: %s is removed although the proxy was not read", what)
	}
	plain, upgraded := s.open(b)
	idle, limits := in.Now.Sub(b.unlisted), in.Desired.Service.Rollout.Drain
	if plain && idle < limits.Requests.D() || upgraded && idle < limits.Upgraded.D() {
		s.t.Errorf("S1: %s is removed %s after it lost the traffic, with requests open", what, idle)
	}
	if slices.ContainsFunc(s.host.boxes, func(x *box) bool { return x.Name == b.Name && x.Host != b.Host }) {
		return // another one stands for it
	}
	sb, c := d.Record.Standby, d.Record.Candidate
	inWindow := sb != nil && (sb.Until.IsZero() || in.Now.Before(sb.Until))
	if inWindow && !in.Desired.Pruned && sb.Colour == b.Colour && sb.Revision.ID == b.Revision && b.Replica <= in.Desired.Service.Replicas {
		s.t.Errorf("S7: the standby %s is removed inside its window", what)
	}
	if old := in.Record.Standby; old != nil && sb == nil && old.Colour == b.Colour && old.Revision.ID == b.Revision &&
		in.Now.Before(old.Until) && (c == nil || !c.Pulled) {
		s.t.Errorf("S7: the standby %s makes room for nothing", what)
	}
}

// open reports whether b may have requests open. A replica out of a colour that
// goes on serving is not counted by itself.
func (s *scenario) open(b *box) (plain, upgraded bool) {
	if k := s.host.live(); k != nil && k.Colour == b.Colour && k.Revision == b.Revision {
		return b.listed && b.State == Running, false
	}
	for _, x := range s.host.traffic {
		if x.Colour == b.Colour && x.Revision == b.Revision {
			plain, upgraded = x.InFlight > 0, x.Upgraded > 0
		}
	}
	return plain, upgraded
}

// checkRoute: S2, S6, S9 and S15.
func (s *scenario) checkRoute(in Input, d Decision, r Route) {
	s.t.Helper()
	now, sum := s.host.live(), 0
	for _, b := range r.Backends {
		sum += b.Weight
		if len(b.Targets) == 0 {
			s.t.Errorf("S2: traffic is sent to %s, where nothing is", b.Colour)
		}
		for _, x := range b.Targets {
			if !s.mayServe(b, x) {
				s.t.Errorf("S2: traffic is sent to %s of %s, which is not ready", x, b.Colour)
			}
		}
		if c := d.Record.Candidate; c != nil && b.Weight > 0 && c.Colour == b.Colour && c.Revision.ID == b.Revision {
			if d.Record.Phase != Switching && (now == nil || now.Colour != b.Colour) {
				s.t.Errorf("S6, S15: the candidate gets traffic in %s", d.Record.Phase.Words())
			}
			if c.Pinned {
				s.t.Errorf("S6: a pinned candidate gets traffic")
			}
		}
	}
	if sum != 100 {
		s.t.Errorf("S9: weights sum to %d", sum)
	}
	if !in.World.Served.Known {
		s.t.Errorf("the proxy is told something although it was not read")
	}
}

// mayServe reports whether a target is ready, or listed already.
func (s *scenario) mayServe(b Backend, address string) bool {
	for _, x := range s.host.boxes {
		if x.Colour == b.Colour && x.Revision == b.Revision && x.Address == address && x.State == Running {
			return x.Probe.Successes >= 3 || x.listed && x.unlisted.IsZero() && x.Probe.Failures < 3
		}
	}
	return false
}

// checkEnsure: S5 and S8.
func (s *scenario) checkEnsure(d Decision, e Ensure) {
	s.t.Helper()
	c := d.Record.Candidate
	if c == nil || c.Colour != e.Colour || c.Revision.ID != e.Revision.ID {
		return
	}
	if k := s.host.live(); k != nil && e.Colour != "" && k.Colour == e.Colour && k.Revision != e.Revision.ID {
		s.t.Errorf("S8: %s is created behind live traffic", place(e.Colour, e.Replica, e.Revision.Image.Ref))
	}
	if h := d.Record.Hold; h != nil && c.Trigger != TriggerUndo && h.Generation == c.Generation && h.Revision == c.Revision.ID {
		s.t.Errorf("S5: a held revision is started")
	}
}

// checkStable: S3, that what is recorded as stable is what the proxy serves.
func (s *scenario) checkStable(in Input, d Decision) {
	s.t.Helper()
	was, is := in.Record.Stable, d.Record.Stable
	if is == nil || in.Desired.Service.Rollout == nil || was != nil && was.Colour == is.Colour && was.Revision.ID == is.Revision.ID {
		return
	}
	if is.Adopted && was == nil {
		return // it is taken over, and gets the route next
	}
	if k := s.host.live(); k == nil || k.Colour != is.Colour {
		s.t.Errorf("S3: %s %s is recorded as stable and does not serve", is.Colour, is.Revision.Image.Ref)
	}
}

// checkRevisions: S4.
func (s *scenario) checkRevisions() {
	s.t.Helper()
	seen := map[string]bool{}
	for _, b := range s.host.boxes {
		if b.Host != s.host.away && (!b.Foreign || b.State == Running) {
			seen[string(b.Colour)+b.Revision] = true
		}
	}
	if len(seen) > 2 {
		s.t.Errorf("S4: %d revisions have containers", len(seen))
	}
}

// checkClosed: outside of the windows nothing begins by itself but a way back,
// and what never served before does not get its gate opened by the time.
func (s *scenario) checkClosed(in Input, d Decision) {
	c, had := d.Record.Candidate, in.Record.Candidate
	if in.Closed == nil || c == nil || had != nil || in.Record.Stable == nil || d.Record.Admitted == in.Desired.Generation {
		return
	}
	back := in.Record.Standby != nil && in.Record.Standby.Revision.ID == c.Revision.ID || in.Previous != nil && in.Previous.Revision.ID == c.Revision.ID
	if c.Trigger != TriggerUndo && !back {
		s.t.Errorf("a rollout of %s began although: %s", c.Revision.Image.Ref, in.Closed)
	}
}
