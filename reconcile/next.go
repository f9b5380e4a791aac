// Package reconcile decides what to do next for one app. It is pure: it takes
// what is recorded, what was observed, what is wanted and the time, and returns
// what to record and which effects to perform. It knows no context, no clock,
// no Docker and no proxy, and so it cannot act.
package reconcile

import (
	"time"

	"teal/spec"
)

// Desired is the accepted wish for one app.
type Desired struct {
	Generation int64        `json:"generation"`
	Accepted   time.Time    `json:"accepted"`
	Service    spec.Service `json:"service"`
	// Orphaned: the project's file does not name it any more. It is kept as it
	// was last wanted.
	Orphaned bool `json:"orphaned,omitempty"`
	// Pruned: it is to be removed from the host.
	Pruned bool `json:"pruned,omitempty"`
	// Origin is the commit that brought this generation; nil: none did.
	Origin *spec.Origin `json:"origin,omitempty"`
}

// Input is all that a decision rests on.
type Input struct {
	Now      time.Time
	Record   Record
	Desired  Desired
	World    World
	Commands []Command
	// Closed is why no new rollout may begin now; nil: it may.
	Closed *Closure
	// Previous is the newest revision in history that was stable before the
	// present one; undo goes there when no standby is left.
	Previous *Placement
}

// Decision is what one pass does: record first, then perform the steps. Equal,
// independent steps are performed in parallel.
type Decision struct {
	Record Record
	Steps  []Step
	// Again is when to look again if nothing happens. Zero: only after an event.
	Again time.Time
	// Taken are the tokens of the commands that were dealt with, and what came
	// of them: empty means it took effect, otherwise why not.
	Taken map[string]string
	// Events and History are appended in the same transaction as the record.
	Events  []Event
	History []Rollout
	// Gone: nothing is left of the app; its record is to be deleted.
	Gone bool
}

// Next decides what to do for one app. Moves that only change the record are
// folded into the move that has an effect, so that they are recorded together.
// It may be called again with what it returned and the same world: a decision
// is a function of its input.
func Next(in Input) Decision {
	t := &turn{in: in, rec: in.Record}
	t.rec.Name = in.Desired.Service.Name
	t.d.Taken = map[string]string{}
	t.steady()
	switch {
	case in.Desired.Pruned:
		t.fold(t.refuseAll, t.prune)
	case in.Desired.Service.Rollout == nil && len(in.Desired.Service.Adopt) > 0:
		t.fold(t.commands, t.useAdopted)
	case in.Desired.Service.Rollout == nil:
		t.fold(t.commands, t.catchUp, t.rebuildDependency, t.takeIn, t.recreate)
	default:
		t.fold(t.commands, t.askProxy, t.catchUp, t.rebuild, t.takeOver, t.settleRoute, t.takeIn, t.repairStable, t.tidy, t.blueGreen)
	}
	if t.blind() {
		t.lookAt(in.Now.Add(hostLook))
	}
	t.forgetBackoff()
	t.d.Record = t.rec
	return t.d
}

// forgetBackoff drops a wait that is over when all was seen and nothing is left
// to be tried: the step was done though its answer was lost, or is not wanted
// any more.
func (t *turn) forgetBackoff() {
	b := t.rec.Backoff
	seen := t.in.World.Served.Known && !t.blind()
	if b != nil && b.Step == StepRoute && seen && len(t.d.Steps) == 0 && !t.in.Now.Before(b.Next) {
		t.rec.Backoff = nil
	}
}

// blueGreen is the rung of the present phase.
func (t *turn) blueGreen() move {
	switch t.rec.Phase {
	case Idle:
		return t.idle()
	case Preparing:
		return t.preparing()
	case Starting:
		return t.starting()
	case Verifying:
		return t.verifying()
	case Staged:
		return t.staged()
	case Switching:
		return t.switching()
	case Confirming:
		return t.confirming()
	case Aborting, Superseding:
		return t.aborting()
	}
	return stop
}
