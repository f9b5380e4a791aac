package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"teal/controller/api"
	"teal/controller/api/apitest"
	"teal/reconcile"
	"teal/spec"
)

func ended(result reconcile.Result, trigger reconcile.Trigger) reconcile.Rollout {
	return reconcile.Rollout{
		ID: "r-15", App: was, Trigger: trigger, Generation: 15, Colour: spec.Blue, Result: result,
		Revision: reconcile.Revision{ID: "v1:91cc", Image: reconcile.Image{Ref: "was:1.4.2"}},
		Accepted: start, Started: start, Verified: start.Add(3 * time.Second), Switched: start.Add(4 * time.Second), Ended: start.Add(5 * time.Second),
	}
}

func TestPromoteWaitsUntilTheTrafficMoved(t *testing.T) {
	f := fake()
	f.Set(rolling(reconcile.Staged))
	f.OnCommand = func(_ spec.Name, req api.CommandRequest) {
		f.Set(rolling(reconcile.Switching))
		f.Settle(req.Token, "")
		f.Keep(ended(reconcile.Succeeded, reconcile.TriggerChange))
		f.Set(reached())
	}
	r := teal(t, apitest.Serve(t, f).Socket, "promote", "was")
	r.expect(t, exitDone, "promote took effect", "✔ pennyway/was  r-15 1.4.2: succeeded  traffic after 4.0s")
	req := f.Asked()[0]
	if req.Verb != reconcile.VerbPromote || req.Rollout != "r-15" || req.By != "ann" || len(req.Token) < 20 {
		t.Errorf("asked %+v", req)
	}
}

func TestPromoteThatFailsSaysSo(t *testing.T) {
	f := fake()
	f.Set(rolling(reconcile.Staged))
	f.OnCommand = func(_ spec.Name, req api.CommandRequest) {
		r := ended(reconcile.RolledBack, reconcile.TriggerChange)
		r.Failure = &reconcile.Failure{Reason: reconcile.ReasonBakeFailed, Message: "5 % failed"}
		f.Keep(r)
		f.Set(held())
		f.Settle(req.Token, "")
	}
	teal(t, apitest.Serve(t, f).Socket, "promote").expect(t, exitFailed, "rolled-back", "BakeFailed: 5 % failed", "GET / → 503")
}

func TestPromoteEndsWithTheSwitchWhereItIsWatchedOn(t *testing.T) {
	f := fake()
	f.Set(rolling(reconcile.Staged))
	f.OnCommand = func(_ spec.Name, req api.CommandRequest) {
		f.Settle(req.Token, "")
		s := rolling(reconcile.Confirming)
		s.Deadline = start.Add(time.Hour)
		f.Set(s)
	}
	teal(t, apitest.Serve(t, f).Socket, "promote", "was").expect(t, exitDone, "the traffic has moved; r-15 is watched until")
}

func TestUndoOfARolloutUnderWayIsDoneWhenItWentBack(t *testing.T) {
	f := fake()
	f.Set(rolling(reconcile.Confirming))
	f.OnCommand = func(_ spec.Name, req api.CommandRequest) {
		f.Keep(ended(reconcile.RolledBack, reconcile.TriggerChange))
		f.Set(rolling(reconcile.Aborting))
		f.Settle(req.Token, "")
		s := held()
		f.Set(s)
	}
	teal(t, apitest.Serve(t, f).Socket, "undo", "was").expect(t, exitDone, "undo took effect", "1.4.1 (green, 100 %)")
}

func TestUndoThatWasOverBeforeAnybodyLooked(t *testing.T) {
	f := fake()
	f.OnCommand = func(_ spec.Name, req api.CommandRequest) {
		f.Keep(ended(reconcile.Succeeded, reconcile.TriggerUndo))
		f.Settle(req.Token, "")
	}
	teal(t, apitest.Serve(t, f).Socket, "undo").expect(t, exitDone, "undo took effect", "succeeded")
}

func TestCommandThatIsRefusedLater(t *testing.T) {
	f := fake()
	f.OnCommand = func(_ spec.Name, req api.CommandRequest) { f.Settle(req.Token, "nothing is held") }
	teal(t, apitest.Serve(t, f).Socket, "retry", "was").expect(t, exitFailed, "retry had no effect on pennyway/was: nothing is held")
}

func TestCommandThatIsNotAnswered(t *testing.T) {
	teal(t, apitest.Serve(t, fake()).Socket, "retry", "was", "--timeout", "100ms").
		expect(t, exitTimeout, "retry was accepted and has not been answered")
}

func TestCommandIsSentOnceThroughARestart(t *testing.T) {
	f := fake()
	s := apitest.Serve(t, f)
	done := make(chan result, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	go func() { done <- tealContext(ctx, s.Socket, "retry", "was") }()
	for len(f.Asked()) == 0 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	f.Settle(f.Asked()[0].Token, "")
	apitest.ServeAt(t, f, s.Socket)
	r := <-done
	r.expect(t, exitDone, "retry took effect")
	if n := len(f.Asked()); n != 1 {
		t.Errorf("queued %d times", n)
	}
}

func TestAmbiguousService(t *testing.T) {
	f := fake()
	other := settled()
	other.App.Project = "second"
	f.Set(other)
	s := apitest.Serve(t, f)
	teal(t, s.Socket, "undo", "was").expect(t, exitBadInput, "more than one app", "pennyway/was", "second/was")
	teal(t, s.Socket, "undo").expect(t, exitBadInput, "say which one")
	r := teal(t, s.Socket, "status", "second")
	r.expect(t, exitDone, "second/was")
	if strings.Contains(r.out, "pennyway/was") {
		t.Errorf("the other project is shown: %s", r.out)
	}
}
