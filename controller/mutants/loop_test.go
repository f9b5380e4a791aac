package mutants

// loop are rules of the controller.
var loop = []mutant{
	{"59: effects come before their intent is stored", []edit{
		{"controller/pass.go", "\tif err := c.save(app, before, decision); err != nil {", "\tearly, earlyErr := c.perform(ctx, app, decision.Steps, release)\n\tif err := c.save(app, before, decision); err != nil {"},
		{"controller/pass.go", "c.carryOut(ctx, app, decision, release)", "c.carryOut(app, decision, early, earlyErr)"},
		{"controller/pass.go", "func (c *Controller) carryOut(ctx context.Context, app spec.Name, d reconcile.Decision, release func()) (reconcile.Record, error) {", "func (c *Controller) carryOut(app spec.Name, d reconcile.Decision, outcomes []done, err error) (reconcile.Record, error) {"},
		{"controller/pass.go", "\toutcomes, err := c.perform(ctx, app, d.Steps, release)\n", ""},
	}, simulation("200"), []string{"S6: ", "S14: ", "S5: "}},
	{"60: the outcome of effects is forgotten", []edit{
		{"controller/pass.go", "record, said = reconcile.Note(record, o.step, o.outcome, now())", "_, said = reconcile.Note(record, o.step, o.outcome, now())"},
	}, simulation("100"), []string{"L1: ", "L2: ", "L4: ", "L5: ", "L6: "}},
	{"61: the proxy is believed when it says that it took the table", []edit{
		{"controller/router.go", "return r.readBack(ctx, s)", "return reconcile.Outcome{}"},
	}, controller("TestRouterDoesNotBelieveAnApply"), []string{"--- FAIL: TestRouter"}},
	{"62: an engine that does not answer is taken for an empty one", []edit{
		{"controller/pass.go", "\tif saw.engine != nil {\n\t\treturn time.Time{}, &awayError{engineSide, saw.engine}\n\t}\n", ""},
	}, simulation("400"), []string{"S1: ", "S2: ", "S3: ", "S4: ", "S5: ", "S6: ", "S7: ", "S8: ", "S12: ", "hosts: ", "L3: ", "L4: ", "L7: "}},
	{"63: a host that does not answer is taken for an empty one", []edit{
		{"controller/observe.go", "out.world.Away, out.world.Dependencies = out.seen.Containers, out.seen.Test, out.seen.Away, dependencies", "out.world.Away, out.world.Dependencies = out.seen.Containers, out.seen.Test, nil, dependencies"},
	}, simulation("400"), []string{"S1: ", "S7: ", "hosts: ", "L5: ", "L6: "}},
	{"64: the engine's events wake nobody", []edit{
		{"controller/triggers.go", "func(app spec.Name) { c.Wake(app) })", "func(spec.Name) {})"},
	}, controller("TestRemovedByHandIsRepairedAtOnce"), []string{"--- FAIL: TestRemoved"}},
	{"65: two passes of one app run at once", []edit{
		{"controller/queue.go", "\tcase e.running:\n\t\te.dirty = true\n", ""},
	}, controller("TestQueue.*"), []string{"--- FAIL: TestQueue"}},
	{"66: a newer wish waits for the pull of an older one", []edit{
		{"controller/memory.go", "if r.interrupt != nil {", "if false {"},
	}, controller("TestNewerWishCutsAPullShort"), []string{"--- FAIL: TestNewerWish"}},
	{"67: an invalid wish is accepted", []edit{
		{"controller/accept.go", "\tif err := c.check(o, before); err != nil {\n\t\treturn nil, err\n\t}\n", ""},
	}, simulation("100"), []string{"S16: "}},
	{"68: what a file does not name any more is removed", []edit{
		{"controller/accept.go", "c.opts.Store.Accept(o.project, o.prune, least, now())", "c.opts.Store.Accept(o.project, true, least, now())"},
	}, controller("TestOrphanedIsReportedAndPrunedIsRemoved"), []string{"--- FAIL: TestOrphaned"}},
	{"69: a panic in a step ends the controller", []edit{
		{"controller/safely.go", "if r := recover(); r != nil {", "if r := any(nil); r != nil {"},
	}, controller("TestPanicInAStepIsSurvived"), []string{"panic: "}},
	{"70: a new store counts generations from one again", []edit{
		{"controller/accept.go", "c.opts.Store.Accept(o.project, o.prune, least, now())", "c.opts.Store.Accept(o.project, o.prune, map[spec.Name]int64{{}: int64(len(least))}, now())"},
	}, controller("TestLostStoreIsRebuiltWithoutTouchingWhatServes"), []string{"--- FAIL: TestLost"}},
	{"71: an edit of one route loses the others", []edit{
		{"controller/router.go", "next := snapshot.Table.Without(s.App)", "next := reconcile.Table{}"},
	}, controller("TestRouterKeepsOtherRoutesUnderConcurrency"), []string{"--- FAIL: TestRouter"}},
}
