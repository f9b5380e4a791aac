package crash

import "teal/reconcile"

// The process stands there, until an abort or another wish was taken: the phase
// is the one that the scenario is about.
const (
	inPreparing = "docker.ImagePull/before"
	inStarting  = "docker.ContainerCreate/before"
	inSwitching = "proxy.PUT/v1/table/before"
	inAborting  = "docker.ContainerStop/before" // and in Superseding
)

// aborts are an abort in each phase that has something to abort. The candidate takes its time, so that an
// abort that was repeated after a kill still finds it.
func aborts() []*scenario {
	slow := wish{image: "slow"}
	baking := wish{image: "v2", xteal: []string{"bake: 1m"}}
	gated := wish{image: "v2", xteal: []string{"promotion: manual"}}
	abort := command(reconcile.VerbAbort)
	ends := []string{"blue stable v1 weight 100", "held: "}
	return []*scenario{
		{name: "abort while Preparing", published: []string{"slow"}, base: v("v1"), before: []step{pauses(inPreparing), edit(slow), paused, reaches(reconcile.Preparing, "slow")}, act: []step{during(abort, goesOn)}, ends: ends},
		{name: "abort while Starting", base: v("v1"), before: []step{pauses(inStarting), edit(slow), paused, reaches(reconcile.Starting, "slow")}, act: []step{during(abort, goesOn)}, ends: ends},
		{name: "abort while Verifying", base: v("v1"), before: []step{edit(slow), reaches(reconcile.Verifying, "slow")}, act: []step{abort}, ends: ends},
		{name: "abort while Staged", base: v("v1"), before: []step{edit(gated), reaches(reconcile.Staged, "v2")}, act: []step{abort}, ends: ends},
		{name: "abort while Switching", base: v("v1"), before: []step{pauses(inSwitching), edit(baking), paused, reaches(reconcile.Switching, "v2")}, act: []step{during(abort, goesOn)}, ends: ends},
		{name: "abort while Confirming", base: v("v1"), before: []step{edit(baking), reaches(reconcile.Confirming, "v2"), answers("v2")}, act: []step{abort}, ends: ends},
		{name: "promote while Staged", base: v("v1"), before: []step{edit(gated), reaches(reconcile.Staged, "v2")}, act: []step{command(reconcile.VerbPromote), answers("v2")}, ends: []string{"green stable v2 weight 100"}},
	}
}

// rollovers are a newer wish in each phase of a rollout.
func rollovers() []*scenario {
	slow := wish{image: "slow"}
	baking := wish{image: "v2", xteal: []string{"bake: 2s"}}
	gated := wish{image: "v2", xteal: []string{"promotion: manual"}}
	newest := edit(*v("v3"))
	ends := []string{"stable v3 weight 100"}
	return []*scenario{
		{name: "rollover while Preparing", published: []string{"slow"}, base: v("v1"), before: []step{pauses(inPreparing), edit(slow), paused}, act: []step{newest, accepted, goesOn, idle("v3")}, ends: ends},
		{name: "rollover while Starting", base: v("v1"), before: []step{pauses(inStarting), edit(slow), paused}, act: []step{newest, accepted, goesOn, idle("v3")}, ends: ends},
		{name: "rollover while Verifying", base: v("v1"), before: []step{edit(slow), reaches(reconcile.Verifying, "slow")}, act: []step{newest, idle("v3")}, ends: ends},
		{name: "rollover while Staged", base: v("v1"), before: []step{edit(gated), reaches(reconcile.Staged, "v2")}, act: []step{newest, idle("v3")}, ends: ends},
		{name: "rollover while Switching", lastOnly: true, base: v("v1"), before: []step{pauses(inSwitching), edit(baking), paused}, act: []step{newest, accepted, goesOn, idle("v3")}, ends: ends},
		{
			name: "rollover while Aborting", base: v("v1"),
			before: []step{edit(gated), reaches(reconcile.Staged, "v2"), pauses(inAborting), command(reconcile.VerbAbort), paused, reaches(reconcile.Aborting, "v2")},
			act:    []step{newest, accepted, goesOn, idle("v3")}, ends: ends,
		},
		{
			name: "rollover while Superseding", base: v("v1"),
			before: []step{edit(gated), reaches(reconcile.Staged, "v2"), pauses(inAborting), edit(slow), paused},
			act:    []step{newest, accepted, goesOn, idle("v3")}, ends: ends,
		},
		{name: "rollover while Confirming", base: v("v1"), before: []step{edit(baking), reaches(reconcile.Confirming, "v2")}, act: []step{newest, idle("v3")}, ends: ends},
	}
}
