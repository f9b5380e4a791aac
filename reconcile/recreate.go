package reconcile

import (
	"fmt"
	"strings"
	"time"

	"teal/spec"
)

// rebuildDependency adopts what runs when the record knows of no stable
// revision.
func (t *turn) rebuildDependency() move {
	if t.rec.Stable != nil || t.rec.Phase != Idle || t.rec.Generation != 0 {
		return onward
	}
	return t.adoptRunning()
}

func (t *turn) adoptRunning() move {
	for _, c := range t.containers() {
		if c.State == Running && !c.Foreign {
			t.rec.Stable = t.found(c)
			t.warn(ReasonDegraded, "%s was found running and is taken as stable", short(c.Revision))
			return again
		}
	}
	return onward
}

// recreate is the strategy of dependencies: one place, changed in place. The
// new image is there and checked before the old container stops, and the old
// container is kept, stopped, until the new one is up.
func (t *turn) recreate() move {
	if _, away := t.awayPlace(); away && t.rec.Phase != Idle {
		return t.wait()
	}
	switch t.rec.Phase {
	case Idle:
		return t.keepDependency()
	case Preparing:
		return t.preparing()
	case Starting:
		return t.replace()
	case Verifying:
		return t.verifyDependency()
	case Aborting, Superseding:
		return t.bringBack()
	case Staged, Switching, Confirming:
		panic("reconcile: a dependency is never " + string(t.rec.Phase))
	}
	return stop
}

func (t *turn) keepDependency() move {
	t.knowStable()
	if t.rec.Stable != nil {
		if steps := t.down(&t.rec.Stable.Revision); len(steps) > 0 && !t.backingOff(StepEnsure) {
			return t.do(steps...)
		}
	}
	if _, away := t.awayPlace(); away {
		return stop
	}
	if c, ok := t.wishDependency(); ok && t.begins(&c) {
		return t.begin(c)
	}
	return t.removeIdle(filter(t.containers(), func(c Container) bool {
		return !c.Foreign && !t.keeps(t.rec.Stable, c)
	}), "nothing refers to it")
}

func (t *turn) wishDependency() (Candidate, bool) {
	if !t.resolved() || t.rec.Generation != t.in.Desired.Generation || t.overridden() || t.held() {
		return Candidate{}, false
	}
	w := t.wanted()
	if t.rec.Stable != nil && t.rec.Stable.Revision.ID == w.ID {
		return Candidate{}, false
	}
	return Candidate{Trigger: TriggerChange, Placement: Placement{Revision: w}}, true
}

// down are the steps for replicas of r that are not up and not done.
func (t *turn) down(r *Revision) []Step {
	p := &Placement{Revision: *r, Generation: t.rec.Generation}
	own := t.of(p)
	var steps []Step
	for n := 1; n <= t.replicas(); n++ {
		if t.isAway(t.place(n)) || t.hasReplica(own, n, func(c Container) bool { return t.upOrComing(c) || completed(c, r.Container) }) {
			continue
		}
		if t.hasReplica(own, n, func(c Container) bool { return failedJob(c, r.Container) }) {
			continue // it ran and failed, and says it is not to be started again
		}
		if !r.Known() && !t.hasReplica(own, n, inAnyState) {
			continue
		}
		steps = append(steps, t.ensure(p, n, "every replica must run"))
	}
	return steps
}

// oneShot reports whether a container of s is to end by itself.
func oneShot(s spec.Container) bool {
	return s.Restart == "no" || len(s.Restart) >= 10 && s.Restart[:10] == "on-failure"
}

func completed(c Container, s spec.Container) bool {
	return oneShot(s) && c.State == Exited && c.ExitCode == 0 && !c.StartedAt.IsZero()
}

func failedJob(c Container, s spec.Container) bool {
	return oneShot(s) && c.State == Exited && c.ExitCode != 0 && !c.StartedAt.IsZero()
}

// replace stops the old containers and starts the new ones.
func (t *turn) replace() move {
	c := t.rec.Candidate
	if steps := t.makeRoom(); len(steps) > 0 {
		return t.do(steps...)
	}
	if steps := t.unstarted(); len(steps) > 0 {
		if t.rec.Backoff != nil && t.rec.Stable != nil && t.due() {
			return t.abort(Failure{Class: Verdict, Reason: t.rec.Backoff.Failure.Reason, Message: t.rec.Backoff.Failure.Message})
		}
		if !c.Created {
			t.edit().Created = true
		}
		t.lookAt(t.rec.Deadline)
		return t.do(steps...)
	}
	return t.to(Verifying, t.dependencyLimit())
}

// makeRoom are the steps that stop what runs in the candidate's place. What is
// neither its nor stable's is left over from earlier and goes altogether.
func (t *turn) makeRoom() []Step {
	var steps []Step
	for _, x := range going(t.containers()) {
		switch {
		case x.Foreign, t.candidate().owns(x):
		case !t.rec.Stable.owns(x):
			steps = append(steps, t.remove(x, "it is left over"))
		case x.State == Running || x.State == Restarting || x.State == Paused:
			steps = append(steps, Step{Kind: StepStop, Container: x.ID, Label: x.Name, Host: x.Host, Grace: t.grace(x), Why: "its place is needed"})
		}
	}
	return steps
}

// dependencyLimit is how long the new containers may take to come up.
func (t *turn) dependencyLimit() time.Duration {
	h := t.rec.Candidate.Revision.Container.Healthcheck
	if t.in.Desired.Service.Job {
		return jobDeadline
	}
	if h == nil {
		return dependencyDeadline
	}
	return dependencyDeadline + h.StartPeriod.D() + time.Duration(max(h.Retries, 1))*(h.Interval+h.Timeout).D()
}

func (t *turn) verifyDependency() move {
	c := t.rec.Candidate
	if len(t.unstarted()) > 0 || t.revive() {
		return t.to(Starting, startLimit)
	}
	up := true
	for _, x := range t.of(&c.Placement) {
		switch ok, f := t.upOrVerdict(x); {
		case f != nil:
			return t.abort(*f)
		case !ok:
			up = false
		}
	}
	if up {
		t.edit().Verified = t.in.Now
		return t.promoteDependency()
	}
	if t.due() {
		return t.abort(Failure{Class: Verdict, Reason: ReasonUnhealthy, Message: fmt.Sprintf("not up after %s: %s", t.dependencyLimit(), t.dependencyWords())})
	}
	t.lookAt(t.in.Now.Add(settleTime / 4))
	return t.wait()
}

// upOrVerdict reports whether x is up, or why it never will be.
func (t *turn) upOrVerdict(x Container) (bool, *Failure) {
	c := t.rec.Candidate
	switch {
	case completed(x, c.Revision.Container):
		return true, nil
	case x.Restarts-c.Restarts[x.ID] >= crashLoops:
		return false, &Failure{Class: Verdict, Reason: ReasonCrashLoop, Message: fmt.Sprintf("%s restarted %d times, last exit code %s", x.Name, x.Restarts, exitWords(x))}
	case x.State == Exited || x.State == Dead:
		return false, &Failure{Class: Verdict, Reason: ReasonExited, Message: fmt.Sprintf("%s exited with %s", x.Name, exitWords(x))}
	case x.State != Running:
		return false, nil
	case x.Health != HealthNone:
		return x.Health == HealthHealthy, nil
	case t.in.Desired.Service.Job:
		return false, nil
	}
	return t.upFor(x) >= settleTime, nil
}

func (t *turn) dependencyWords() string {
	var out []string
	for _, x := range t.of(t.candidate()) {
		state := string(x.State)
		if x.Health != HealthNone {
			state = string(x.Health)
		}
		out = append(out, x.Name+" is "+state)
	}
	return strings.Join(out, "; ")
}

func (t *turn) promoteDependency() move {
	c, old := t.rec.Candidate, t.rec.Stable
	t.note(ReasonPromoted, "%s is stable, revision %s", c.Revision.Image.Ref, short(c.Revision.ID))
	t.finish(Succeeded)
	t.stabilise(c)
	if c.Trigger == TriggerUndo && old != nil && t.rec.Generation == c.Generation {
		t.stayAway(c, old)
	}
	t.rec.Candidate, t.rec.Degraded = nil, ""
	return t.to(Idle, 0)
}

// bringBack takes a change back: evidence, the new containers away, the old
// ones started again.
func (t *turn) bringBack() move {
	c := t.rec.Candidate
	own := t.of(&c.Placement)
	if t.rec.Phase == Aborting && c.Created && c.Evidence == nil && len(own) > 0 {
		return t.do(t.collect(own))
	}
	if m := t.removeIdle(own, "rollout "+c.Rollout+" is being taken back"); m != onward {
		return m
	}
	if t.rec.Stable != nil {
		if steps := t.down(&t.rec.Stable.Revision); len(steps) > 0 && !t.backingOff(StepEnsure) {
			return t.do(steps...)
		}
	}
	return t.close()
}
