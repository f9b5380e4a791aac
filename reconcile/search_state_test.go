package reconcile

import (
	"fmt"
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
	hEnded // of a container of before Teal: it was stopped
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
	admitted              int8 // generation, 0 none
	admits                bool // the candidate
	degraded              bool

	sl              [2][2]slot // by colour and host
	route, routeVer int8       // route -1: none
	targets         int8       // of the route: the sum of 1 for host a and 2 for host b
	pvVer           int8       // version previewed on the other colour, 0 none
	pvTargets       int8

	hosts  int8 // how many, each with one replica
	away   int8 // host b: 0 answers, 1 is away, 2 is away and nothing is remembered of it
	aways  int8 // what is left of the budget for that
	unseen int8 // how long the candidate has waited for it
	shut   bool // deploy windows are closed
	shuts  int8 // what is left of the budget for that
	adopt  bool // the wish names a container of before Teal

	att                         int8
	edits, crashes, cmds, flaky int8
	failing                     bool // requests fail under the candidate
	abortReq, promoteReq        bool
	undoReq, admitReq           bool
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
	versions = 4 // 1..3, and 0 for what nobody remembers
	foreign  = 4 // the version of a container of before Teal
	port     = 8080
)

var hostNames = []string{"a", "b"}

// revisions are the real revisions of versions 1 to 3.
var revisions = func() (out [versions + 1]Revision) {
	for v := 1; v < versions; v++ {
		s := service(int8(v), 0, false)
		out[v] = wantedRevision(s, image(int8(v)))
	}
	out[0], out[foreign] = Revision{ID: "forgotten"}, Revision{ID: "adopted"}
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
	if n.hosts == 2 {
		in.Desired.Service.Hosts, in.Desired.Service.Replicas = hostNames, 2
	}
	if n.adopt {
		in.Desired.Service.Adopt = []spec.Adopted{{Colour: spec.Blue, Container: "was"}}
	}
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
	if n.admitReq {
		in.Commands = append(in.Commands, Command{Token: "admit", Verb: VerbPromote, Rollout: Waiting(int64(n.sgen))})
	}
	if n.shut {
		in.Closed = &Closure{Reason: ReasonOutsideWindow, Next: clock.Add(24 * time.Hour)}
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
	r.Admitted = int64(n.admitted)
	return r
}

func (n node) placement(ver, col int8, known bool) *Placement {
	p := &Placement{Colour: colours[col], Revision: revisions[ver], Health: health, Adopted: ver == foreign}
	if !known {
		p.Revision = Revision{ID: p.Revision.ID}
	}
	return p
}

func (n node) candidate() *Candidate {
	c := &Candidate{
		Placement: *n.placement(n.cVer, n.cCol, true), Trigger: triggers[n.cTrigger],
		Settings: *service(n.cVer, 0, n.manual).Rollout, Pulled: n.pulled, Created: n.created,
		SkipGates: n.skip, Pinned: n.pinned, Promoted: n.token, Admitted: n.admits,
	}
	c.Generation = int64(n.cGen)
	if p := phases[n.phase]; p == Staged || p == Switching || p == Confirming {
		c.Replicas = int(n.hosts)
	}
	switch n.unseen {
	case dlFuture:
		c.Unseen = clock
	case dlPast:
		c.Unseen = clock.Add(-startLimit)
	}
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
	n.degraded, n.admitted = r.Degraded != "", int8(r.Admitted)
	return n
}

func (n node) withCandidate(c *Candidate) node {
	n.cVer, n.cCol, n.cGen, n.cTrigger, n.unseen = 0, -1, 0, 0, dlNone
	n.pulled, n.created, n.skip, n.pinned, n.token, n.switched, n.verdict, n.hasEvidence = false, false, false, false, false, false, false, false
	n.admits = c != nil && c.Admitted
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
	if !c.Unseen.IsZero() {
		n.unseen = dl(c.Unseen.Add(startLimit))
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
