package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"teal/spec"
)

// The search of semantics: every state that edits, faults, commands, crashes and
// the planner itself can reach within a budget. A state is small and comparable;
// it is turned into the planner's real input and back for every decision, and
// the way back is checked to lose nothing.

const (
	hNone int8 = iota
	hStarting
	hHealthy
	hBad
)

const (
	dlNone int8 = iota
	dlFuture
	dlPast
)

// node is one state: the wish, the record, the world and what is left of the
// budget.
type node struct {
	sver, sgen int8
	active     int8 // 0 auto, 1 blue, 2 green
	manual     bool

	obs, igen             int8
	phase                 int8 // index into phases
	deadline              int8
	stVer, stCol          int8 // stCol -1: no stable
	stKnown               bool
	cVer, cCol, cGen      int8 // cCol -1: no candidate
	cTrigger              int8
	pulled, created       bool
	skip, pinned, token   bool
	switched, hasEvidence bool
	verdict               bool
	sbyVer, sbyCol        int8 // sbyCol -1: none
	sbyExp                bool
	held                  bool
	heldVer               int8
	heldGen               int8
	override              int8 // generation, 0 none
	degraded              bool

	sl              [2]slot
	route, routeVer int8 // route -1: none
	pvVer           int8 // version previewed on the other colour, 0 none

	att                         int8
	edits, crashes, cmds, flaky int8
	failing                     bool // requests fail under the candidate
	abortReq, promoteReq        bool
	undoReq                     bool
}

type slot struct{ ver, health int8 }

var (
	phases   = []Phase{Idle, Preparing, Starting, Verifying, Staged, Switching, Confirming, Aborting, Superseding}
	colours  = []spec.Colour{spec.Blue, spec.Green}
	triggers = []Trigger{TriggerChange, TriggerActive, TriggerUndo}
	clock    = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	app      = spec.Name{Project: "p", Service: "s"}
)

const (
	versions = 4 // 1..3, and 9 as index 0 for what nobody remembers
	port     = 8080
)

// revisions are the real revisions of versions 1 to 3.
var revisions = func() (out [versions]Revision) {
	for v := 1; v < versions; v++ {
		s := service(int8(v), 0, false)
		out[v] = wantedRevision(s, image(int8(v)))
	}
	out[0] = Revision{ID: "forgotten"}
	return out
}()

var versionOf = func() map[string]int8 {
	out := map[string]int8{}
	for v, r := range revisions {
		out[r.ID] = int8(v)
	}
	return out
}()

func image(v int8) Image {
	return Image{Ref: fmt.Sprintf("app:v%d", v), Digest: fmt.Sprintf("sha256:%d", v)}
}

var health = spec.Health{Kind: spec.HealthHTTP, Path: "/", Port: port, Successes: 3, Failures: 3, Restarts: 3, Deadline: spec.Duration(time.Minute)}

func service(v, active int8, manual bool) spec.Service {
	r := &spec.Rollout{
		Active:   []spec.Active{spec.ActiveAuto, spec.ActiveBlue, spec.ActiveGreen}[active],
		Strategy: spec.BlueGreen, Promotion: spec.Promotion{Mode: spec.PromotionAuto},
		Route:  spec.Route{Host: "*", Path: "/", Port: port},
		Health: health, Bake: spec.Bake{For: spec.Duration(time.Hour), MaxFailed: 0.05, MinRequests: 20},
		Standby: spec.Standby{For: spec.Duration(time.Hour)},
	}
	if manual {
		r.Promotion = spec.Promotion{Mode: spec.PromotionManual}
	}
	return spec.Service{Name: app, Replicas: 1, Container: spec.Container{Image: image(v).Ref}, Rollout: r}
}

func at(dl int8) time.Time {
	switch dl {
	case dlFuture:
		return clock.Add(time.Hour)
	case dlPast:
		return clock.Add(-time.Second)
	}
	return time.Time{}
}

func dl(t time.Time) int8 {
	switch {
	case t.IsZero():
		return dlNone
	case t.After(clock):
		return dlFuture
	}
	return dlPast
}

// input turns n into what the planner really gets.
func (n node) input() Input {
	in := Input{Now: clock, Record: n.record(), World: n.world()}
	in.Desired = Desired{Generation: int64(n.sgen), Accepted: clock, Service: service(n.sver, n.active, n.manual)}
	cmd := func(v Verb) { in.Commands = append(in.Commands, Command{Token: string(v), Verb: v}) }
	if n.abortReq {
		cmd(VerbAbort)
	}
	if n.promoteReq {
		cmd(VerbPromote)
	}
	if n.undoReq {
		cmd(VerbUndo)
	}
	return in
}

func (n node) record() Record {
	r := Record{
		Name: app, Generation: int64(n.obs), ImageGeneration: int64(n.igen), Phase: phases[n.phase], Deadline: at(n.deadline),
	}
	if n.igen == n.sgen {
		r.Image = image(n.sver)
	}
	if n.stCol >= 0 {
		r.Stable = n.placement(n.stVer, n.stCol, n.stKnown)
	}
	if n.cCol >= 0 {
		r.Candidate = n.candidate()
	}
	if n.sbyCol >= 0 {
		r.Standby = &Standby{Placement: *n.placement(n.sbyVer, n.sbyCol, true), Until: at(dlFuture)}
		if n.sbyExp {
			r.Standby.Until = at(dlPast)
		}
	}
	if n.held {
		r.Hold = &Hold{Generation: int64(n.heldGen), Revision: revisions[n.heldVer].ID}
	}
	if n.override > 0 {
		r.Override = &Override{Generation: int64(n.override)}
	}
	if n.degraded {
		r.Degraded = "degraded"
	}
	return r
}

func (n node) placement(ver, col int8, known bool) *Placement {
	p := &Placement{Colour: colours[col], Revision: revisions[ver], Health: health}
	if !known {
		p.Revision = Revision{ID: p.Revision.ID}
	}
	return p
}

func (n node) candidate() *Candidate {
	c := &Candidate{
		Placement: *n.placement(n.cVer, n.cCol, true), Trigger: triggers[n.cTrigger],
		Settings: *service(n.cVer, 0, n.manual).Rollout, Pulled: n.pulled, Created: n.created,
		SkipGates: n.skip, Pinned: n.pinned, Promoted: n.token,
	}
	c.Generation = int64(n.cGen)
	if n.switched {
		c.Switched = clock
	}
	if n.verdict {
		c.Verdict = &Failure{Class: Verdict, Reason: ReasonUnhealthy}
	}
	if n.hasEvidence {
		c.Evidence = &Evidence{}
	}
	return c
}

// world has one container per filled slot; a slot's address never changes, as
// with the fixed addresses of the ingress network.
func (n node) world() World {
	w := World{Served: Served{Known: true}}
	for i, s := range n.sl {
		if s.ver != 0 {
			w.Containers = append(w.Containers, container(s, int8(i)))
		}
	}
	if n.route >= 0 {
		w.Served.Route = &Route{App: app, Host: "*", Path: "/", Backends: []Backend{{
			Colour: colours[n.route], Revision: revisions[n.routeVer].ID, Weight: 100, Targets: []string{address(n.route)},
		}}}
		if n.pvVer > 0 {
			w.Served.Route.preview(Backend{Colour: colours[1-n.route], Revision: revisions[n.pvVer].ID, Targets: []string{address(1 - n.route)}})
		}
	}
	if n.failing && n.cCol >= 0 {
		w.Served.Traffic = []Traffic{{Colour: colours[n.cCol], Revision: revisions[n.cVer].ID, Requests: 100, Failures: 100}}
	}
	return w
}

func (r *Route) preview(b Backend) {
	r.Preview.Colour = b.Colour
	r.Backends = append(r.Backends, b)
	slices.SortFunc(r.Backends, func(a, b Backend) int { return strings.Compare(string(a.Colour), string(b.Colour)) })
}

func address(col int8) string { return fmt.Sprintf("10.0.0.%d:%d", col+2, port) }

func container(s slot, col int8) Container {
	c := Container{
		ID: string(colours[col]), Name: string(colours[col]), Colour: colours[col], Replica: 1,
		Revision: revisions[s.ver].ID, State: Running, StartedAt: clock.Add(-time.Minute), Address: address(col),
	}
	switch s.health {
	case hHealthy:
		c.Probe = Probe{Attempts: 9, Successes: 9, Since: clock.Add(-time.Minute)}
	case hBad:
		c.Probe = Probe{Attempts: 9, Failures: 9}
		c.State, c.Restarts = Restarting, 5
	}
	return c
}

// with takes over the record that the planner returned.
func (n node) with(r Record) node {
	n.obs, n.igen, n.deadline = int8(r.Generation), int8(r.ImageGeneration), dl(r.Deadline)
	for i, p := range phases {
		if p == r.Phase {
			n.phase = int8(i)
		}
	}
	n.stVer, n.stCol, n.stKnown = 0, -1, false
	if r.Stable != nil {
		n.stVer, n.stCol = place(r.Stable)
		n.stKnown = r.Stable.Revision.Known()
	}
	n = n.withCandidate(r.Candidate)
	n.sbyVer, n.sbyCol, n.sbyExp = 0, -1, false
	if r.Standby != nil {
		n.sbyVer, n.sbyCol = place(&r.Standby.Placement)
		n.sbyExp = dl(r.Standby.Until) == dlPast
	}
	n.held, n.heldVer, n.heldGen, n.override = r.Hold != nil, 0, 0, 0
	if r.Hold != nil {
		n.heldVer, n.heldGen = versionOf[r.Hold.Revision], int8(r.Hold.Generation)
	}
	if r.Override != nil {
		n.override = int8(r.Override.Generation)
	}
	n.degraded = r.Degraded != ""
	return n
}

func (n node) withCandidate(c *Candidate) node {
	n.cVer, n.cCol, n.cGen, n.cTrigger = 0, -1, 0, 0
	n.pulled, n.created, n.skip, n.pinned, n.token, n.switched, n.verdict, n.hasEvidence = false, false, false, false, false, false, false, false
	if c == nil {
		n.failing = false
		return n
	}
	n.cVer, n.cCol = place(&c.Placement)
	n.cGen = int8(c.Generation)
	for i, tr := range triggers {
		if tr == c.Trigger {
			n.cTrigger = int8(i)
		}
	}
	n.pulled, n.created, n.skip, n.pinned, n.token = c.Pulled, c.Created, c.SkipGates, c.Pinned, c.Promoted
	n.switched, n.verdict, n.hasEvidence = !c.Switched.IsZero(), c.Verdict != nil, c.Evidence != nil
	return n
}

func place(p *Placement) (ver, col int8) {
	for i, c := range colours {
		if c == p.Colour {
			col = int8(i)
		}
	}
	return versionOf[p.Revision.ID], col
}

// perform applies a step to the world, as if it went well.
func (n node) perform(s Step) node {
	switch s.Kind {
	case StepEnsure:
		_, col := place(&Placement{Colour: s.Ensure.Colour})
		n.sl[col] = slot{versionOf[s.Ensure.Revision.ID], hStarting}
	case StepRemove:
		for i, c := range colours {
			if s.Container == string(c) {
				n.sl[i] = slot{}
			}
		}
	case StepRoute:
		n.pvVer = 0
		for _, b := range s.Route.Backends {
			if b.Weight == 0 {
				n.pvVer = versionOf[b.Revision]
			}
			if b.Weight == 100 {
				n.routeVer, n.route = place(&Placement{Colour: b.Colour, Revision: Revision{ID: b.Revision}})
			}
		}
	case StepUnroute:
		n.route, n.routeVer, n.pvVer = -1, 0, 0
	case StepResolve, StepPull, StepEvidence, StepStop, StepTest:
	}
	return n
}
