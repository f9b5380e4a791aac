package reconcile

import (
	"time"

	"teal/spec"
)

// Status is what people and programs are told about one app.
type Status struct {
	App        spec.Name `json:"app"`
	Kind       string    `json:"kind"` // app or dependency
	Generation int64     `json:"generation"`
	Observed   int64     `json:"observed_generation"`
	Image      string    `json:"image"` // wanted
	Active     string    `json:"active,omitempty"`

	Serving Condition `json:"serving"`
	Synced  Condition `json:"synced"`

	Phase    Phase          `json:"phase"` // "" is Idle
	Since    time.Time      `json:"since,omitzero"`
	Deadline time.Time      `json:"deadline,omitzero"`
	Rollout  string         `json:"rollout,omitempty"` // id of the one under way
	Colours  []ColourStatus `json:"colours,omitempty"`
	Hold     *Hold          `json:"hold,omitempty"`
	Override *Override      `json:"override,omitempty"`
	Backoff  *Backoff       `json:"backoff,omitempty"`
	// Next are what an operator can usefully type now.
	Next []string `json:"next,omitempty"`
}

// Condition is one yes-or-no fact with its reason.
type Condition struct {
	OK      bool   `json:"ok"`
	Reason  Reason `json:"reason,omitempty"`
	Message string `json:"message"`
}

// ColourStatus is one colour (or, for a dependency, its only slot).
type ColourStatus struct {
	Colour   spec.Colour `json:"colour,omitempty"`
	Role     string      `json:"role"` // stable, candidate, staged, standby, draining, leftover
	Revision string      `json:"revision"`
	Image    string      `json:"image"`
	Weight   int         `json:"weight"`
	Replicas int         `json:"replicas"` // wanted
	Ready    int         `json:"ready"`
	Restarts int         `json:"restarts"`
	Until    time.Time   `json:"until,omitzero"` // standby, draining
	Probe    string      `json:"probe,omitempty"`
	Traffic  *Traffic    `json:"traffic,omitempty"`
}
