package reconcile

import (
	"slices"
	"strconv"
	"strings"

	"teal/spec"
)

// hosts are what replicas are placed on, in order. Without a list there is one
// host, which has no name.
func (t *turn) hosts() []string {
	if h := t.in.Desired.Service.Hosts; len(h) > 0 {
		return h
	}
	return []string{""}
}

// place is the host of replica n: 1 on the first, 2 on the second, beginning
// anew after the last. With hosts a and b, replicas 1 to 3 are on a, b and a.
func (t *turn) place(n int) string {
	h := t.hosts()
	return h[(max(n, 1)-1)%len(h)]
}

// places are the hosts that a replica is placed on, each once, in order.
func (t *turn) places() []string {
	var out []string
	for n := 1; n <= t.replicas(); n++ {
		if h := t.place(n); !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	return out
}

// hasReplica reports whether replica n is among cs, on its place, and satisfies
// ok.
func (t *turn) hasReplica(cs []Container, n int, ok func(Container) bool) bool {
	return slices.ContainsFunc(cs, func(c Container) bool { return c.Replica == n && c.Host == t.place(n) && ok(c) })
}

func inAnyState(Container) bool { return true }

// needed reports whether c, which is p's, is one of its wanted replicas: on its
// place, or elsewhere for as long as the one on its place is not ready and does
// not need its port. An adopted container has no other place than its own.
func (t *turn) needed(p *Placement, c Container) bool {
	switch {
	case c.Foreign:
		return true
	case c.Replica < 1 || c.Replica > t.replicas():
		return false
	case !t.misplaced(p, c):
		return true
	case c.Host != t.place(c.Replica) && t.hasReplica(t.of(p), c.Replica, t.goodOf(p)):
		return false
	}
	return !t.inTheWay(p, c)
}

// misplaced reports whether a container made now for c's replica would be on
// another host, or have another port of it. With hosts a and b, replica 3 has the
// second port of a; with a alone, the third.
func (t *turn) misplaced(p *Placement, c Container) bool {
	if c.Host != t.place(c.Replica) {
		return true
	}
	publish := p.Revision.Container.Publish
	i := strings.LastIndexByte(c.Address, ':')
	if publish == nil || i < 0 {
		return false
	}
	port, err := strconv.Atoi(c.Address[i+1:])
	r := publish.Of(p.Colour)
	return err == nil && port >= r.From && port <= r.To && port != r.From+t.seat(c.Replica)
}

// seat counts the replicas before n on its host.
func (t *turn) seat(n int) int { return (max(n, 1) - 1) / len(t.hosts()) }

// inTheWay reports whether c, which is misplaced, holds the port that another
// replica needs on this host, and p can do without c meanwhile. Of several, one
// goes at a time, the lowest replica first.
func (t *turn) inTheWay(p *Placement, c Container) bool {
	b := t.rec.Backoff
	if t.standby().owns(c) || b == nil || b.Step != StepEnsure || b.Failure.Reason != ReasonPortTaken || !t.awaitsReplica(p, c.Host) {
		return false
	}
	spare := false
	for _, x := range t.of(p) {
		if x.ID == c.ID {
			continue
		}
		spare = spare || t.goodOf(p)(x)
		if x.Replica < c.Replica && t.misplaced(p, x) && t.awaitsReplica(p, x.Host) {
			return false
		}
	}
	return spare
}

// awaitsReplica reports whether a replica of p is to be on a host and is not.
func (t *turn) awaitsReplica(p *Placement, host string) bool {
	own := t.of(p)
	for n := 1; n <= t.replicas(); n++ {
		if t.place(n) == host && !t.hasReplica(own, n, inAnyState) {
			return true
		}
	}
	return false
}

// goodOf tells which of p's containers do their work.
func (t *turn) goodOf(p *Placement) func(Container) bool {
	if p.Colour == "" {
		return func(c Container) bool { return upAsDependency(c, p.Revision.Container) }
	}
	return func(c Container) bool { return ready(c, p.Health, t.in.Now) }
}

// ensure is the step that makes replica n of p run on its place.
func (t *turn) ensure(p *Placement, n int, why string) Step {
	return Step{Kind: StepEnsure, Why: why, Ensure: &Ensure{
		Colour: p.Colour, Replica: n, Revision: p.Revision, Generation: p.Generation, Rollout: p.Rollout,
		Host: t.place(n), Seat: t.seat(n), HealthPort: p.ownHealthPort(),
	}}
}

// ownHealthPort is the port inside p's containers that is probed beside the
// routed one; 0: the routed one is.
func (p *Placement) ownHealthPort() int {
	switch p.Health.Kind {
	case spec.HealthHTTP, spec.HealthTCP:
		if p.Health.Port > 0 && p.Health.Port != p.Revision.Port {
			return p.Health.Port
		}
	case spec.HealthDocker:
	}
	return 0
}
