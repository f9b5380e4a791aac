package reconcile

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"testing"

	"teal/spec"
)

var (
	fullSearch  = flag.Bool("search.full", false, "search with the full budget of edits, faults and commands")
	firstBreach = flag.Bool("search.first", false, "stop at the first breach")
)

// budget is what the environment may do along one path.
type budget struct{ edits, crashes, cmds, flaky int8 }

func start(manual bool, b budget) node {
	return node{
		sver: 1, sgen: 1, manual: manual, stCol: -1, cCol: -1, sbyCol: -1, route: -1,
		edits: b.edits, crashes: b.crashes, cmds: b.cmds, flaky: b.flaky,
	}
}

// TestSearch visits every state the planner can come to and checks the safety
// of each decision, and from each state that the world settles as it should.
func TestSearch(t *testing.T) {
	small, full := budget{2, 1, 1, 1}, budget{2, 2, 1, 1}
	for _, c := range []struct {
		name   string
		manual bool
		active bool
		small  budget
		full   budget
	}{
		{"automatic gate", false, false, small, full},
		{"manual gate", true, false, small, full},
		{"active named", false, true, budget{2, 1, 0, 0}, budget{2, 1, 1, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := c.small
			if *fullSearch {
				b = c.full
			}
			s := &search{seen: map[node]bool{}, bad: map[string]node{}, actives: c.active}
			s.run(start(c.manual, b))
			t.Logf("%d states, %d decisions, longest settling %d steps", len(s.seen), s.decisions, s.longest)
			for _, k := range slices.Sorted(maps.Keys(s.bad)) {
				t.Errorf("%s\n  first: %+v", k, s.bad[k])
			}
		})
	}
}

type search struct {
	seen      map[node]bool
	queue     []node
	bad       map[string]node
	actives   bool
	decisions int
	longest   int
	settled   [4]map[node]ending
}

type ending struct {
	node
	steps int
	ok    bool
}

// enough different breaches show that something is wrong.
func (s *search) enough() bool { return len(s.bad) >= 3 || *firstBreach && len(s.bad) > 0 }

func (s *search) breach(n node, format string, args ...any) {
	k := fmt.Sprintf(format, args...)
	if _, ok := s.bad[k]; !ok {
		s.bad[k] = n
	}
}

func (s *search) run(first node) {
	for i := range s.settled {
		s.settled[i] = map[node]ending{}
	}
	s.push(first)
	for len(s.queue) > 0 && !s.enough() {
		n := s.queue[0]
		s.queue = s.queue[1:]
		for _, m := range s.after(n) {
			s.push(m)
		}
		for _, m := range s.environment(n) {
			s.push(m)
		}
		for mask := range 4 {
			s.checkEnding(n, mask)
		}
	}
}

func (s *search) push(n node) {
	if !s.seen[n] {
		s.seen[n] = true
		s.queue = append(s.queue, n)
	}
}

// decide asks the planner and checks what it says.
func (s *search) decide(n node) (Decision, node) {
	s.decisions++
	d := Next(n.input())
	m := n.with(d.Record)
	m.abortReq, m.promoteReq, m.undoReq = false, false, false
	for _, step := range d.Steps {
		if step.Kind == StepEnsure && step.Ensure.Generation > 0 {
			m.att |= 1 << step.Ensure.Generation
		}
	}
	for _, h := range d.History {
		m.att |= 1 << h.Generation
	}
	for _, why := range unsafe(n, d, m) {
		s.breach(n, "%s", why)
	}
	return d, m
}

// after are the states that one pass can leave: killed before its effects, with
// its effects done and not noted, and to its end. Effects that fail leave the
// first of these.
func (s *search) after(n node) []node {
	d, m := s.decide(n)
	out := []node{m}
	if len(d.Steps) == 0 {
		return out
	}
	done := m
	for _, step := range d.Steps {
		done = done.perform(step)
	}
	return append(out, done, done.noted(d))
}

// noted is the state after the outcomes of d's steps were noted.
func (n node) noted(d Decision) node {
	rec := d.Record
	for _, step := range d.Steps {
		rec, _ = Note(rec, step, Outcome{Image: image(n.sver), Evidence: &Evidence{}}, clock)
	}
	return n.with(rec)
}

// unsafe lists the safety rules that a decision breaks.
func unsafe(n node, d Decision, m node) (out []string) {
	say := func(rule string) { out = append(out, rule) }
	for _, step := range d.Steps {
		switch step.Kind {
		case StepRemove:
			_, col := place(&Placement{Colour: spec.Colour(step.Container)})
			if n.route == col {
				say("S1 a colour with live traffic was removed")
			}
			if col == n.sbyCol && !n.sbyExp && m.phase != 2 && n.sl[col].ver == n.sbyVer {
				say("S7 the standby was removed inside its window")
			}
		case StepEnsure:
			ver, col := place(&Placement{Colour: step.Ensure.Colour, Revision: step.Ensure.Revision})
			isCandidate := col == m.cCol && ver == m.cVer
			if isCandidate && n.route == col {
				say("S8 an unverified container was created behind live traffic")
			}
			if isCandidate && m.held && m.heldGen == m.obs && m.cGen == m.obs {
				say("S5 a held revision was started")
			}
		case StepRoute:
			done := m.perform(step)
			to := done.route
			if goesOn := to == n.route && done.routeVer == n.routeVer; goesOn {
				continue
			}
			if n.sl[to].health != hHealthy || n.sl[to].ver != done.routeVer {
				say("S2 traffic was sent to a colour that is not healthy")
			} else if to == m.cCol && m.stCol != to {
				if n.manual && !m.token && !m.skip || m.pinned {
					say("S6 the candidate got traffic without its gate")
				}
				if p := phases[m.phase]; p == Aborting || p == Superseding {
					say("S15 going back raised the candidate's weight")
				}
			}
		case StepResolve, StepPull, StepStop, StepUnroute, StepTest, StepEvidence:
		}
	}
	if m.obs < n.obs {
		say("S11 the observed generation went back")
	}
	if m.stCol >= 0 && (m.stCol != n.stCol || m.stVer != n.stVer) && n.route != m.stCol {
		say("S3 stable was recorded although the proxy does not serve it")
	}
	return out
}

// environment are the states that the outside can make of n.
func (s *search) environment(n node) (out []node) {
	add := func(change func(*node)) {
		m := n
		change(&m)
		out = append(out, m)
	}
	if n.edits > 0 {
		for v := int8(1); v < versions; v++ {
			for a := range int8(3) {
				if (v != n.sver || a != n.active) && (s.actives || a == 0) {
					add(func(m *node) { m.sver, m.active, m.sgen, m.edits = v, a, m.sgen+1, m.edits-1 })
				}
			}
		}
	}
	for c := range n.sl {
		s.containers(n, c, add)
	}
	if n.crashes > 0 && n.route >= 0 { // the proxy is back with an older table
		add(func(m *node) { m.route, m.routeVer, m.pvVer, m.crashes = -1, 0, 0, m.crashes-1 })
		if other := 1 - n.route; n.sl[other].ver != 0 {
			for _, v := range []int8{0, n.sl[other].ver} {
				add(func(m *node) { m.route, m.routeVer, m.pvVer, m.crashes = other, v, 0, m.crashes-1 })
			}
		}
	}
	s.operators(n, add)
	if n.deadline == dlFuture {
		add(func(m *node) { m.deadline = dlPast })
	}
	if n.sbyCol >= 0 && !n.sbyExp {
		add(func(m *node) { m.sbyExp = true })
	}
	return out
}

// containers come up, break, are repaired by the engine or removed by hand.
func (s *search) containers(n node, c int, add func(func(*node))) {
	switch n.sl[c].health {
	case hStarting:
		add(func(m *node) { m.sl[c].health = hHealthy })
		add(func(m *node) { m.sl[c].health = hBad })
	case hHealthy:
		if n.crashes > 0 {
			add(func(m *node) { m.sl[c].health, m.crashes = hBad, m.crashes-1 })
			add(func(m *node) { m.sl[c], m.crashes = slot{}, m.crashes-1 })
		}
	case hBad:
		add(func(m *node) { m.sl[c].health = hHealthy })
	}
}

// operators give commands; requests fail under load.
func (s *search) operators(n node, add func(func(*node))) {
	if n.cmds > 0 {
		if phases[n.phase] == Staged && n.manual && !n.token {
			add(func(m *node) { m.promoteReq, m.cmds = true, m.cmds-1 })
		}
		if n.phase >= 1 && n.phase <= 6 && !n.abortReq {
			add(func(m *node) { m.abortReq, m.cmds = true, m.cmds-1 })
		}
		if s.actives && n.phase == 0 && n.sbyCol >= 0 && !n.undoReq {
			add(func(m *node) { m.undoReq, m.cmds = true, m.cmds-1 })
		}
	}
	if phases[n.phase] == Confirming && !n.failing && n.flaky > 0 {
		add(func(m *node) { m.failing, m.flaky = true, m.flaky-1 })
	}
}

// checkEnding lets the world calm down and checks what it comes to. Version 1
// is good; the mask says whether 2 and 3 are.
func (s *search) checkEnding(n node, mask int) {
	good := [versions]bool{true, true, mask&1 != 0, mask&2 != 0}
	n.edits, n.crashes, n.cmds, n.flaky = 0, 0, 0, 0
	n.abortReq, n.promoteReq, n.undoReq = false, false, false
	e := s.settle(n, mask, good)
	if !e.ok {
		s.breach(n, "L1 no fixpoint: the planner acts for ever")
		return
	}
	s.longest = max(s.longest, e.steps)
	f := e.node
	wants := f.sver != f.stVer && f.active == 0
	if wants && f.att&(1<<f.sgen) == 0 && f.override != f.sgen {
		s.breach(n, "L2 the newest generation is never attempted")
	}
	if f.stCol >= 0 && good[f.stVer] && (f.route < 0 || f.sl[f.route].health != hHealthy) && f.stKnown {
		s.breach(n, "L3 traffic stays on a broken colour although stable could serve")
	}
	held := f.held && f.heldGen == f.sgen
	if wants && good[f.sver] && !held && f.override != f.sgen {
		s.breach(n, "L4 a good revision that is not held never becomes stable")
	}
	s.checkSettled(n, f, held, good)
}

// checkSettled compares the settled world with the wish, field by field.
func (s *search) checkSettled(n, f node, held bool, good [versions]bool) {
	if p := phases[f.phase]; p != Idle && (p != Staged || !f.pinned) {
		s.breach(n, "L5/L6 it settles in %s", p.Words())
	}
	if want := f.active - 1; want >= 0 && f.stCol >= 0 && f.stCol != want && !held && f.override != f.sgen && good[f.sver] {
		s.breach(n, "active names a colour that is not held and does not become live")
	}
	for c, sl := range f.sl {
		known := int8(c) == f.stCol && sl.ver == f.stVer || int8(c) == f.sbyCol || int8(c) == f.cCol
		if sl.ver != 0 && !known && int8(c) != f.route {
			s.breach(n, "L7 something is left that nobody needs")
		}
	}
	if d, m := s.decide(f); len(d.Steps) > 0 || m != f {
		s.breach(n, "S17 a settled world is not left alone")
	}
}

// settle runs the planner in a calm world to the end. All states of one path
// end alike, so each is settled once.
func (s *search) settle(n node, mask int, good [versions]bool) ending {
	var path []node
	e := ending{ok: true}
	for range 400 {
		if known, ok := s.settled[mask][n]; ok {
			e = ending{known.node, known.steps, known.ok}
			break
		}
		path = append(path, n)
		m, moved := s.calm(n, good)
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
func (s *search) calm(n node, good [versions]bool) (node, bool) {
	d, m := s.decide(n)
	for _, step := range d.Steps {
		m = m.perform(step)
	}
	if m = m.noted(d); m != n {
		return m, true
	}
	for c := range n.sl {
		want := hBad
		if good[n.sl[c].ver] {
			want = hHealthy
		}
		if n.sl[c].ver != 0 && n.sl[c].health != want {
			m.sl[c].health = want
		}
	}
	switch {
	case m != n:
	case n.deadline == dlFuture:
		m.deadline = dlPast
	case n.sbyCol >= 0 && !n.sbyExp:
		m.sbyExp = true
	case phases[n.phase] == Staged && n.manual && !n.token && !n.pinned:
		m.promoteReq = true
	}
	return m, m != n
}
