package fleet

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"teal/reconcile"
)

// evidence is collected where the containers are. What is on a host that does
// not answer is said to be out of reach, unless no host answers.
func (f *Fleet) evidence(ctx context.Context, step reconcile.Step) reconcile.Outcome {
	by := f.located(step)
	if len(by) < 2 {
		for host, ids := range by {
			step.Containers = ids
			return f.performOn(ctx, host, step)
		}
		return f.performOn(ctx, step.Host, step)
	}
	hosts := slices.Sorted(maps.Keys(by))
	outcomes := make([]reconcile.Outcome, len(hosts))
	var wg sync.WaitGroup
	for i, host := range hosts {
		part := step
		part.Containers = by[host]
		wg.Go(func() { outcomes[i] = f.performOn(ctx, host, part) })
	}
	wg.Wait()
	return together(by, hosts, outcomes)
}

// located sorts the containers of a step by host.
func (f *Fleet) located(step reconcile.Step) map[string][]string {
	by := map[string][]string{}
	for _, id := range step.Containers {
		host := cmp.Or(step.Located[id], f.whereIs(id), step.Host, f.members[0].Name)
		by[host] = append(by[host], id)
	}
	return by
}

// together puts the evidence of several hosts together.
func together(by map[string][]string, hosts []string, outcomes []reconcile.Outcome) reconcile.Outcome {
	merged := &reconcile.Evidence{At: time.Now()}
	var failed []*reconcile.Failure
	for i, out := range outcomes {
		if fail := out.Failure; fail != nil {
			if !unanswered(fail) {
				return out
			}
			failed = append(failed, fail)
			for _, id := range by[hosts[i]] {
				merged.Containers = append(merged.Containers, reconcile.ContainerEvidence{Name: id, State: "unknown", Logs: []string{"(" + fail.Message + ")"}})
			}
			continue
		}
		if out.Evidence != nil {
			merged.Containers = append(merged.Containers, out.Evidence.Containers...)
			merged.Test = append(merged.Test, out.Evidence.Test...)
		}
	}
	if len(failed) == len(outcomes) {
		return reconcile.Outcome{Failure: worst(failed)}
	}
	return reconcile.Outcome{Evidence: merged}
}
