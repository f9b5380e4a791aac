package reconcile

import (
	"fmt"

	"teal/spec"
)

// resolved reports whether it is known which content the wanted image stands
// for.
func (t *turn) resolved() bool { return t.rec.ImageGeneration == t.in.Desired.Generation }

// held reports whether the present generation is held.
func (t *turn) held() bool {
	return t.rec.Hold != nil && t.rec.Hold.Generation == t.in.Desired.Generation
}

// overridden reports whether undo keeps stable against the present generation.
func (t *turn) overridden() bool {
	return t.rec.Override != nil && t.rec.Override.Generation == t.in.Desired.Generation
}

// wanted is the revision that the present generation asks for. It is only
// meaningful once resolved.
func (t *turn) wanted() Revision {
	if t.want == nil {
		w := wantedRevision(t.in.Desired.Service, t.rec.Image)
		t.want = &w
	}
	return *t.want
}

func wantedRevision(s spec.Service, image Image) Revision {
	port := 0
	if s.Rollout != nil {
		port = s.Rollout.Route.Port
	}
	return Revision{
		ID:    spec.RevisionID(s.Container, port, image.Digest),
		Image: image, Container: s.Container, Port: port,
	}
}

// takeIn takes in a new generation: it finds out what its image stands for and
// then records the consequence, in one decision.
func (t *turn) takeIn() move {
	des := t.in.Desired
	if des.Generation < t.rec.Generation {
		return onward // an answer from the past changes nothing
	}
	deciding := t.rec.Phase == Idle || t.rec.Phase.early()
	if !t.resolved() && !t.held() && deciding {
		if t.backingOff(StepResolve) {
			return onward
		}
		asked := t.answering()
		if len(asked) == 0 {
			return onward
		}
		return t.do(Step{
			Kind: StepResolve, Generation: des.Generation, Why: fmt.Sprintf("generation %d", des.Generation),
			Image: Image{Ref: des.Service.Container.Image}, Policy: des.Service.PullPolicy, Hosts: asked,
		})
	}
	if !t.resolved() || des.Generation == t.rec.Generation {
		return onward
	}
	switch t.rec.Phase {
	case Idle:
		t.acknowledge()
		return again
	case Preparing, Starting, Verifying, Staged, Switching:
		if t.rec.Candidate.Revision.ID == t.wanted().ID || t.stillFlips() {
			t.adoptNumber()
			if t.rec.Phase == Staged && len(t.unstarted()) > 0 {
				return t.to(Starting, startLimit) // more replicas are wanted: verified with the others
			}
			return again
		}
		t.note(ReasonSuperseded, "generation %d is newer", des.Generation)
		return t.to(Superseding, 0)
	case Confirming, Aborting, Superseding:
		// the bounded bake ends first; going back always runs to its end
	}
	return onward
}

// acknowledge makes the desired generation the observed one. Hold and override
// belong to a generation and end with it.
func (t *turn) acknowledge() {
	t.rec.Generation = t.in.Desired.Generation
	t.rec.Hold, t.rec.Override, t.rec.Admitted = nil, nil, 0
	if s, r := t.rec.Stable, t.in.Desired.Service.Rollout; s != nil && s.Adopted && r != nil {
		p := *s
		p.Health = r.Health // nobody verified it by what it was probed with
		t.rec.Stable = &p
	}
}

// adoptNumber lets the candidate stand for the new generation: it is what that
// asks for. What active says is taken from the new generation.
func (t *turn) adoptNumber() {
	t.acknowledge()
	c := *t.rec.Candidate
	c.Generation, c.Origin = t.rec.Generation, t.in.Desired.Origin
	r := t.in.Desired.Service.Rollout
	x, named := activeColour(r)
	c.Pinned = named && t.rec.Stable != nil && x == t.rec.Stable.Colour
	if named && x == c.Colour && t.rec.Phase == Staged && c.Settings.Active != r.Active {
		c.SkipGates = true
	}
	if r != nil {
		c.Settings.Active = r.Active
	}
	t.rec.Candidate = &c
}

// stillFlips reports whether the candidate is a standby that active names, and
// named when its rollout began: what the newer generation says besides comes
// after the flip.
func (t *turn) stillFlips() bool {
	c := t.rec.Candidate
	x, named := activeColour(t.in.Desired.Service.Rollout)
	return named && x == c.Colour && c.Trigger == TriggerActive && c.SkipGates
}

// wish is the rollout that the desired state asks for now, if any.
func (t *turn) wish() (Candidate, bool) {
	if !t.resolved() || t.rec.Generation != t.in.Desired.Generation || t.overridden() {
		return Candidate{}, false
	}
	w := t.wanted()
	c := Candidate{Trigger: TriggerChange, Placement: Placement{Revision: w, Health: t.in.Desired.Service.Rollout.Health}}
	x, named := t.in.Desired.Service.Rollout.Active.Colour()
	stable := t.rec.Stable
	switch {
	case stable == nil:
		c.Colour = t.free()
		if named && !t.liveOn(x) {
			c.Colour = x
		}
	case named && x != stable.Colour:
		if s := t.rec.Standby; s != nil && s.Colour == x && t.alive(&s.Placement) {
			return Candidate{Placement: s.Placement, Trigger: TriggerActive, SkipGates: true}, true
		}
		c.Colour, c.Trigger = x, TriggerActive
	case stable.Revision.ID == w.ID:
		return Candidate{}, false
	default:
		c.Colour, c.Pinned = t.free(), named
	}
	return c, !t.held()
}

// free is the colour that neither stable has nor the proxy serves. Without
// both, the one that has containers of the wanted revision, else blue.
func (t *turn) free() spec.Colour {
	if t.rec.Stable != nil {
		return t.rec.Stable.Colour.Other()
	}
	if b, ok := t.live(); ok {
		return b.Colour.Other()
	}
	w := t.wanted()
	for _, c := range t.containers() {
		if c.Revision == w.ID && c.Colour != "" {
			return c.Colour
		}
	}
	return spec.Blue
}

// begin records a rollout. Taking the standby back and dropping its mark are
// this one write.
func (t *turn) begin(c Candidate) move {
	t.rec.Rollouts++
	c.Rollout = fmt.Sprintf("r-%d", t.rec.Rollouts)
	c.Generation = t.in.Desired.Generation
	c.Started, c.Accepted = t.in.Now, t.in.Desired.Accepted
	c.Admitted = t.rec.Admitted != 0 && t.rec.Admitted == c.Generation
	if c.Trigger == TriggerUndo {
		c.Accepted = t.in.Now
	} else {
		c.Origin = t.in.Desired.Origin
	}
	if r := t.in.Desired.Service.Rollout; r != nil {
		c.Settings = *r
	}
	if s := t.rec.Standby; s != nil && s.Colour == c.Colour && s.Revision.ID == c.Revision.ID {
		t.rec.Standby, c.Pulled, c.Created = nil, true, true
	}
	if d := t.rec.Drain; d != nil && d.Colour == c.Colour && d.Revision == c.Revision.ID {
		t.rec.Drain = nil // it comes back: when it goes again it has its full time
	}
	c.Restarts, c.Ended = t.restarts(&c.Placement), t.ended(&c.Placement)
	c.Since = noTime
	t.rec.Candidate = &c
	m := t.to(Preparing, 0)
	t.note(ReasonRolloutStarted, "%s of %s to %s", c.Trigger, c.Revision.Image.Ref, where(c.Colour))
	return m
}

// where is a colour for people; a dependency has only one place.
func where(c spec.Colour) string {
	if c == "" {
		return "its place"
	}
	return string(c)
}

// activeColour is the colour that active names; a dependency's never does.
func activeColour(r *spec.Rollout) (spec.Colour, bool) {
	if r == nil {
		return "", false
	}
	return r.Active.Colour()
}
