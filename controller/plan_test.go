package controller

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"teal/controller/api"
)

func TestPlanChangesNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		w.apply(web("web", "web:1"), db("db:1"))
		w.serves("web", "web:1")
		time.Sleep(time.Minute)
		writes := w.store.Writes()
		wish := project(web("web", "web:2", manual), db("db:1"), web("new", "web:3"))
		plan, err := w.c.Plan(context.Background(), api.PlanRequest{Project: &wish})
		if err != nil {
			t.Fatal(err)
		}
		text := planText(plan)
		for _, want := range []string{
			"p/db gen 1 changed=false\n", "p/web gen 2 changed=true", "image: web:1 → web:2", "pull image web:2", "run green replica 1",
			"wait until 1 of 1 are ready", "wait for teal promote p/web", "p/new gen 1 changed=true", "route 100 % to blue",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("the plan lacks %q:\n%s", want, text)
			}
		}
		if w.store.Writes() != writes || len(w.engine.Names()) != 2 {
			t.Errorf("planning changed the world: %d writes, %v", w.store.Writes()-writes, w.engine.Names())
		}
		missing := project(web("web", "web:none"), db("db:1"))
		if plan, err = w.c.Plan(context.Background(), api.PlanRequest{Project: &missing}); err != nil || !strings.Contains(plan.Apps[1].Blocked, "manifest unknown") {
			t.Errorf("plan for a missing image: %+v, %v", plan, err)
		}
		gone := project(db("db:1"))
		if plan, err = w.c.Plan(context.Background(), api.PlanRequest{Project: &gone, Prune: true}); err != nil || !strings.Contains(planText(plan), "remove container") {
			t.Errorf("plan with prune: %s, %v", planText(plan), err)
		}
		if plan, err = w.c.Plan(context.Background(), api.PlanRequest{}); err != nil || len(plan.Apps) != 2 || len(plan.Apps[1].Entries) != 0 {
			t.Errorf("plan of what is accepted: %s, %v", planText(plan), err)
		}
	})
}

func planText(p api.PlanResult) string {
	var b strings.Builder
	for _, a := range p.Apps {
		fmt.Fprintf(&b, "%s gen %d changed=%t\n", a.App, a.Generation, a.Changed)
		for _, c := range a.Changes {
			fmt.Fprintf(&b, "  %s: %s → %s\n", c.Key, c.From, c.To)
		}
		for _, e := range a.Entries {
			fmt.Fprintf(&b, "  %s %s (%s)\n", e.Kind, e.Text, e.Why)
		}
		if a.Blocked != "" {
			fmt.Fprintf(&b, "  blocked: %s\n", a.Blocked)
		}
	}
	return b.String()
}
