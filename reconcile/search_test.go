package reconcile

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"testing"
)

var (
	fullSearch  = flag.Bool("search.full", false, "search with the full budget of edits, faults and commands")
	firstBreach = flag.Bool("search.first", false, "stop at the first breach")
)

// budget is what the environment may do along one path.
type budget struct{ edits, crashes, cmds, flaky, aways, shuts int8 }

func start(b budget) node {
	return node{
		sver: 1, sgen: 1, stCol: -1, cCol: -1, sbyCol: -1, route: -1, hosts: 1,
		edits: b.edits, crashes: b.crashes, cmds: b.cmds, flaky: b.flaky, aways: b.aways, shuts: b.shuts,
	}
}

// Beginnings of a search.
var (
	oneHost  = func(*node) {}
	gated    = func(n *node) { n.manual = true }
	twoHosts = func(n *node) { n.hosts = 2 }
	adopted  = func(n *node) { n.adopt, n.sl[0][0] = true, slot{foreign, hHealthy} }
)

// TestSearch visits every state the planner can come to and checks the safety
// of each decision, and from each state that the world settles as it should.
func TestSearch(t *testing.T) {
	small, full := budget{2, 1, 1, 1, 0, 0}, budget{2, 2, 1, 1, 0, 0}
	for _, c := range []struct {
		name   string
		begin  func(*node)
		active bool
		newest int8 // version that may be wished for
		small  budget
		full   budget
	}{
		{"automatic gate", oneHost, false, 3, small, full},
		{"manual gate", gated, false, 3, small, full},
		{"active named", oneHost, true, 3, budget{2, 1, 0, 0, 0, 0}, budget{2, 1, 1, 1, 0, 0}},
		{"two hosts", twoHosts, false, 2, budget{1, 2, 0, 0, 1, 0}, budget{2, 1, 1, 1, 1, 0}},
		{"adopted", adopted, false, 3, budget{2, 1, 1, 0, 0, 0}, full},
		{"windows", oneHost, false, 2, budget{2, 0, 1, 0, 0, 1}, budget{2, 1, 1, 1, 0, 2}},
		{"windows, manual gate", gated, false, 2, budget{2, 0, 1, 0, 0, 1}, budget{2, 1, 1, 0, 0, 2}},
		{"windows, active named", oneHost, true, 2, budget{1, 1, 0, 0, 0, 1}, budget{2, 1, 1, 0, 0, 1}},
		{"adopted, active named", adopted, true, 2, budget{1, 1, 1, 0, 0, 0}, budget{2, 1, 1, 1, 0, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := c.small
			if *fullSearch {
				b = c.full
			}
			s := &search{seen: map[node]bool{}, bad: map[string]node{}, actives: c.active, newest: c.newest}
			first := start(b)
			c.begin(&first)
			s.run(first)
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
	newest    int8
	decisions int
	longest   int
	settled   [12]map[node]ending
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
			if n.away != 0 {
				s.checkWaiting(n, mask)
			}
			if n.shut {
				s.checkShut(n, mask)
			}
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
	m.abortReq, m.promoteReq, m.undoReq, m.admitReq = false, false, false, false
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

// environment are the states that the outside can make of n.
func (s *search) environment(n node) (out []node) {
	add := func(change func(*node)) {
		m := n
		change(&m)
		out = append(out, m)
	}
	if n.edits > 0 {
		for v := int8(1); v <= s.newest; v++ {
			for a := range int8(3) {
				if (v != n.sver || a != n.active) && (s.actives || a == 0) {
					add(func(m *node) { m.sver, m.active, m.sgen, m.edits = v, a, m.sgen+1, m.edits-1 })
				}
			}
		}
	}
	for c := range n.sl {
		for host := range n.sl[c] {
			s.containers(n, c, host, add)
		}
	}
	s.hosts(n, add)
	s.windows(n, add)
	if n.crashes > 0 && n.route >= 0 { // the proxy is back with an older table
		older := func(m *node) { m.targets, m.pvVer, m.pvTargets, m.crashes = 1<<m.hosts-1, 0, 0, m.crashes-1 }
		add(func(m *node) { older(m); m.route, m.routeVer, m.targets = -1, 0, 0 })
		other := 1 - n.route
		for _, sl := range n.sl[other] {
			if sl.ver != 0 {
				add(func(m *node) { older(m); m.route, m.routeVer = other, 0 })
				add(func(m *node) { older(m); m.route, m.routeVer = other, sl.ver })
			}
		}
	}
	s.operators(n, add)
	if n.deadline == dlFuture {
		add(func(m *node) { m.deadline = dlPast })
	}
	if n.unseen == dlFuture {
		add(func(m *node) { m.unseen = dlPast })
	}
	if n.sbyCol >= 0 && !n.sbyExp {
		add(func(m *node) { m.sbyExp = true })
	}
	return out
}

// hosts go away, with what is remembered of them or, after a restart of Teal,
// without, and come back as they are.
func (s *search) hosts(n node, add func(func(*node))) {
	if n.aways > 0 && n.away == 0 {
		add(func(m *node) { m.away, m.aways = 1, m.aways-1 })
	}
	if n.away == 1 {
		add(func(m *node) { m.away = 2 })
	}
	if n.away > 0 {
		add(func(m *node) { m.away = 0 })
	}
}

// windows close and open, and a person lets begin what waits.
func (s *search) windows(n node, add func(func(*node))) {
	if n.shuts > 0 && !n.shut {
		add(func(m *node) { m.shut, m.shuts = true, m.shuts-1 })
	}
	if n.shut {
		add(func(m *node) { m.shut = false })
	}
	if n.shut && n.cmds > 0 && n.phase == 0 && !n.admitReq {
		add(func(m *node) { m.admitReq, m.cmds = true, m.cmds-1 })
	}
}

// containers come up, break, are repaired by the engine or removed by hand.
func (s *search) containers(n node, c, host int, add func(func(*node))) {
	switch n.sl[c][host].health {
	case hStarting:
		add(func(m *node) { m.sl[c][host].health = hHealthy })
		add(func(m *node) { m.sl[c][host].health = hBad })
	case hHealthy:
		if n.crashes > 0 {
			add(func(m *node) { m.sl[c][host].health, m.crashes = hBad, m.crashes-1 })
		}
		if n.crashes > 0 && (host == 0 || n.away == 0) { // else what is remembered were not what is there
			add(func(m *node) { m.sl[c][host], m.crashes = slot{}, m.crashes-1 })
		}
		if n.crashes > 0 && n.sl[c][host].ver == foreign {
			add(func(m *node) { m.sl[c][host].health, m.crashes = hEnded, m.crashes-1 })
		}
	case hBad:
		add(func(m *node) { m.sl[c][host].health = hHealthy })
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
