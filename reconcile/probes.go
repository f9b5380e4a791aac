package reconcile

import (
	"time"

	"teal/spec"
)

// ProbeTarget is one run of one container that health must probe.
type ProbeTarget struct {
	Container string    // the engine's id
	StartedAt time.Time // a new run starts the counts anew
	Address   string    // host:port the proxy would use
	Health    spec.Health
	Interval  time.Duration // between probes
}
