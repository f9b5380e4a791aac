package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"teal/controller/api"
	"teal/controller/api/apitest"
	"teal/reconcile"
)

// reached is the app once it serves what good wants.
func reached() reconcile.Status {
	s := settled()
	s.Generation, s.Observed, s.Image = 15, 15, "example.com/pennyway/was:1.4.2"
	s.Serving.Message, s.Synced.Message = "1.4.2 (blue, 100 %)", "1.4.2"
	return s
}

func TestApplyWaitsUntilItIsReached(t *testing.T) {
	f := fake()
	f.OnApply = func(api.ApplyRequest) {
		f.Set(rolling(reconcile.Verifying))
		f.Set(reached())
	}
	r := teal(t, apitest.Serve(t, f).Socket, "apply", "-f", compose(t, good))
	r.expect(t, exitDone, "✔ pennyway/was  gen 15  accepted", "~ image example.com/pennyway/was:1.4.1 → example.com/pennyway/was:1.4.2", "1.4.2 (blue, 100 %)")
	if strings.Contains(r.out, "\x1b") {
		t.Errorf("escape sequences in a pipe: %q", r.out)
	}
	req := f.Applied()[0]
	if req.By != "ann" || req.Prune || req.Project.Services[0].Container.Image != "example.com/pennyway/was:1.4.2" {
		t.Errorf("sent %+v", req)
	}
}

func TestApplyShowsTheEvidenceOfAFailure(t *testing.T) {
	f := fake()
	f.OnApply = func(api.ApplyRequest) { f.Set(held()) }
	r := teal(t, apitest.Serve(t, f).Socket, "apply", "-f", compose(t, good))
	r.expect(t, exitFailed, "held: Unhealthy: not ready after 2m0s", "exited with 137, 2 restarts", "GET / → 503",
		"│ out of cheese", "still serving 1.4.1", "teal retry pennyway/was")
	if strings.ContainsAny(r.err, "\x1b\x07") {
		t.Errorf("an app's control characters came through: %q", r.err)
	}
}

func TestApplyTimesOut(t *testing.T) {
	teal(t, apitest.Serve(t, fake()).Socket, "apply", "-f", compose(t, good), "--timeout", "100ms").
		expect(t, exitTimeout, "timed out after 100ms", "teal status --watch")
}

func TestApplyDoesNotWait(t *testing.T) {
	teal(t, apitest.Serve(t, fake()).Socket, "apply", "-f", compose(t, good), "--no-wait").expect(t, exitDone, "accepted")
}

func TestApplyTellsOfANewerWish(t *testing.T) {
	f := fake()
	f.OnApply = func(api.ApplyRequest) {
		s := rolling(reconcile.Preparing)
		s.Generation = 16
		f.Set(s)
	}
	teal(t, apitest.Serve(t, f).Socket, "apply", "-f", compose(t, good)).expect(t, exitFailed, "a newer wish took the place")
}

func TestApplyIsDoneWhenAPinnedVersionIsStaged(t *testing.T) {
	f := fake()
	f.OnApply = func(api.ApplyRequest) {
		s := rolling(reconcile.Staged)
		s.Synced = reconcile.Condition{Reason: reconcile.ReasonPinned, Message: "1.4.2 is staged on blue; active pins green"}
		s.Next = []string{"set x-teal.active: blue"}
		f.Set(s)
	}
	teal(t, apitest.Serve(t, f).Socket, "apply", "-f", compose(t, good)).
		expect(t, exitDone, "active pins green", "set x-teal.active: blue")
}

func TestApplySurvivesARestartOfTheController(t *testing.T) {
	f := fake()
	s := apitest.Serve(t, f)
	f.OnApply = func(api.ApplyRequest) { f.Set(rolling(reconcile.Verifying)) }
	file := compose(t, good)
	done := make(chan result, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	go func() { done <- tealContext(ctx, s.Socket, "apply", "-f", file) }()
	for len(f.Applied()) == 0 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	f.Set(reached())
	apitest.ServeAt(t, f, s.Socket)
	r := <-done
	r.expect(t, exitDone, "1.4.2 (blue, 100 %)")
}

func TestApplyAsJSON(t *testing.T) {
	f := fake()
	f.OnApply = func(api.ApplyRequest) { f.Set(reached()) }
	r := teal(t, apitest.Serve(t, f).Socket, "apply", "-f", compose(t, good), "-o", "json")
	r.expect(t, exitDone)
	var out applied
	if err := json.Unmarshal([]byte(r.out), &out); err != nil {
		t.Fatalf("%v: %s", err, r.out)
	}
	if len(out.Accepted.Apps) != 1 || len(out.Apps) != 1 || out.Apps[0].Image != "example.com/pennyway/was:1.4.2" {
		t.Errorf("got %+v", out)
	}
}

func TestPlanChangesNothing(t *testing.T) {
	f := fake()
	f.Planned = api.PlanResult{Apps: []api.AppPlan{{
		App: was, Kind: "app", Generation: 15, Changed: true,
		Entries: []api.PlanEntry{{Kind: api.PlanStep, Text: "pull image 1.4.2", Why: "it is not on the host"}},
	}}}
	r := teal(t, apitest.Serve(t, f).Socket, "plan", "-f", compose(t, good))
	r.expect(t, exitDone, "1.  pull image 1.4.2", "it is not on the host", "nothing was changed")
	if len(f.Applied()) > 0 {
		t.Error("plan applied")
	}
}
