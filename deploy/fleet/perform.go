package fleet

import (
	"context"
	"strings"
	"sync"

	"teal/reconcile"
)

// Perform does a step on the hosts that it names: resolve on the first that
// answers, pull on all of them, evidence where the containers are, and all else
// on one. It may be repeated. A failure names its host; a host that is not
// configured is a permanent one, and a host that is away is one that passes.
func (f *Fleet) Perform(ctx context.Context, step reconcile.Step) reconcile.Outcome {
	switch step.Kind {
	case reconcile.StepResolve:
		return f.resolve(ctx, step)
	case reconcile.StepPull:
		return f.pull(ctx, step)
	case reconcile.StepEvidence:
		return f.evidence(ctx, step)
	case reconcile.StepEnsure:
		if step.Ensure != nil && step.Ensure.Host != "" {
			step.Host = step.Ensure.Host
		}
	case reconcile.StepStop, reconcile.StepRemove:
		if step.Host == "" {
			step.Host = f.whereIs(step.Container)
		}
	case reconcile.StepTest, reconcile.StepRoute, reconcile.StepUnroute:
	}
	return f.performOn(ctx, step.Host, step)
}

// whereIs is the name of the host on which a container was last seen.
func (f *Fleet) whereIs(id string) string {
	for _, m := range f.members {
		if m.holds(id) {
			return m.Name
		}
	}
	return ""
}

// performOn does a step on one host.
func (f *Fleet) performOn(ctx context.Context, host string, step reconcile.Step) reconcile.Outcome {
	m := f.find(host)
	if m == nil {
		return reconcile.Outcome{Failure: failure(reconcile.Permanent, reconcile.ReasonEngineRefused, f.unknown(host))}
	}
	if f.single == nil {
		if words, is := m.absent(); is {
			return reconcile.Outcome{Failure: failure(reconcile.Infra, reconcile.ReasonHostAway, m.String()+" does not answer: "+words)}
		}
		if step.Kind == reconcile.StepEnsure || step.Kind == reconcile.StepTest {
			m.note(step.App)
		}
	}
	out := m.engine.Perform(ctx, step)
	if out.Failure != nil {
		out.Failure.Message = m.named(out.Failure.Message)
		if out.Failure.Reason == reconcile.ReasonEngineUnavailable {
			m.poke()
		}
	}
	return out
}

// named are the hosts of a step; the first if it names none.
func named(step reconcile.Step) []string {
	if len(step.Hosts) > 0 {
		return step.Hosts
	}
	return []string{step.Host}
}

// resolve takes the word of the first host that answers.
func (f *Fleet) resolve(ctx context.Context, step reconcile.Step) reconcile.Outcome {
	hosts := named(step)
	var silent []*reconcile.Failure
	for i, host := range hosts {
		if m := f.find(host); f.single == nil && m != nil && i < len(hosts)-1 {
			if fail := f.there(ctx, m); fail != nil {
				silent = append(silent, fail)
				continue
			}
		}
		out := f.performOn(ctx, host, step)
		if out.Failure == nil || !unanswered(out.Failure) {
			return out
		}
		silent = append(silent, out.Failure)
	}
	return reconcile.Outcome{Failure: worst(silent)}
}

// there finds out, within the limit of one answer, whether a host answers: the
// engine itself would be waited for much longer.
func (f *Fleet) there(ctx context.Context, m *member) *reconcile.Failure {
	words, is := m.absent()
	if !is {
		err := (&watcher{f: f, m: m}).ping(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			m.doubt(err, f.limits)
		}
		words = m.said(err)
	}
	return failure(reconcile.Infra, reconcile.ReasonHostAway, m.String()+" does not answer: "+words)
}

// unanswered reports whether a failure is one of the way to a host.
func unanswered(fail *reconcile.Failure) bool {
	return fail.Class == reconcile.Infra && (fail.Reason == reconcile.ReasonHostAway || fail.Reason == reconcile.ReasonEngineUnavailable)
}

// pull is done when all hosts have the image.
func (f *Fleet) pull(ctx context.Context, step reconcile.Step) reconcile.Outcome {
	hosts := named(step)
	outcomes := make([]reconcile.Outcome, len(hosts))
	var wg sync.WaitGroup
	for i, host := range hosts {
		wg.Go(func() { outcomes[i] = f.performOn(ctx, host, step) })
	}
	wg.Wait()
	var failed []*reconcile.Failure
	for _, out := range outcomes {
		if out.Failure != nil {
			failed = append(failed, out.Failure)
		}
	}
	return reconcile.Outcome{Failure: worst(failed)}
}

// worst is one failure for several: its class and reason are those that trying
// again helps least, its words are all of them. nil if there is none.
func worst(failed []*reconcile.Failure) *reconcile.Failure {
	if len(failed) == 0 {
		return nil
	}
	out := *failed[0]
	var words []string
	for _, fail := range failed {
		if out.Class == reconcile.Infra && fail.Class != reconcile.Infra {
			out.Class, out.Reason = fail.Class, fail.Reason
		}
		out.RetryAfter = max(out.RetryAfter, fail.RetryAfter)
		words = append(words, fail.Message)
	}
	out.Message = strings.Join(words, "; ")
	return &out
}
