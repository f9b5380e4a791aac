package mutants

var keepRouted = edit{"reconcile/remove.go", "return ok && (slices", "return false && ok && (slices"}

var buildBehindRoute = edit{"reconcile/rollout.go", "ok && b.Colour == c.Colour && (len(own) == 0 ||", "ok && false && (len(own) == 0 ||"}

// model are the twelve rules that each caught a real failure of an earlier
// design, and those of several hosts and of containers of before Teal.
var model = []mutant{
	{"1: a rollover rebuilds the candidate's colour without moving live traffic off it", []edit{
		{"reconcile/wish.go", "return t.to(Superseding, 0)", "t.rec.Candidate, t.rec.Phase = nil, Idle\n\t\treturn again"},
		keepRouted, buildBehindRoute,
	}, search(""), []string{"S1", "S8"}},
	{"2: the promotion is committed after the route command, without a read back", []edit{
		{"reconcile/switch.go", "t.lookAt(t.rec.Deadline)\n\t\treturn m", "t.confirm()\n\t\tt.promote()\n\t\treturn m"},
	}, search(""), []string{"S3"}},
	{"3: no hold: a failed revision is started again", []edit{
		{"reconcile/wish.go", "return t.rec.Hold != nil && t.rec.Hold.Generation == t.in.Desired.Generation", "return false"},
	}, search(""), []string{"S5", "L1"}},
	{"4: the route goes back to stable only while the candidate is healthy", []edit{
		{"reconcile/abort.go", "\tif m := t.route(t.rec.Stable, nil,", "\tif t.liveOn(c.Colour) && len(t.canServe(&c.Placement)) == 0 {\n\t\treturn t.wait()\n\t}\n\tif m := t.route(t.rec.Stable, nil,"},
	}, search(""), []string{"L3", "L5/L6"}},
	{"5: the hold is keyed by the version and never released by a new generation", []edit{
		{"reconcile/wish.go", "return t.rec.Hold != nil && t.rec.Hold.Generation == t.in.Desired.Generation", "return t.rec.Hold != nil && t.resolved() && t.rec.Hold.Revision == t.wanted().ID"},
		{"reconcile/wish.go", "t.rec.Hold, t.rec.Override, t.rec.Admitted = nil, nil, 0", "t.rec.Override = nil"},
	}, search(""), []string{"L2", "L4"}},
	{"6: a generation is acknowledged before its rollout is recorded", []edit{
		{"reconcile/wish.go", "if !t.resolved() || t.rec.Generation", "if t.rec.Stable != nil && t.in.Record.Generation == t.in.Desired.Generation || !t.resolved() || t.rec.Generation"},
	}, search(""), []string{"L2", "L4"}},
	{"7: an abort routes to stable without looking at its health", []edit{
		{"reconcile/route.go", "if len(t.canServe(live)) == 0 && !t.serves(live) {", "if len(t.of(live)) == 0 {"},
		{"reconcile/route.go", "ready(c, p.Health, t.in.Now) {", "t.rec.Phase != Verifying {"},
	}, search(""), []string{"S2"}},
	{"8: a new rollout waits for a healthy stable", []edit{
		{"reconcile/wish.go", "if !t.resolved() || t.rec.Generation", "if t.rec.Stable != nil && len(t.canServe(t.rec.Stable)) == 0 || !t.resolved() || t.rec.Generation"},
	}, search(""), []string{"L2", "L4"}},
	{"9: the free colour is taken from the record only", []edit{
		{"reconcile/wish.go", "if b, ok := t.live(); ok {", "if b, ok := t.live(); ok && false {"},
		buildBehindRoute,
	}, search(""), []string{"S1", "S8"}},
	{"10: an abort ends only when stable serves again", []edit{
		{"reconcile/abort.go", "if t.due() && t.serves(&c.Placement) {", "if false {"},
		{"reconcile/abort.go", "if t.due() {\n\t\treturn t.do(Step{Kind: StepUnroute", "if false {\n\t\treturn t.do(Step{Kind: StepUnroute"},
	}, search(""), []string{"L1", "L5/L6"}},
	{"11: an abort removes whatever is on the candidate's colour", []edit{
		{"reconcile/abort.go", "own := t.of(&c.Placement)\n\tif m := t.removeIdle(own", "own := t.on(c.Colour)\n\tif m := t.removeIdle(own"},
	}, search(""), []string{"S7"}},
	{"12: route drift is repaired only when no rollout is under way", []edit{
		{"reconcile/settle.go", "t.rec.Stable == nil || t.rec.Phase != Idle && !t.rec.Phase.early()", "t.rec.Stable == nil || t.rec.Phase != Idle"},
		buildBehindRoute,
	}, search(""), []string{"S1", "S8", "L3"}},
	{"13: what is not seen of a host that is away is gone: its route is taken away", []edit{
		{"reconcile/settle.go", "if len(t.on(b.Colour)) == 0 && !t.blind() {", "if len(t.on(b.Colour)) == 0 {"},
	}, search("two_hosts"), []string{"S1"}},
	{"14: what is not seen of a host that is away is gone: the candidate is given up", []edit{
		{"reconcile/verdict.go", "== 0 && !t.blind() {\n\t\t\treturn &Failure", "== 0 {\n\t\t\treturn &Failure"},
	}, search("two_hosts"), []string{"a verdict was given"}},
	{"15: what is not seen of a host that is away is gone: the standby is given up", []edit{
		{"reconcile/idle.go", "if len(t.of(&s.Placement)) == 0 && !t.blind() {", "if len(t.of(&s.Placement)) == 0 || t.blind() && len(t.of(&s.Placement)) < 2 {"},
	}, search("two_hosts"), []string{"S7"}},
	{"16: replicas are created on a wrong host", []edit{
		{"reconcile/place.go", "Host: t.place(n), Seat", "Host: t.hosts()[0], Seat"},
	}, search("two_hosts"), []string{"a replica was created on a wrong host"}},
	{"17: a container of before Teal is removed", []edit{
		{"reconcile/remove.go", "if c.Foreign {\n\t\ts.Kind", "if false {\n\t\ts.Kind"},
	}, search("adopted"), []string{"S12"}},
	{"18: a container of before Teal is started", []edit{
		{"reconcile/settle.go", "if p == nil || p.Adopted {", "if p == nil {"},
	}, search("adopted"), []string{"S12"}},
	{"19: a container of before Teal is stopped before it was replaced", []edit{
		{"reconcile/adopt.go", "return c.Foreign && (t.rec.Stable == nil", "return false && (t.rec.Stable == nil"},
		{"reconcile/adopt.go", "\ts := t.rec.Stable\n\tif t.rec", "\ts := t.rec.Stable\n\tif s == nil {\n\t\treturn onward\n\t}\n\tif t.rec"},
	}, search("adopted"), []string{"S12 an adopted container was stopped before"}},
	{"20: a rollout begins while a host is away", []edit{
		{"reconcile/idle.go", "if _, away := t.awayPlace(); !away && t.begins(&c) {", "if _, away := t.awayPlace(); !away || away {"},
	}, search("two_hosts"), []string{"a rollout began"}},
	{"21: steps are decided for a host that is away", []edit{
		{"reconcile/settle.go", "if t.isAway(t.place(n)) || ", "if "},
	}, search("two_hosts"), []string{"a step was decided"}},
	{"22: an abort waits for what it cannot remove", []edit{
		{"reconcile/abort.go", "if len(going(own)) > 0 && (!t.due() || !t.blind()) {", "if len(own) > 0 {"},
	}, search("two_hosts"), []string{"L5/L6 with a host away"}},
	{"23: a rollout waits for a host without a limit", []edit{
		{"reconcile/rollout.go", "case t.due() && away:", "case t.due() && away && false:"},
		{"reconcile/rollout.go", "case t.due():\n\t\treturn t.abort(", "case t.due() && !away:\n\t\treturn t.abort("},
	}, search("two_hosts"), []string{"L5/L6 with a host away"}},
}
