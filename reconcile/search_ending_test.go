package reconcile

import "slices"

// checkEnding lets the world calm down and checks what it comes to. Version 1
// is good; the mask says whether 2 and 3 are.
func (s *search) checkEnding(n node, mask int) {
	good := [versions + 1]bool{true, true, mask&1 != 0, mask&2 != 0, true}
	e, ok := s.calmed(n, mask, good)
	if !ok {
		return
	}
	f := e.node
	wants := f.sver != f.stVer && f.active == 0
	if wants && f.att&(1<<f.sgen) == 0 && f.override != f.sgen {
		s.breach(n, "L2 the newest generation is never attempted")
	}
	if f.stCol >= 0 && good[f.stVer] && (f.stKnown || f.stVer == foreign && f.sl[f.stCol][0].health == hHealthy) {
		if all := int8(1)<<f.hosts - 1; f.route != f.stCol || f.stKnown && f.targets != all || !f.answers(f.route, f.routeVer, f.targets) {
			s.breach(n, "L3 traffic stays on a broken colour although stable could serve")
		}
	}
	held := f.held && f.heldGen == f.sgen
	if wants && good[f.sver] && !held && f.override != f.sgen {
		s.breach(n, "L4 a good revision that is not held never becomes stable")
	}
	s.checkSettled(n, f, held, good)
}

// checkWaiting lets the world calm down but for the host that is away, for ever.
func (s *search) checkWaiting(n node, mask int) {
	good := [versions + 1]bool{true, true, mask&1 != 0, mask&2 != 0, true}
	e, ok := s.calmed(n, mask+4, good)
	if !ok {
		return
	}
	f := e.node
	if p := phases[f.phase]; p != Idle && p != Preparing && (p != Staged || !f.pinned) {
		s.breach(n, "L5/L6 with a host away it settles in %s", p.Words())
	}
	if f.stCol >= 0 && f.sl[f.stCol][0] == (slot{f.stVer, hHealthy}) && (f.route != f.stCol || f.targets&1 == 0) {
		s.breach(n, "L3 with a host away, what is on the other does not serve")
	}
	if d, m := s.decide(f); len(d.Steps) > 0 || m != f {
		s.breach(n, "S17 with a host away, a settled world is not left alone")
	}
}

// checkShut lets the world calm down with the windows closed for ever: what was
// begun ends, stable serves if it can, and the rest waits in Idle.
func (s *search) checkShut(n node, mask int) {
	good := [versions + 1]bool{true, true, mask&1 != 0, mask&2 != 0, true}
	e, ok := s.calmed(n, mask+8, good)
	if !ok {
		return
	}
	f := e.node
	if p := phases[f.phase]; p != Idle && (p != Staged || !f.pinned) {
		s.breach(n, "L5/L6 with windows closed it settles in %s", p.Words())
	}
	if f.stCol >= 0 && good[f.stVer] && f.stKnown && (f.route != f.stCol || !f.answers(f.route, f.routeVer, f.targets)) {
		s.breach(n, "L3 with windows closed, stable could serve and does not")
	}
	if d, m := s.decide(f); len(d.Steps) > 0 || m != f {
		s.breach(n, "S17 with windows closed, a settled world is not left alone")
	}
}

// calmed takes what is left of the budget away and settles n.
func (s *search) calmed(n node, mask int, good [versions + 1]bool) (ending, bool) {
	was := n
	n.edits, n.crashes, n.cmds, n.flaky, n.aways, n.shuts = 0, 0, 0, 0, 0, 0
	n.abortReq, n.promoteReq, n.undoReq, n.admitReq = false, false, false, false
	e := s.settle(n, mask, good)
	if !e.ok {
		s.breach(was, "L1 no fixpoint: the planner acts for ever")
	}
	s.longest = max(s.longest, e.steps)
	return e, e.ok
}

// checkSettled compares the settled world with the wish, field by field.
func (s *search) checkSettled(n, f node, held bool, good [versions + 1]bool) {
	if p := phases[f.phase]; p != Idle && (p != Staged || !f.pinned) {
		s.breach(n, "L5/L6 it settles in %s", p.Words())
	}
	if want := f.active - 1; want >= 0 && f.stCol >= 0 && f.stCol != want && !held && f.override != f.sgen && good[f.sver] {
		s.breach(n, "active names a colour that is not held and does not become live")
	}
	for c := range int8(2) {
		for host := range f.hosts {
			sl := f.sl[c][host]
			known := c == f.stCol && sl.ver == f.stVer || c == f.sbyCol || c == f.cCol || sl.health == hEnded
			if sl.ver != 0 && !known && c != f.route {
				s.breach(n, "L7 something is left that nobody needs")
			}
			if c == f.stCol && f.stKnown && sl.ver != f.stVer {
				s.breach(n, "L4 a replica of stable is missing")
			}
		}
	}
	if d, m := s.decide(f); len(d.Steps) > 0 || m != f {
		s.breach(n, "S17 a settled world is not left alone")
	}
}

// settle runs the planner in a calm world to the end. All states of one path
// end alike, so each is settled once.
func (s *search) settle(n node, mask int, good [versions + 1]bool) ending {
	var path []node
	e := ending{ok: true}
	for range 400 {
		if known, ok := s.settled[mask][n]; ok {
			e = ending{known.node, known.steps, known.ok}
			break
		}
		path = append(path, n)
		m, moved := s.calm(n, good, mask >= 4)
		if !moved {
			e.node = n
			break
		}
		n = m
		e.ok = len(path) < 400
	}
	for _, n := range slices.Backward(path) {
		s.settled[mask][n] = e
		e.steps++
	}
	return e
}

// calm makes one move: the planner's if it has one, else the calm world's.
func (s *search) calm(n node, good [versions + 1]bool, apart bool) (node, bool) {
	d, m := s.decide(n)
	for _, step := range d.Steps {
		m = m.perform(step)
	}
	if m = m.noted(d); m != n {
		return m, true
	}
	for c := range n.sl {
		for host, sl := range n.sl[c] {
			want := hBad
			if good[sl.ver] {
				want = hHealthy
			}
			if sl.ver != 0 && sl.health != want && sl.health != hEnded {
				m.sl[c][host].health = want
			}
		}
	}
	if !apart {
		m.away, m.shut = 0, false
	}
	switch {
	case m != n:
	case n.unseen == dlFuture:
		m.unseen = dlPast
	case n.deadline == dlFuture:
		m.deadline = dlPast
	case n.sbyCol >= 0 && !n.sbyExp:
		m.sbyExp = true
	case phases[n.phase] == Staged && n.manual && !n.token && !n.pinned:
		m.promoteReq = true
	}
	return m, m != n
}
