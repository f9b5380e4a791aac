package reconcile

import (
	"fmt"
	"hash/fnv"
	"time"
)

// Note records what came of a step. A failure of the infrastructure is waited
// out, a permanent one holds the generation; what succeeded is remembered only
// where it cannot be observed again.
func Note(rec Record, step Step, out Outcome, now time.Time) (Record, []Event) {
	t := &turn{in: Input{Now: now}, rec: rec}
	if out.Failure == nil {
		t.noteDone(step, out)
	} else {
		t.noteFailure(step, *out.Failure)
	}
	return t.rec, t.d.Events
}

func (t *turn) noteDone(step Step, out Outcome) {
	if b := t.rec.Backoff; b != nil && (b.Step == step.Kind) {
		t.rec.Backoff = nil
	}
	switch step.Kind {
	case StepResolve:
		t.rec.Image, t.rec.ImageGeneration = out.Image, step.Generation
	case StepPull:
		if c := t.rec.Candidate; c != nil && c.Revision.Image == step.Image {
			t.edit().Pulled = true
		}
	case StepEvidence:
		t.noteEvidence(step, out)
	case StepEnsure, StepStop, StepRemove, StepRoute, StepUnroute, StepTest:
		// seen by the next look at the world
	}
}

// noteEvidence keeps what was collected. Evidence that could not be had is
// noted as such: it must not keep an abort from ending.
func (t *turn) noteEvidence(step Step, out Outcome) {
	if t.rec.Candidate == nil {
		return
	}
	e := Evidence{At: t.in.Now}
	if out.Evidence != nil {
		e = *out.Evidence
	}
	for i := range e.Containers {
		e.Containers[i].LastProbe = step.LastProbes[e.Containers[i].Name]
	}
	t.edit().Evidence = &e
}

func (t *turn) noteFailure(step Step, f Failure) {
	switch {
	case step.Kind == StepEvidence:
		t.warn(f.Reason, "evidence could not be collected: %s", f.Message)
		t.noteEvidence(step, Outcome{})
	case f.Class == Infra:
		t.backOff(step, f)
	case step.Kind == StepResolve:
		t.holdUnresolved(step, f)
	case t.forCandidate(step) && t.rec.Phase != Aborting && t.rec.Phase != Superseding:
		f.Class = Permanent
		t.abort(f)
	default:
		t.backOff(step, f) // nothing to hold: it stays wanted
	}
}

// forCandidate reports whether step works on the candidate.
func (t *turn) forCandidate(step Step) bool {
	c := t.rec.Candidate
	switch {
	case c == nil:
		return false
	case step.Kind == StepEnsure:
		return step.Ensure.Colour == c.Colour && step.Ensure.Revision.ID == c.Revision.ID
	case step.Kind == StepPull:
		return step.Image == c.Revision.Image
	}
	return step.Kind == StepTest
}

// holdUnresolved holds a generation whose image nobody has or gives. A rollout
// of an earlier generation gives way: it is not wanted any more.
func (t *turn) holdUnresolved(step Step, f Failure) {
	t.warn(f.Reason, "%s", f.Message)
	t.rec.Generation, t.rec.Override, t.rec.Backoff = step.Generation, nil, nil
	t.rec.Hold = &Hold{
		Generation: step.Generation, Image: step.Image.Ref,
		Reason: f.Reason, Message: f.Message, Since: t.in.Now,
	}
	if t.rec.Phase.early() {
		t.to(Superseding, 0)
	}
}

// Waits after a failure of the infrastructure: min(first·2ⁿ, last) ± 20 %. The
// proxy is on the way of every request and is asked again sooner.
const (
	firstWait      = 10 * time.Second
	firstProxyWait = time.Second
	lastWait       = 5 * time.Minute
)

func (t *turn) backOff(step Step, f Failure) {
	n := 0
	if b := t.rec.Backoff; b != nil && b.Step == step.Kind {
		n = b.Attempts
	}
	first := firstWait
	if step.Kind == StepRoute || step.Kind == StepUnroute {
		first = firstProxyWait
	}
	wait := max(jitter(min(first<<min(n, 8), lastWait), t.rec.Name.String(), n), f.RetryAfter.D())
	t.rec.Backoff = &Backoff{Attempts: n + 1, Since: t.in.Now, Next: t.in.Now.Add(wait), Failure: f, Step: step.Kind}
	t.warn(f.Reason, "%s: %s; next try in %s", step, f.Message, wait.Round(time.Second))
}

// jitter spreads d by ± 20 %, by app and attempt: the planner draws no random
// numbers, and apps that failed together do not try again together.
func jitter(d time.Duration, app string, attempt int) time.Duration {
	h := fnv.New32a()
	h.Write(fmt.Appendf(nil, "%s#%d", app, attempt)) // never fails
	return d*8/10 + d*4/10*time.Duration(h.Sum32()%1000)/1000
}
