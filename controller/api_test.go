package controller

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"teal/controller/api"
	"teal/reconcile"
	"teal/spec"
)

// refused checks that err is a refusal for reason, with a hint, naming parts.
func refused(t *testing.T, err error, reason api.Reason, parts ...string) {
	t.Helper()
	var e *api.Error
	if !errors.As(err, &e) || e.Reason != reason {
		t.Fatalf("got %v, want a refusal %s", err, reason)
	}
	for _, p := range parts {
		if !strings.Contains(e.Error(), p) {
			t.Errorf("%q does not name %q", e.Error(), p)
		}
	}
}

func TestCommandsApplyOnlyWhereTheyMakeSense(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		w.apply(web("web", "web:1"))
		w.serves("web", "web:1")
		_, err := w.command("web", reconcile.VerbPromote, "", "t1")
		refused(t, err, api.ReasonNotNow, "staged")
		_, err = w.command("web", reconcile.VerbAbort, "", "t2")
		refused(t, err, api.ReasonNotNow, "no rollout")
		_, err = w.command("web", reconcile.VerbUndo, "", "t3")
		refused(t, err, api.ReasonNotNow, "earlier")
		_, err = w.command("web", reconcile.VerbRetry, "", "t4")
		refused(t, err, api.ReasonNotNow, "held")
		_, err = w.command("web", "explode", "", "t5")
		refused(t, err, api.ReasonInvalid, "explode")
		_, err = w.command("web", reconcile.VerbRetry, "", "")
		refused(t, err, api.ReasonInvalid, "token")
		_, err = w.command("nobody", reconcile.VerbRetry, "", "t6")
		refused(t, err, api.ReasonUnknownApp, "p/nobody")
		_, err = w.c.Answer(context.Background(), "t1")
		refused(t, err, api.ReasonUnknownToken)
	})
}

func TestPromoteOnceAndOnlyTheRolloutThatWasMeant(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		w.apply(web("web", "web:1"))
		w.serves("web", "web:1")
		w.apply(web("web", "web:2", manual, standby))
		w.until("staged", time.Minute, func() bool { return w.status("web").Phase == reconcile.Staged })
		id := w.status("web").Rollout
		_, err := w.command("web", reconcile.VerbPromote, "r-99", "t1")
		refused(t, err, api.ReasonStale, "r-99", id)
		for range 2 {
			if r, err := w.command("web", reconcile.VerbPromote, id, "t2"); err != nil || r.State == api.CommandRefused {
				t.Fatalf("promote: %+v, %v", r, err)
			}
		}
		w.serves("web", "web:2")
		if r, err := w.c.Answer(context.Background(), "t2"); err != nil || r.State != api.CommandDone {
			t.Errorf("answer %+v, %v; want done", r, err)
		}
		if r, err := w.command("web", reconcile.VerbPromote, id, "t2"); err != nil || r.State != api.CommandDone {
			t.Errorf("the same token later: %+v, %v; want done", r, err)
		}
		if _, err := w.command("web", reconcile.VerbUndo, "", "t3"); err != nil {
			t.Fatalf("undo: %v", err)
		}
		w.until("web:1 serves again", 10*time.Second, func() bool {
			s := w.status("web")
			return strings.HasPrefix(s.Serving.Message, "web:1") && s.Synced.Reason == reconcile.ReasonOverridden
		})
		if _, err := w.command("web", reconcile.VerbRetry, "", "t4"); err != nil {
			t.Fatalf("retry: %v", err)
		}
	})
}

func TestAbortInTheMiddleOfAPull(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		w.apply(web("web", "web:1"))
		w.serves("web", "web:1")
		w.apply(web("web", "web:slow"))
		time.Sleep(time.Minute)
		if _, err := w.command("web", reconcile.VerbAbort, "", "t1"); err != nil {
			t.Fatal(err)
		}
		w.until("held", 10*time.Second, func() bool { return w.status("web").Hold != nil })
		if r, err := w.c.Answer(context.Background(), "t1"); err != nil || r.State != api.CommandDone {
			t.Errorf("answer %+v, %v", r, err)
		}
	})
}

func TestFailedRolloutLeavesEvidenceLogsAndHistory(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		w.apply(web("web", "web:1"))
		w.serves("web", "web:1")
		w.apply(web("web", "web:bad"))
		w.until("held", 2*time.Minute, func() bool { return w.status("web").Hold != nil })
		ctx := context.Background()
		history, err := w.c.History(ctx, named("web"), 10)
		if err != nil || len(history.Rollouts) != 2 || history.Rollouts[0].Result != reconcile.Failed {
			t.Fatalf("history %+v, %v", history, err)
		}
		lines := w.logs(api.LogQuery{App: named("web"), Rollout: history.Rollouts[0].ID, Tail: 10})
		if len(lines) != 1 || !lines[0].Evidence || !strings.Contains(lines[0].Text, "goodbye") {
			t.Errorf("evidence %+v", lines)
		}
		if lines := w.logs(api.LogQuery{App: named("web"), Tail: 2}); len(lines) != 2 || lines[0].Evidence {
			t.Errorf("live logs %+v", lines)
		}
		err = w.c.Logs(ctx, api.LogQuery{App: named("web"), Rollout: "r-77"}, func(api.LogLine) error { return nil })
		refused(t, err, api.ReasonInvalid, "r-77")
		_, err = w.c.History(ctx, named("nobody"), 1)
		refused(t, err, api.ReasonUnknownApp)
	})
}

func (w *world) logs(q api.LogQuery) []api.LogLine {
	w.t.Helper()
	var out []api.LogLine
	if err := w.c.Logs(context.Background(), q, func(l api.LogLine) error { out = append(out, l); return nil }); err != nil {
		w.t.Fatalf("Logs: %v", err)
	}
	return out
}

func TestLogsFollowUntilTheListenerGoes(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		w.apply(web("web", "web:1", func(s *spec.Service) { s.Replicas = 2 }))
		w.serves("web", "web:1")
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		var n atomic.Int32
		var err error
		done := make(chan struct{})
		go func() {
			defer close(done)
			err = w.c.Logs(ctx, api.LogQuery{App: named("web"), Tail: 1, Follow: true}, func(api.LogLine) error { n.Add(1); return nil })
		}()
		<-done
		if n.Load() != 2 || err != nil {
			t.Errorf("%d lines, %v; want 2 and no error", n.Load(), err)
		}
	})
}

func TestStatusFilters(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		w.apply(web("a", "web:1"), web("b", "web:1"))
		ctx := context.Background()
		for filter, want := range map[spec.Name]int{{}: 2, {Project: "p"}: 2, {Project: "p", Service: "a"}: 1} {
			if list, err := w.c.Status(ctx, filter); err != nil || len(list.Apps) != want {
				t.Errorf("%v: %d apps, %v; want %d", filter, len(list.Apps), err, want)
			}
		}
		_, err := w.c.Status(ctx, spec.Name{Project: "q"})
		refused(t, err, api.ReasonUnknownApp, "project q")
		_, err = w.c.Status(ctx, named("c"))
		refused(t, err, api.ReasonUnknownApp, "p/c")
		if v, err := w.c.Version(ctx); err != nil || v.ID != "test" || v.API != api.APIVersion {
			t.Errorf("version %+v, %v", v, err)
		}
	})
}

func TestApplyRefusesWhatCannotBe(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		ctx := context.Background()
		_, err := w.c.Apply(ctx, api.ApplyRequest{Project: spec.Project{Name: "p"}})
		refused(t, err, api.ReasonInvalid, "no services")
		w.apply(web("web", "web:1"))
		other := web("web", "web:1", func(s *spec.Service) { s.Name.Project = "q" })
		_, err = w.c.Apply(ctx, api.ApplyRequest{Project: project(other)})
		refused(t, err, api.ReasonInvalid, "q/web", "p/web", "host *, path /web")
		twin := web("twin", "web:1", func(s *spec.Service) { s.Rollout.Route.Path = "/web" })
		_, err = w.c.Apply(ctx, api.ApplyRequest{Project: project(web("web", "web:1"), twin)})
		refused(t, err, api.ReasonInvalid, "web", "twin")
		_, err = w.c.Apply(ctx, api.ApplyRequest{Project: project(twin)})
		refused(t, err, api.ReasonInvalid, "prune")
		w.engine.Away(true)
		_, err = w.c.Apply(ctx, api.ApplyRequest{Project: project(web("web", "web:1"), web("new", "web:1"))})
		refused(t, err, api.ReasonUnavailable, "Docker Engine")
		if _, err = w.c.Apply(ctx, api.ApplyRequest{Project: project(web("web", "web:2"))}); err != nil {
			t.Errorf("a known app is accepted while the engine is away: %v", err)
		}
	})
}

func TestRenameWithPruneMovesTheRouteWithoutAGap(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		w.apply(web("old", "web:1"))
		w.serves("old", "web:1")
		gap := 0
		w.proxy.Applied = func(_, after reconcile.Table) {
			if len(after.Routes) == 0 {
				gap++
			}
		}
		path := func(s *spec.Service) { s.Rollout.Route.Path = "/old" }
		if _, err := w.c.Apply(context.Background(), api.ApplyRequest{Project: project(web("new", "web:1", path)), Prune: true}); err != nil {
			t.Fatal(err)
		}
		w.serves("new", "web:1")
		time.Sleep(time.Minute)
		if n := len(w.engine.Names()); n != 1 {
			t.Errorf("%d containers, want 1", n)
		}
		t.Logf("tables without a route: %d", gap)
	})
}

func TestRemoveAProject(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		w.apply(web("web", "web:1"), db("db:1"))
		w.serves("web", "web:1")
		_, err := w.c.Remove(context.Background(), api.RemoveRequest{Project: "q"})
		refused(t, err, api.ReasonUnknownApp, "q")
		if _, err = w.c.Remove(context.Background(), api.RemoveRequest{Project: "p", By: "tester"}); err != nil {
			t.Fatal(err)
		}
		w.until("all gone", time.Minute, func() bool { return len(w.engine.Names()) == 0 && len(w.c.family.all()) == 0 })
		if r := w.proxy.Look().Table.Routes; len(r) != 0 {
			t.Errorf("routes left: %+v", r)
		}
	})
}

func TestSubscribersAreToldAndNeverHoldAnybodyUp(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		deaf := w.c.Subscribe(context.Background())
		ctx, cancel := context.WithCancel(context.Background())
		ears := w.c.Subscribe(ctx)
		w.apply(web("web", "web:1"))
		synctest.Wait()
		select {
		case <-ears:
		default:
			t.Error("nothing was told of an accepted project")
		}
		w.serves("web", "web:1")
		cancel()
		synctest.Wait()
		for range 2 {
			if _, open := <-ears; !open {
				break
			}
		}
		w.stop()
		for range 2 {
			if _, open := <-deaf; !open {
				return
			}
		}
		t.Error("the channel was not closed at the stop")
	})
}

func TestEventsPage(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		w.apply(web("web", "web:1"))
		w.serves("web", "web:1")
		ctx := context.Background()
		all := w.events()
		var got []reconcile.Event
		q := api.EventQuery{Limit: 2}
		for {
			page, err := w.c.Events(ctx, q)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, page.Events...)
			if !page.More {
				break
			}
			q.After = page.Last
		}
		if len(got) != len(all) || len(all) < 3 {
			t.Errorf("%d events in pages, %d at once", len(got), len(all))
		}
		page, err := w.c.Events(ctx, api.EventQuery{App: spec.Name{Project: "q"}, Limit: 10})
		if err != nil || len(page.Events) != 0 || page.Last == 0 {
			t.Errorf("events of another project: %+v, %v", page, err)
		}
		if !w.log.has("INFO event happened") {
			t.Error("events were not logged")
		}
	})
}
