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
}

// Input is all that a decision rests on.
type Input struct {
	Now      time.Time
	Record   Record
	Desired  Desired
	World    World
	Commands []Command
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
