package reconcile

import "teal/spec"

// Accepted is what came of accepting one service of a project.
type Accepted struct {
	App        spec.Name `json:"app"`
	Generation int64     `json:"generation"`
	Changed    bool      `json:"changed"`
	Orphaned   bool      `json:"orphaned,omitempty"`
	Pruned     bool      `json:"pruned,omitempty"`
}

// State is all that is kept of one app, as one pass reads it.
type State struct {
	Record   Record
	Desired  Desired
	Commands []Command // those not dealt with yet, oldest first
	// Previous is the newest earlier stable revision that history still knows
	// enough of to make its containers again.
	Previous *Placement
}
