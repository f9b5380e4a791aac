package reconcile

import (
	"fmt"
	"slices"
	"strings"

	"teal/spec"
)

// Describe tells what stands how, from the same input that Next decides on.
func Describe(in Input) Status {
	t := &turn{in: in, rec: in.Record}
	t.rec.Name = in.Desired.Service.Name
	s := Status{
		App: t.rec.Name, Kind: "dependency", Generation: in.Desired.Generation, Observed: t.rec.Generation,
		Image: in.Desired.Service.Container.Image, Phase: t.rec.Phase, Since: t.rec.PhaseSince, Deadline: t.rec.Deadline,
		Hold: t.rec.Hold, Override: t.rec.Override, Backoff: t.rec.Backoff, Away: in.World.Away,
	}
	if r := in.Desired.Service.Rollout; r != nil {
		s.Kind, s.Active = "app", string(r.Active)
	}
	if t.rec.Candidate != nil {
		s.Rollout = t.rec.Candidate.Rollout
		if t.rec.Phase == Staged {
			s.Deadline = t.gateDeadline()
		}
	}
	s.Closed = t.closure()
	s.Serving, s.Synced = t.servingCondition(), t.syncedCondition()
	s.Colours, s.Containers = t.colours(), t.whereabouts()
	s.Next = t.hints()
	return s
}

// servingCondition says whether what is meant to serve does.
func (t *turn) servingCondition() Condition {
	p := t.rec.Stable
	if t.rec.Phase == Confirming {
		p = t.candidate()
	}
	switch {
	case p == nil && t.adoptsDependency():
		return Condition{Reason: ReasonNothingRuns, Message: usesAdopted(t.in.Desired.Service.Adopt[0]) + "; it is not there"}
	case p == nil && t.rec.Candidate == nil:
		return Condition{Reason: ReasonNothingRuns, Message: "nothing is stable yet"}
	case p == nil:
		return Condition{Reason: ReasonNothingRuns, Message: "the first rollout is under way"}
	case t.in.Desired.Service.Rollout == nil:
		return t.runningCondition(p)
	case !t.in.World.Served.Known:
		return Condition{Reason: ReasonProxyUnavailable, Message: "the proxy does not answer, what it serves is not known"}
	}
	live, ok := t.live()
	name := p.Revision.Image.Ref
	switch {
	case !ok:
		return Condition{Reason: ReasonRouteDrift, Message: "the proxy has no route for it"}
	case live.Colour != p.Colour || live.Revision != p.Revision.ID:
		return Condition{Reason: ReasonRouteDrift, Message: fmt.Sprintf("the proxy serves %s, not %s", live.Colour, p.Colour)}
	case len(t.canServe(p)) == 0:
		return Condition{Reason: ReasonNotReady, Message: fmt.Sprintf("no replica of %s is ready: %s", name, t.whyNotReady(p))}
	case t.rec.Degraded != "":
		return Condition{OK: true, Reason: ReasonDegraded, Message: fmt.Sprintf("%s (%s); %s", name, p.Colour, t.rec.Degraded)}
	}
	return Condition{OK: true, Message: fmt.Sprintf("%s (%s, %d %%)", name, live.Colour, live.Weight)}
}

// runningCondition is Serving for a dependency: its containers are up.
func (t *turn) runningCondition(p *Placement) Condition {
	for n := 1; n <= t.replicas(); n++ {
		if !t.hasReplica(t.of(p), n, t.goodOf(p)) && !p.Adopted || p.Adopted && !slices.ContainsFunc(t.of(p), t.goodOf(p)) {
			return Condition{Reason: ReasonNotReady, Message: t.whyNotReady(p)}
		}
	}
	return Condition{OK: true, Message: p.Revision.Image.Ref}
}

func upAsDependency(c Container, s spec.Container) bool {
	return completed(c, s) || c.State == Running && (c.Health == HealthNone || c.Health == HealthHealthy)
}

func (t *turn) whyNotReady(p *Placement) string {
	own := t.of(p)
	var out []string
	for _, a := range t.in.World.Away {
		out = append(out, a.String())
	}
	if len(own) == 0 && len(out) == 0 {
		return "no container of it exists"
	}
	for _, c := range own {
		switch {
		case c.State != Running:
			out = append(out, fmt.Sprintf("%s is %s, exit code %s", c.Name, c.State, exitWords(c)))
		case c.Health != HealthNone && c.Health != HealthHealthy:
			out = append(out, fmt.Sprintf("%s is %s", c.Name, c.Health))
		case p.Colour != "" && !ready(c, p.Health, t.in.Now):
			out = append(out, fmt.Sprintf("%s: %s", c.Name, words(c)))
		}
	}
	return strings.Join(out, "; ")
}

// syncedCondition says whether stable is what the desired state asks for, and
// if not, what that waits for.
func (t *turn) syncedCondition() Condition {
	rec := t.rec
	switch {
	case t.in.Desired.Pruned:
		return Condition{Message: "being removed"}
	case rec.Phase == Aborting && rec.Candidate.Verdict != nil:
		return Condition{Reason: rec.Candidate.Verdict.Reason, Message: "going back: " + rec.Candidate.Verdict.Message}
	case rec.Phase != Idle && rec.Phase != Confirming && t.waitsForHost() != "":
		return Condition{Reason: ReasonHostAway, Message: rec.Phase.Words() + ": " + t.waitsForHost()}
	case rec.Backoff != nil && rec.Phase != Idle:
		return t.backoffCondition()
	case rec.Phase != Idle:
		return t.phaseCondition()
	case t.held():
		return Condition{Reason: ReasonHeld, Message: fmt.Sprintf("%s is held: %s", rec.Hold.Image, rec.Hold.Message)}
	case t.adoptsDependency():
		return t.adoptedCondition()
	case t.overridden():
		return Condition{Reason: ReasonOverridden, Message: fmt.Sprintf("undone; the file still wants %s, ends with the next change", t.in.Desired.Service.Container.Image)}
	case t.waitsForHost() != "":
		return Condition{Reason: ReasonHostAway, Message: t.waitsForHost()}
	case rec.Backoff != nil:
		return t.backoffCondition()
	case t.waits():
		return t.closedCondition()
	case !t.synced():
		return Condition{Message: "not looked at yet"}
	case t.in.Desired.Orphaned:
		return Condition{OK: true, Reason: ReasonOrphaned, Message: "no file names it any more; it is kept as it was"}
	}
	return Condition{OK: true, Message: fmt.Sprintf("generation %d", rec.Generation)}
}

func (t *turn) backoffCondition() Condition {
	b := t.rec.Backoff
	return Condition{Reason: b.Failure.Reason, Message: fmt.Sprintf("%s (try %d, next at %s)", b.Failure.Message, b.Attempts, b.Next.UTC().Format("15:04:05Z"))}
}

// phaseCondition says what a rollout under way waits for.
func (t *turn) phaseCondition() Condition {
	c := t.rec.Candidate
	phase := t.rec.Phase.Words()
	switch t.rec.Phase {
	case Preparing:
		if why, waits := t.awaits(); waits {
			return Condition{Reason: ReasonDependency, Message: phase + ": " + why}
		}
		return Condition{Message: phase + ": fetching " + c.Revision.Image.Ref}
	case Verifying:
		n := 0
		for _, x := range t.of(&c.Placement) {
			if c.Colour == "" && upAsDependency(x, c.Revision.Container) || c.Colour != "" && ready(x, c.Health, t.in.Now) {
				n++
			}
		}
		return Condition{Message: fmt.Sprintf("%s %d/%d", phase, n, t.replicas())}
	case Staged:
		return t.gateCondition()
	case Idle, Starting, Switching, Confirming, Aborting, Superseding:
	}
	return Condition{Message: phase}
}

func (t *turn) gateCondition() Condition {
	c := t.rec.Candidate
	switch {
	case c.Settings.Test != nil && c.Test == "" && !c.SkipGates:
		return Condition{Message: "Staged: the test runs"}
	case c.Pinned:
		return Condition{Reason: ReasonPinned, Message: fmt.Sprintf("Staged on %s; active pins %s", c.Colour, c.Colour.Other())}
	case t.shut():
		return Condition{Reason: t.in.Closed.Reason, Message: fmt.Sprintf("Staged on %s, gets the traffic later: %s", c.Colour, t.in.Closed)}
	case !t.gateOpen():
		return Condition{Reason: ReasonAwaitPromotion, Message: "Staged on " + string(c.Colour) + ", waits to be promoted"}
	}
	return Condition{Message: "Staged"}
}

// colours describes every colour that has containers or a meaning.
func (t *turn) colours() []ColourStatus {
	var out []ColourStatus
	add := func(role string, p *Placement) {
		if p != nil {
			out = append(out, t.colour(role, p))
		}
	}
	candidate := "candidate"
	if t.rec.Phase == Staged {
		candidate = "staged"
	}
	add("stable", t.rec.Stable)
	add(candidate, t.candidate())
	add("standby", t.standby())
	seen := map[[2]string]bool{}
	for _, c := range out {
		seen[[2]string{string(c.Colour), c.Revision}] = true
	}
	for _, c := range t.containers() {
		if key := [2]string{string(c.Colour), c.Revision}; !seen[key] {
			seen[key] = true
			add(t.leftoverRole(c), t.found(c))
		}
	}
	if s := t.rec.Standby; s != nil {
		for i := range out {
			if out[i].Role == "standby" {
				out[i].Until = s.Until
			}
		}
	}
	return out
}

func (t *turn) leftoverRole(c Container) string {
	if t.inFlight(c.Colour, c.Revision) > 0 || t.rec.Drain != nil && t.rec.Drain.Revision == c.Revision {
		return "draining"
	}
	return "leftover"
}

func (t *turn) colour(role string, p *Placement) ColourStatus {
	s := ColourStatus{
		Colour: p.Colour, Role: role, Revision: p.Revision.ID, Image: p.Revision.Image.Ref, Replicas: t.replicas(), Adopted: p.Adopted, Origin: p.Origin,
	}
	if p.Adopted {
		s.Replicas = 1
	}
	if role == "draining" && t.rec.Drain != nil {
		s.Until = t.rec.Drain.Until
	}
	for _, c := range t.of(p) {
		isReady := t.goodOf(p)(c)
		if isReady {
			s.Ready++
		}
		s.Restarts += c.Restarts
		if s.Probe == "" || !isReady {
			s.Probe = c.Probe.Words
		}
	}
	if r := t.in.World.Served.Route; r != nil {
		if i := slices.IndexFunc(r.Backends, func(b Backend) bool { return b.Colour == p.Colour && b.Revision == p.Revision.ID }); i >= 0 {
			s.Weight = r.Backends[i].Weight
		}
	}
	for _, x := range t.in.World.Served.Traffic {
		if x.Colour == p.Colour && x.Revision == p.Revision.ID {
			s.Traffic = &x
		}
	}
	return s
}

// hints are the commands that would help now.
func (t *turn) hints() []string {
	app := t.rec.Name.String()
	var out []string
	switch {
	case t.rec.Phase == Staged && !t.rec.Candidate.Pinned && !t.gateOpen():
		out = append(out, "teal promote "+app, "teal abort "+app)
	case t.waits():
		out = append(out, "teal promote "+app)
	case t.rec.Phase != Idle && refuseAbort(t.rec) == "":
		out = append(out, "teal abort "+app)
	case t.held() && t.rec.Hold.Rollout != "":
		out = append(out, "teal retry "+app, "teal logs "+app+" --rollout "+t.rec.Hold.Rollout)
	case t.held() || t.overridden() || t.rec.Backoff != nil:
		out = append(out, "teal retry "+app)
	}
	if t.rec.Phase == Idle && t.rec.Standby != nil && !t.overridden() {
		out = append(out, "teal undo "+app)
	}
	return out
}
