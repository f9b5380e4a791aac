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
	// Closed is why no new rollout may begin now, and when the next one may; nil:
	// it may.
	Closed *Closure `json:"closed,omitempty"`
	// Away are the hosts of the app that do not answer.
	Away []AwayHost `json:"away,omitempty"`
	// Containers tells where each of them is; none while there is only one host,
	// without a name.
	Containers []ContainerStatus `json:"containers,omitempty"`
	// Next are what an operator can usefully type now.
	Next []string `json:"next,omitempty"`
}

// ContainerStatus is one container of an app that is placed on hosts.
type ContainerStatus struct {
	Name    string         `json:"name"`
	Host    string         `json:"host"`
	Colour  spec.Colour    `json:"colour,omitempty"`
	Replica int            `json:"replica"`
	State   ContainerState `json:"state"`
	Address string         `json:"address,omitempty"` // where the proxy reaches it
	Lost    bool           `json:"lost,omitempty"`    // its host does not answer: as last seen
	Adopted bool           `json:"adopted,omitempty"` // it was there before Teal
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
	Adopted  bool        `json:"adopted,omitempty"` // it was there before Teal
	// Origin is the commit that asked for it; nil: none did.
	Origin *spec.Origin `json:"origin,omitempty"`
}
