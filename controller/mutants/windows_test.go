package mutants

// windows are rules about when a rollout may begin.
var windows = []mutant{
	{"72: a rollout begins outside of its windows", []edit{
		{"reconcile/idle.go", "!away && t.begins(&c)", "!away"},
	}, search("windows"), []string{": W1"}},
	{"73: what waits for its window is not looked at when it opens", []edit{
		{"reconcile/window.go", "t.lookAt(x.Next)", "_ = x"},
	}, table("TestWindows"), []string{"--- FAIL: TestWindows"}},
	{"74: the way back waits for a window", []edit{
		{"reconcile/window.go", " || t.servedBefore(c.Revision.ID):", ":"},
	}, table("TestWindowsLetGoBack"), []string{"--- FAIL: TestWindowsLetGoBack"}},
	{"75: a gate opens by itself outside of the windows", []edit{
		{"reconcile/switch.go", "t.selfOpens() && t.closed(c) == nil", "t.selfOpens()"},
	}, simulation("400"), []string{"72: "}},
	{"76: who let one generation begin let all", []edit{
		{"reconcile/wish.go", "t.rec.Hold, t.rec.Override, t.rec.Admitted = nil, nil, 0", "t.rec.Hold, t.rec.Override, t.rec.Admitted = nil, nil, t.in.Desired.Generation*min(t.rec.Admitted, 1)"},
	}, table("TestWindowsAndGates"), []string{"--- FAIL: TestWindowsAndGates"}},
	{"77: a gate that may not open by itself yet is given up", []edit{
		{"reconcile/switch.go", "case t.selfOpens():", "case false:"},
	}, table("TestWindowsAndGates"), []string{"--- FAIL: TestWindowsAndGates"}},
	{"78: the first rollout waits for a window, and nothing serves", []edit{
		{"reconcile/window.go", "case t.in.Closed == nil || t.rec.Stable == nil || t.lostStable():", "case t.in.Closed == nil:"},
	}, table("TestWindows"), []string{"--- FAIL: TestWindows"}},
}
