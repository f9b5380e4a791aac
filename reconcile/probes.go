package reconcile

import (
	"strconv"
	"strings"
	"time"

	"teal/spec"
)

// steadyInterval is the least time between probes of containers that no
// rollout waits for.
const steadyInterval = time.Second

// ProbeTarget is one run of one container that health must probe.
type ProbeTarget struct {
	Container string    // the engine's id
	StartedAt time.Time // a new run starts the counts anew
	Address   string    // host:port to probe, as it is
	Health    spec.Health
	Interval  time.Duration // between probes
}

// Probes says what must be probed now: every running container of a routed
// app, at its set interval while a rollout or the first route waits for it, else
// at one second or its interval, whichever is longer.
func Probes(rec Record, world World) []ProbeTarget {
	t := &turn{in: Input{World: world}, rec: rec}
	var out []ProbeTarget
	for _, p := range []*Placement{rec.Stable, t.standby(), t.candidate()} {
		for _, c := range t.of(p) {
			if c.State != Running || p.Health.Kind == "" {
				continue
			}
			interval := p.Health.Interval.D()
			unserved := p == rec.Stable && world.Served.Known && world.Served.Route == nil
			if !awaited(rec, p) && !unserved {
				interval = max(interval, steadyInterval)
			}
			out = append(out, ProbeTarget{Container: c.ID, StartedAt: c.StartedAt, Address: p.probed(c), Health: p.Health, Interval: interval})
		}
	}
	return out
}

// probed is where c is probed: its port for that may be reached elsewhere than
// the routed one.
func (p *Placement) probed(c Container) string {
	port := p.ownHealthPort()
	if port == 0 {
		return c.Address
	}
	if at, ok := c.Reach[port]; ok {
		return at
	}
	i := strings.LastIndexByte(c.Address, ':')
	if i < 0 {
		return c.Address
	}
	return c.Address[:i+1] + strconv.Itoa(port)
}

// awaited reports whether a rollout waits for p's probes.
func awaited(rec Record, p *Placement) bool {
	switch rec.Phase {
	case Starting, Verifying, Staged, Switching:
		return rec.Candidate != nil && p == &rec.Candidate.Placement
	case Aborting, Superseding:
		return p == rec.Stable
	case Idle, Preparing, Confirming:
	}
	return false
}
