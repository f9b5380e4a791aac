// Package fake has an engine, a proxy, a prober and a store in memory. They
// keep state, follow the clock, and refuse what the real ones refuse: a taken
// name, a container that is being removed, an image nobody has, a table that is
// not newer. Faults are planted by a function of the test's own. They promise
// to be deterministic: same calls at the same times, same answers.
package fake

import "time"

// Image is what a registry has under a reference, and how containers of it
// behave.
type Image struct {
	Digest string
	// Denied and Missing are how a registry refuses it.
	Denied, Missing bool
	Size            time.Duration // how long a pull takes
	Behaviour       Behaviour
}

// Behaviour is what a container does once it runs.
type Behaviour struct {
	Ready  time.Duration // from start to the first probe that passes
	Never  bool          // no probe ever passes
	Breaks time.Duration // from start until probes fail again; 0: never
	Exits  time.Duration // from start until it exits with 1, each time; 0: never
	Test   int           // exit code of a one-shot test of it
}

// restartDelay is how long the engine waits before it restarts a container.
const restartDelay = 500 * time.Millisecond

// healthyAt reports whether a container that was started at start, and did not
// exit since, passes a probe at t.
func (b Behaviour) healthyAt(start, t time.Time) bool {
	if b.Never || t.Before(start.Add(b.Ready)) {
		return false
	}
	return b.Breaks == 0 || t.Before(start.Add(b.Breaks))
}

// edges are the moments after start at which the answer of healthyAt changes.
func (b Behaviour) edges(start time.Time) []time.Time {
	out := []time.Time{start.Add(b.Ready)}
	if b.Breaks > 0 {
		out = append(out, start.Add(b.Breaks))
	}
	return out
}
