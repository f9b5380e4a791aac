package reconcile_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	. "teal/reconcile"
	"teal/spec"
)

// walker does at random what operators, engines and proxies do.
type walker struct {
	*scenario
	r *rapid.T
}

func (w walker) pick(what string, n int) int { return rapid.IntRange(0, n-1).Draw(w.r, what) }

func (w walker) image() string { return fmt.Sprint("app:v", w.pick("image", 3)+1) }

// edit makes a new generation.
func (w walker) edit() {
	switch w.pick("edit", 8) {
	case 0, 1, 2:
		w.wants(w.image())
	case 3:
		w.edits(replicas(w.pick("replicas", 3) + 1))
	case 4:
		w.edits(active([]spec.Active{spec.ActiveAuto, spec.ActiveBlue, spec.ActiveGreen}[w.pick("active", 3)]))
	case 5:
		w.edits(promotion([]spec.Promotion{
			{Mode: spec.PromotionAuto},
			{Mode: spec.PromotionManual, Timeout: seconds(300), OnTimeout: spec.TimeoutAbort},
			{Mode: spec.PromotionAfter, After: seconds(30)},
		}[w.pick("promotion", 3)]))
	case 6:
		w.edits(bake(w.pick("bake", 2)*30), standby([]spec.Standby{{}, {For: seconds(60)}, {Forever: true}}[w.pick("standby", 3)]))
	case 7:
		w.edits()
	}
}

// fault breaks something.
func (w walker) fault() {
	h, image := w.host, w.image()
	switch w.pick("fault", 9) {
	case 0:
		w.removes(image)
	case 1:
		w.stops(image)
	case 2:
		w.breaks(image)
	case 3:
		w.heals(image)
	case 4:
		h.route = nil
	case 5:
		if h.older != nil {
			h.route = h.older
		}
	case 6:
		h.down = !h.down
	case 7:
		w.tealWasAway(time.Duration(w.pick("seconds away", 120)) * time.Second)
	case 8:
		kinds := []StepKind{StepResolve, StepPull, StepEnsure, StepRemove, StepRoute}
		class := []FailureClass{Infra, Infra, Permanent}[w.pick("class", 3)]
		h.refuse(1, kinds[w.pick("step", len(kinds))], "", Failure{Class: class, Reason: ReasonEngineRefused, Message: "refused"})
	}
	h.settleRoute(w.now)
}

func (w walker) act() {
	switch w.pick("act", 10) {
	case 0, 1:
		w.edit()
	case 2:
		w.fault()
	case 3:
		w.command([]Verb{VerbPromote, VerbAbort, VerbUndo, VerbRetry}[w.pick("verb", 4)])
	case 7:
		by := hour * time.Duration(w.pick("clock", 3)-1)
		if by < 0 && w.pick("away", 2) == 1 {
			w.clockIsSet(by)
			w.tealWasAway(0)
			return
		}
		w.clockIsSeenSet(by)
	case 4:
		if image := w.image(); len(w.host.all(image)) > 0 {
			w.inFlight(image, w.pick("plain", 2), w.pick("upgraded", 2))
		}
	default:
		w.passes(time.Duration(w.pick("seconds", 40)) * time.Second)
	}
}

// calm repairs all that an outside could repair.
func (w walker) calm() {
	w.host.down, w.host.refusals, w.host.traffic = false, nil, nil
	for v := range 3 {
		w.heals(fmt.Sprint("app:v", v+1))
	}
}

// TestWalk lets the world do anything, with the safety rules held against every
// decision, and then wants it to settle as the newest generation says.
func TestWalk(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := walker{newApp(r), r}
		w.wants("app:v1")
		for range w.pick("acts", 25) {
			w.act()
		}
		w.calm()
		w.settles()
		w.checkSettled()
	})
}

// checkSettled: L2 to L5, L7 and S17.
func (w walker) checkSettled() {
	rec, gen := w.record, w.desired.Generation
	gated := w.desired.Service.Rollout.Promotion.Mode != spec.PromotionAuto
	held := rec.Hold != nil && rec.Hold.Generation == gen
	overridden := rec.Override != nil && rec.Override.Generation == gen
	named, pinned := w.desired.Service.Rollout.Active.Colour()
	switch {
	case rec.Phase == Staged && (rec.Candidate.Pinned || gated || rec.Candidate.Settings.Promotion.Mode != spec.PromotionAuto):
	case rec.Phase != Idle:
		w.t.Fatalf("L5: it settles in %s", rec.Phase.Words())
	case rec.Generation != gen:
		w.t.Fatalf("L2: generation %d is not observed, %d is", gen, rec.Generation)
	case held || overridden:
	case rec.Stable == nil:
		w.t.Fatalf("L4: nothing is stable")
	case pinned && rec.Stable.Colour != named:
		w.t.Fatalf("L4: active names %s, stable is on %s", named, rec.Stable.Colour)
	case rec.Stable.Revision.Image.Ref != w.desired.Service.Container.Image:
		w.t.Fatalf("L4: %s is wanted and not held, stable is %s", w.desired.Service.Container.Image, rec.Stable.Revision.Image.Ref)
	}
	if p := rec.Stable; p != nil && (p.Revision.Known() || len(w.host.all(p.Revision.Image.Ref)) > 0) {
		w.routedTo(p.Colour, p.Revision.Image.Ref)
	}
	for _, b := range w.host.boxes {
		if !slices.ContainsFunc(w.placements(), func(p Placement) bool { return p.Colour == b.Colour && p.Revision.ID == b.Revision }) {
			w.t.Errorf("L7: %s is left", place(b.Colour, b.Replica, b.Image))
		}
	}
	w.forget()
	w.pass()
	w.didNothing()
}

// placements are those that may have containers.
func (s *scenario) placements() (out []Placement) {
	if s.record.Stable != nil {
		out = append(out, *s.record.Stable)
	}
	if s.record.Candidate != nil {
		out = append(out, s.record.Candidate.Placement)
	}
	if s.record.Standby != nil {
		out = append(out, s.record.Standby.Placement)
	}
	return out
}
