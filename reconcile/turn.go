package reconcile

import (
	"fmt"
	"slices"
	"time"

	"teal/spec"
)

// turn is the working state of one call of Next: the record as it will be, and
// what has been decided so far.
type turn struct {
	in  Input
	rec Record
	d   Decision
	// want is wanted's answer, kept for the turn: it is a hash over the service.
	want *Revision
}

// move is what a rung of the ladder says.
type move int

const (
	onward move = iota // nothing to do here: ask the next rung
	again              // the record changed: begin at the top
	stop               // steps were decided, or it is right to wait
)

// maxFolds bounds how many record-only moves one call of Next makes. A settled
// planner needs fewer than ten; more is a defect, and the pass just ends.
const maxFolds = 32

// fold asks rungs in order until one stops, beginning anew whenever the record
// changed.
func (t *turn) fold(rungs ...func() move) {
	for range maxFolds {
		m := onward
		for _, rung := range rungs {
			if m = rung(); m != onward {
				break
			}
		}
		if m != again {
			return
		}
	}
}

// to moves to phase p with a limit; zero means none.
func (t *turn) to(p Phase, limit time.Duration) move {
	if !slices.Contains(moves[t.rec.Phase], p) {
		panic(fmt.Sprintf("reconcile: no move from %s to %s", t.rec.Phase.Words(), p.Words()))
	}
	t.rec.Phase, t.rec.PhaseSince, t.rec.Deadline = p, t.in.Now, time.Time{}
	if limit > 0 {
		t.rec.Deadline = t.in.Now.Add(limit)
	}
	t.rec.Backoff = nil
	return again
}

// do decides on steps, unless the last try of that kind failed and its wait is
// not over.
func (t *turn) do(steps ...Step) move {
	for _, s := range steps {
		if t.backingOff(s.Kind) {
			continue
		}
		s.App = t.rec.Name
		t.d.Steps = append(t.d.Steps, s)
	}
	return stop
}

// backingOff reports whether steps of kind k must still wait.
func (t *turn) backingOff(k StepKind) bool {
	b := t.rec.Backoff
	if b == nil || b.Step != k || !t.in.Now.Before(b.Next) {
		return false
	}
	t.lookAt(b.Next)
	return true
}

// lookAt asks for another look at the given time, if none comes earlier. A time
// that has passed is no reason to look: this is that look.
func (t *turn) lookAt(at time.Time) {
	if !at.After(t.in.Now) {
		return
	}
	if t.d.Again.IsZero() || at.Before(t.d.Again) {
		t.d.Again = at
	}
}

// wait looks again at the phase's deadline, or soon, since events may be lost.
func (t *turn) wait() move {
	t.lookAt(t.rec.Deadline)
	t.lookAt(t.in.Now.Add(lookAgain))
	return stop
}

// waitUntil looks again at the given time; only an event can be earlier.
func (t *turn) waitUntil(at time.Time) move {
	t.lookAt(at)
	return stop
}

// due reports whether the phase's deadline has passed.
func (t *turn) due() bool {
	return !t.rec.Deadline.IsZero() && !t.in.Now.Before(t.rec.Deadline)
}

func (t *turn) note(r Reason, format string, args ...any) { t.event(false, r, format, args...) }
func (t *turn) warn(r Reason, format string, args ...any) { t.event(true, r, format, args...) }

func (t *turn) event(warning bool, r Reason, format string, args ...any) {
	e := Event{At: t.in.Now, App: t.rec.Name, Warning: warning, Reason: r, Message: fmt.Sprintf(format, args...)}
	if t.rec.Candidate != nil {
		e.Rollout = t.rec.Candidate.Rollout
	}
	t.d.Events = append(t.d.Events, e)
}

// containers are those that the app is about. An adopted one that neither runs
// nor stands for anything is not one of them.
func (t *turn) containers() []Container {
	return filter(t.in.World.Containers, func(c Container) bool {
		return !c.Foreign || up(c) || t.rec.Stable.owns(c) || t.standby().owns(c) || t.candidate().owns(c)
	})
}

// on returns the containers of a colour.
func (t *turn) on(c spec.Colour) []Container {
	return filter(t.containers(), func(x Container) bool { return x.Colour == c })
}

// of returns the containers of a placement: its colour and its revision.
func (t *turn) of(p *Placement) []Container {
	if p == nil {
		return nil
	}
	return filter(t.containers(), p.owns)
}

// owns reports whether c is a container of p.
func (p *Placement) owns(c Container) bool {
	return p != nil && c.Colour == p.Colour && c.Revision == p.Revision.ID
}

// filter returns those of cs that are to be kept. Neighbours, which is what the
// containers of one placement are when sorted by name, are not copied: nobody
// changes what filter returned.
func filter(cs []Container, keep func(Container) bool) []Container {
	var out []Container
	from, copied := 0, false
	for i := range cs {
		switch {
		case !keep(cs[i]):
		case len(out) == 0:
			from, out = i, cs[i:i+1:i+1]
		case !copied && i == from+len(out):
			out = cs[from : i+1 : i+1]
		default:
			out, copied = append(out, cs[i]), true
		}
	}
	return out
}

// ready reports whether a container passes its probes without a break for as
// long as h asks.
func ready(c Container, h spec.Health, now time.Time) bool {
	return c.State == Running && c.Probe.Successes > 0 && c.Probe.Successes >= h.Successes &&
		now.Sub(c.Probe.Since) >= h.MinHealthy.D()
}

// broken reports whether a container certainly does not serve: it does not run,
// or its probes failed as often in a row as h allows.
func broken(c Container, h spec.Health) bool {
	if c.State != Running {
		return true
	}
	return c.Probe.Failures > 0 && c.Probe.Failures >= h.Failures
}

// replicas is the number of containers each colour is to have.
func (t *turn) replicas() int { return max(t.in.Desired.Service.Replicas, 1) }
