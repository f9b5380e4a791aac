package mutants

// planner are more rules of the planner whose breaking would hurt.
var planner = []mutant{
	{"24: a standby whose window is over goes although stable cannot serve", []edit{
		{"reconcile/idle.go", "if len(t.canServe(t.rec.Stable)) == 0 {", "if false {"},
	}, table("TestStandby"), []string{"--- FAIL: TestStandby"}},
	{"25: a standby's window is not waited for", []edit{
		{"reconcile/idle.go", "if t.in.Now.Before(s.Until) {", "if false {"},
	}, search("automatic"), []string{": S7"}},
	{"26: what is missing of stable is not made again", []edit{
		{"reconcile/idle.go", "if steps := t.missing(t.rec.Stable, stableReplicas); len(steps) > 0 && !t.backingOff(StepEnsure) {", "if steps := t.missing(t.rec.Stable, stableReplicas); len(steps) > 3 {"},
	}, table("TestRepair"), []string{"--- FAIL: TestRepair"}},
	{"27: no standby is kept after a switch", []edit{
		{"reconcile/switch.go", "old != nil && old.Colour != c.Colour && (s.Forever || s.For > 0)", "old != nil && old.Colour != c.Colour && s.Forever"},
	}, table("TestUpdate"), []string{"--- FAIL: TestUpdate"}},
	{"28: retry releases nothing", []edit{
		{"reconcile/command.go", "t.rec.Hold, t.rec.Override, t.rec.Backoff = nil, nil, nil", "t.rec.Override, t.rec.Backoff = nil, nil"},
	}, table("TestHold"), []string{"--- FAIL: TestHold"}},
	{"29: a command for a rollout that is over is done to the next one", []edit{
		{"reconcile/command.go", "if c.Verb == VerbPromote || c.Verb == VerbAbort {", "if false {"},
	}, table("TestCommands"), []string{"--- FAIL: TestCommands"}},
	{"30: a refused command is kept for later", []edit{
		{"reconcile/command.go", "t.d.Taken[c.Token] = t.command(c)", "if t.d.Taken[c.Token] = t.command(c); t.d.Taken[c.Token] != \"\" {\n\t\t\tdelete(t.d.Taken, c.Token)\n\t\t\tcontinue\n\t\t}"},
	}, table("TestCommands"), []string{"--- FAIL: TestCommands"}},
	{"31: containers are stopped without a drain", []edit{
		{"reconcile/remove.go", "if !plain && !upgraded {\n\t\treturn false", "if true {\n\t\treturn false"},
	}, table("TestDrain"), []string{"S1: "}},
	{"32: a drain has no limit", []edit{
		{"reconcile/remove.go", "return plain && t.in.Now.Before(d.Since.Add(limits.Requests.D())) ||", "return plain ||"},
	}, table("TestDrain"), []string{"--- FAIL: TestDrain"}},
	{"33: containers are stopped without looking at who serves", []edit{
		{"reconcile/remove.go", "case t.hasTraffic(c):", "case false:"},
	}, search("automatic"), []string{": S1"}},
	{"34: what the proxy does not answer is taken for nothing served", []edit{
		{"reconcile/settle.go", "if !t.in.World.Served.Known {\n\t\treturn t.wait()", "if !t.in.World.Served.Known {\n\t\treturn onward"},
	}, table("TestProxy"), []string{"--- FAIL: TestProxy"}},
	{"35: a preview has weight", []edit{
		{"reconcile/route.go", "t.backend(staged, 0)", "t.backend(staged, 50)"},
	}, simulation("200"), []string{"S6: ", "S9: ", "L3: ", "L4: ", "L5: "}},
	{"36: a failed step is tried again at once", []edit{
		{"reconcile/turn.go", "if b == nil || b.Step != k || !t.in.Now.Before(b.Next) {", "if b == nil || b.Step != k || t.in.Now.Before(b.Next) {"},
	}, table("TestBackoff"), []string{"--- FAIL: TestBackoff"}},
	{"37: waits grow without a limit", []edit{
		{"reconcile/note.go", "min(first<<min(n, 8), lastWait)", "first<<min(n, 8)"},
	}, table("TestBackoffGrowsToItsLimit"), []string{"--- FAIL: TestBackoff"}},
	{"38: a failure of the infrastructure is held against the version", []edit{
		{"reconcile/note.go", "case f.Class == Infra:\n", "case f.Class == Infra && step.Kind == StepRoute:\n"},
	}, table("TestBackoff"), []string{"--- FAIL: TestBackoff"}},
	{"39: the deadline of the verification is not kept", []edit{
		{"reconcile/rollout.go", "if t.due() && t.probedInVain() {", "if false {"},
	}, table("TestFirstDeployment"), []string{"--- FAIL: TestFirstDeployment"}},
	{"40: what Teal did not see in time is held against the version", []edit{
		{"reconcile/rollout.go", "if t.due() && t.probedInVain() {", "if t.due() {"},
	}, table("TestVerification"), []string{"--- FAIL: TestVerification"}},
	{"41: a crash loop is waited out", []edit{
		{"reconcile/verdict.go", "case x.Restarts-t.rec.Candidate.Restarts[x.ID] >= max(limit, 1):", "case x.Restarts-t.rec.Candidate.Restarts[x.ID] >= 1000:"},
	}, table("TestVerification"), []string{"--- FAIL: TestVerification"}},
	{"42: a bake is not waited for", []edit{
		{"reconcile/switch.go", "case !t.due():\n\t\treturn t.wait()\n\tcase t.stillReady(true):", "case false:\n\t\treturn t.wait()\n\tcase t.stillReady(true):"},
	}, table("TestBake"), []string{"--- FAIL: TestBake"}},
	{"43: the route is not read again in the bake", []edit{
		{"reconcile/switch.go", "if !t.serves(&c.Placement) {\n\t\tt.warn", "if false && !t.serves(&c.Placement) {\n\t\tt.warn"},
	}, table("TestProxy"), []string{"--- FAIL: TestProxy"}},
	{"44: a pin does not hold", []edit{
		{"reconcile/switch.go", "case c.Pinned:\n\t\treturn false\n\t", ""},
	}, table("TestActive"), []string{"--- FAIL: TestActive"}},
	{"45: what was left by a flip is promoted again", []edit{
		{"reconcile/switch.go", "if c.Trigger == TriggerActive && t.resolved()", "if false && t.resolved()"},
	}, table("TestActive"), []string{"--- FAIL: TestActive"}},
	{"46: undo is undone at once", []edit{
		{"reconcile/switch.go", "t.rec.Override = &Override{", "_ = &Override{"},
	}, table("TestUndo"), []string{"--- FAIL: TestUndo"}},
	{"47: a test is not waited for", []edit{
		{"reconcile/switch.go", "if c.Settings.Test == nil || c.Test != \"\" || c.SkipGates {", "if true {"},
	}, simulation("400"), []string{"S6: "}},
	{"48: dependencies are not waited for", []edit{
		{"reconcile/rollout.go", "if !s.Met(d.Condition) {", "if false {"},
	}, table("TestDependsOn"), []string{"--- FAIL: TestDependsOn"}},
	{"49: a dependency is stopped before its new image is there", []edit{
		{"reconcile/recreate.go", "case Preparing:\n\t\treturn t.preparing()", "case Preparing:\n\t\tif s := t.makeRoom(); len(s) > 0 {\n\t\t\treturn t.do(s...)\n\t\t}\n\t\treturn t.preparing()"},
	}, table("TestDependency"), []string{"--- FAIL: TestDependency"}},
	{"50: a dependency that restarts over and over is waited for", []edit{
		{"reconcile/recreate.go", "case x.Restarts-c.Restarts[x.ID] >= crashLoops:", "case x.Restarts-c.Restarts[x.ID] >= 1000:"},
	}, table("TestDependency"), []string{"--- FAIL: TestDependency"}},
	{"51: replicas of one host share a port", []edit{
		{"reconcile/place.go", "return (max(n, 1) - 1) / len(t.hosts())", "return 0"},
	}, table("TestSeats|TestPlacement"), []string{"--- FAIL: TestPlacement", "--- FAIL: TestSeats"}},
	{"52: what failed is removed without evidence", []edit{
		{"reconcile/abort.go", "if t.rec.Phase == Aborting && c.Created && c.Evidence == nil {", "if false {"},
	}, table("TestFirstDeployment"), []string{"--- FAIL: TestFirstDeployment"}},
	{"53: a pruned app's containers go before its route", []edit{
		{"reconcile/remove.go", "if t.in.World.Served.Route != nil {\n\t\t\treturn t.do(", "if t.in.World.Served.Route != nil && len(t.in.World.Containers) == 0 {\n\t\t\treturn t.do("},
	}, simulation("400"), []string{"S1: ", "L7: "}},
	{"54: a newer generation is not acknowledged by the candidate that is it", []edit{
		{"reconcile/wish.go", "func (t *turn) adoptNumber() {\n\tt.acknowledge()", "func (t *turn) adoptNumber() {"},
	}, table("TestRollover"), []string{"--- FAIL: TestRollover"}},
	{"55: a repair makes one container too many", []edit{
		{"reconcile/settle.go", "for n := 1; n <= t.replicas(); n++ {\n\t\tif t.isAway(t.place(n)) || t.hasReplica(own, n, func", "for n := 1; n <= t.replicas()+1; n++ {\n\t\tif t.isAway(t.place(n)) || t.hasReplica(own, n, func"},
	}, table("TestRepair"), []string{"--- FAIL: TestRepair"}},
	{"56: traffic waits for one replica only", []edit{
		{"reconcile/rollout.go", "if t.allReady(&c.Placement, t.replicas()) {", "if t.allReady(&c.Placement, 1) {"},
	}, table("TestReplicas"), []string{"--- FAIL: TestReplicas"}},
	{"57: a candidate that breaks at the gate is switched to", []edit{
		{"reconcile/switch.go", "\t\treturn t.to(Starting, startLimit)\n\t}\n\tif f := t.spoiled(); f != nil {\n\t\treturn t.abort(*f)\n\t}\n\tif m := t.test(); m != onward {", "\t\treturn t.to(Starting, startLimit)\n\t}\n\tif m := t.test(); m != onward {"},
		{"reconcile/switch.go", "\tif f := t.spoiled(); f != nil {\n\t\treturn t.abort(*f)\n\t}\n\tif t.serves(&c.Placement) {", "\tif t.serves(&c.Placement) {"},
	}, table("TestGates"), []string{"--- FAIL: TestGates"}},
	{"58: an abort goes on with a candidate that has the traffic", []edit{
		{"reconcile/abort.go", "\tif m := t.backToStable(); m != onward {\n\t\treturn m\n\t}", ""},
	}, simulation("400"), []string{"S1: ", "L3: ", "L4: ", "L6: "}},
}
