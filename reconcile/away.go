package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// What a host runs that does not answer is not known: nothing is decided for
// it, and nothing is concluded from what is not seen of it.

// hostLook is when to look again while a host does not answer: that it is back
// may not be told.
const hostLook = 20 * time.Second

// blind reports whether there may be containers that are not seen.
func (t *turn) blind() bool { return len(t.in.World.Away) > 0 }

// isAway reports whether a host does not answer.
func (t *turn) isAway(host string) bool {
	return slices.ContainsFunc(t.in.World.Away, func(a AwayHost) bool { return a.Host == host })
}

// awayPlace is the first host that does not answer and that the wish cannot do
// without: one that replicas are placed on, or one on which a container may be
// that is to be taken over.
func (t *turn) awayPlace() (AwayHost, bool) {
	needed := t.places()
	for _, x := range t.in.Desired.Service.Adopt {
		if t.rec.Stable == nil {
			needed = append(needed, x.Host)
		}
	}
	for _, a := range t.in.World.Away {
		if slices.Contains(needed, a.Host) {
			return a, true
		}
	}
	return AwayHost{}, false
}

// answering are the places that answer.
func (t *turn) answering() []string {
	return slices.DeleteFunc(t.places(), t.isAway)
}

// String says what is wrong with the host, for people.
func (a AwayHost) String() string {
	name := "host " + a.Host
	return fmt.Sprintf("%s does not answer: %s", name, strings.TrimPrefix(a.Words, name+": "))
}

// abortAway gives a rollout up because of a host. Nothing is held against the
// revision: it is tried again when the host is back.
func (t *turn) abortAway(a AwayHost) move {
	return t.abort(Failure{Class: Infra, Reason: ReasonHostAway, Message: a.String()})
}

// waitForHost waits for a host in a phase that sets no limit to that, and gives
// the rollout up when it takes too long.
func (t *turn) waitForHost(a AwayHost) move {
	if t.rec.Candidate.Unseen.IsZero() {
		t.edit().Unseen = t.in.Now
	}
	until := t.rec.Candidate.Unseen.Add(startLimit)
	if !t.in.Now.Before(until) {
		return t.abortAway(a)
	}
	t.lookAt(until)
	return t.wait()
}

// missed is the host because of which a verified replica is not seen.
func (t *turn) missed() (AwayHost, bool) {
	for n := 1; n <= t.verified() && t.blind(); n++ {
		if len(t.copies(t.candidate(), n)) == 0 {
			return t.blame(t.place(n)), true
		}
	}
	if c := t.rec.Candidate; !c.Unseen.IsZero() {
		t.edit().Unseen = noTime
	}
	return AwayHost{}, false
}

// blame is the named host among those that do not answer, or else the first.
func (t *turn) blame(host string) AwayHost {
	for _, a := range t.in.World.Away {
		if a.Host == host {
			return a
		}
	}
	if t.blind() {
		return t.in.World.Away[0]
	}
	return AwayHost{Host: host}
}

// going are the containers that can and must be taken away: those on hosts that
// do not answer are left for later, and an adopted one that has ended is nobody's
// business.
func going(cs []Container) []Container {
	return filter(cs, func(c Container) bool { return !c.Lost && (!c.Foreign || up(c)) })
}

// up reports whether the engine keeps c's process alive.
func up(c Container) bool {
	switch c.State {
	case Running, Restarting, Paused:
		return true
	case Created, Removing, Exited, Dead:
	}
	return false
}

// waitsForHost says which host keeps the wish from being fulfilled by not
// answering; empty if none does.
func (t *turn) waitsForHost() string {
	if a, away := t.awayPlace(); away {
		return a.String()
	}
	return ""
}

// whereabouts tells where each container is, unless there is only the host
// without a name.
func (t *turn) whereabouts() []ContainerStatus {
	var out []ContainerStatus
	for _, c := range t.containers() {
		if c.Host != "" {
			out = append(out, ContainerStatus{
				Name: c.Name, Host: c.Host, Colour: c.Colour, Replica: c.Replica, State: c.State,
				Address: c.Address, Lost: c.Lost, Adopted: c.Foreign,
			})
		}
	}
	return out
}
