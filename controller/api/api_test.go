package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teal/controller/api"
	"teal/controller/api/apitest"
	"teal/reconcile"
	"teal/spec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	was   = spec.Name{Project: "pennyway", Service: "was"}
	start = time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)
)

func fake() *apitest.Fake {
	return apitest.New(start,
		reconcile.Status{App: was, Kind: "app", Generation: 14, Rollout: "r-14", Image: "was:1.4.2"},
		reconcile.Status{App: spec.Name{Project: "pennyway", Service: "rdb"}, Kind: "dependency"},
	)
}

// dial serves c and returns a client and a context with a limit.
func dial(t *testing.T, c api.Controller) (*api.Client, context.Context) {
	t.Helper()
	client := api.Dial(apitest.Serve(t, c).Socket)
	t.Cleanup(client.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return client, ctx
}

func TestApplyCarriesTheWholeProject(t *testing.T) {
	f := fake()
	client, ctx := dial(t, f)
	yes := true
	want := spec.Project{Name: "pennyway", Services: []spec.Service{{
		Name:      was,
		Container: spec.Container{Image: "was:1.4.3", Init: &yes, StopGracePeriod: spec.Duration(20 * time.Second)},
		Replicas:  2,
		Rollout:   &spec.Rollout{Active: spec.ActiveAuto, Standby: spec.Standby{For: spec.Duration(10 * time.Minute)}},
	}}}
	out, err := client.Apply(ctx, api.ApplyRequest{Project: want, Prune: true, By: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Apps) != 1 || out.Apps[0].Generation != 15 || !out.Apps[0].Changed || out.Apps[0].App != was {
		t.Errorf("answer: %+v", out)
	}
	got, err := json.Marshal(f.Applied()[0])
	if err != nil {
		t.Fatal(err)
	}
	sent, err := json.Marshal(api.ApplyRequest{Project: want, Prune: true, By: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(sent) {
		t.Errorf("the controller got\n%s\nof\n%s", got, sent)
	}
}

func TestRefusalsKeepTheirWords(t *testing.T) {
	f := fake()
	f.Refuse = &api.Error{Reason: api.ReasonInvalid, Message: "no", Hint: "teal plan", Details: []string{"a:1: x", "a:2: y"}}
	client, ctx := dial(t, f)
	_, err := client.Status(ctx, spec.Name{})
	var e *api.Error
	if !errors.As(err, &e) || e.Hint != "teal plan" || len(e.Details) != 2 || e.Reason != api.ReasonInvalid {
		t.Errorf("got %#v", err)
	}
}

func TestAnInternalErrorIsToldAsSuch(t *testing.T) {
	f := fake()
	f.Refuse = errors.New("disk on fire")
	client, ctx := dial(t, f)
	_, err := client.Status(ctx, spec.Name{})
	var e *api.Error
	if !errors.As(err, &e) || e.Reason != api.ReasonInternal || e.Details[0] != "disk on fire" {
		t.Errorf("got %#v", err)
	}
}

func TestCommandIsTakenOnceAndAnswered(t *testing.T) {
	f := fake()
	client, ctx := dial(t, f)
	req := api.CommandRequest{Token: "t1", Verb: reconcile.VerbPromote, Rollout: "r-14"}
	for range 2 {
		if _, err := client.Command(ctx, was, req); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(f.Asked()); n != 1 {
		t.Errorf("queued %d times", n)
	}
	f.OnCommand = nil
	go f.Settle("t1", "the gate is not closed")
	out, err := client.Answer(ctx, "t1", 5*time.Second)
	if err != nil || out.State != api.CommandRefused || out.Answer != "the gate is not closed" {
		t.Errorf("answer %+v, %v", out, err)
	}
}

func TestAnswerThatDoesNotComeIsStillWaiting(t *testing.T) {
	f := fake()
	client, ctx := dial(t, f)
	if _, err := client.Command(ctx, was, api.CommandRequest{Token: "t1", Verb: reconcile.VerbUndo}); err != nil {
		t.Fatal(err)
	}
	out, err := client.Answer(ctx, "t1", 30*time.Millisecond)
	if err != nil || out.State != api.CommandWaiting {
		t.Errorf("answer %+v, %v", out, err)
	}
}

func TestStaleCommandIsAConflict(t *testing.T) {
	client, ctx := dial(t, fake())
	_, err := client.Command(ctx, was, api.CommandRequest{Token: "t", Verb: reconcile.VerbAbort, Rollout: "r-13"})
	if !api.IsReason(err, api.ReasonStale) || !strings.Contains(err.Error(), "r-13") {
		t.Errorf("got %v", err)
	}
}

func TestFollowedStatusTellsChanges(t *testing.T) {
	f := fake()
	client, ctx := dial(t, f)
	done := errors.New("seen")
	first := true
	err := client.FollowStatus(ctx, was, func(l api.StatusList) error {
		if first {
			first = false
			go f.Set(reconcile.Status{App: was, Phase: reconcile.Verifying})
		}
		if len(l.Apps) != 1 {
			t.Errorf("%d apps", len(l.Apps))
		}
		if l.Apps[0].Phase == reconcile.Verifying {
			return done
		}
		return nil
	})
	if !errors.Is(err, done) {
		t.Errorf("ended with %v", err)
	}
}

func TestFollowedEventsLoseNothing(t *testing.T) {
	f := fake()
	f.Note(reconcile.Event{App: was, Message: "1"}, reconcile.Event{App: was, Message: "2"}, reconcile.Event{App: was, Message: "3"})
	client, ctx := dial(t, f)
	done := errors.New("seen")
	got := ""
	err := client.FollowEvents(ctx, api.EventQuery{Limit: 2}, func(p api.EventPage) error {
		for _, e := range p.Events {
			got += e.Message
		}
		if got == "123" {
			go f.Note(reconcile.Event{App: was, Message: "4"})
		}
		if got == "1234" {
			return done
		}
		return nil
	})
	if !errors.Is(err, done) || got != "1234" {
		t.Errorf("got %q, ended with %v", got, err)
	}
}

func TestStreamRefusedBeforeItBegins(t *testing.T) {
	client, ctx := dial(t, fake())
	err := client.FollowStatus(ctx, spec.Name{Project: "nobody"}, func(api.StatusList) error { return nil })
	if !api.IsReason(err, api.ReasonUnknownApp) {
		t.Errorf("got %v", err)
	}
}

func TestLogsEndWithTheLastLine(t *testing.T) {
	f := fake()
	f.Write(was, api.LogLine{Container: "a", Text: "one"}, api.LogLine{Container: "a", Text: "two"})
	client, ctx := dial(t, f)
	var got []string
	err := client.Logs(ctx, api.LogQuery{App: was, Tail: 1}, func(l api.LogLine) error {
		got = append(got, l.Text)
		return nil
	})
	if err != nil || len(got) != 1 || got[0] != "two" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestStopDoesNotWaitForAnAnswer(t *testing.T) {
	f := fake()
	s := apitest.Serve(t, f)
	client := api.Dial(s.Socket)
	defer client.Close()
	if _, err := client.Command(t.Context(), was, api.CommandRequest{Token: "t1", Verb: reconcile.VerbUndo}); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	asked := f.Subscribed()
	go func() {
		_, err := client.Answer(t.Context(), "t1", time.Minute)
		answered <- err
	}()
	<-asked
	began := time.Now()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(began); d > 4*time.Second {
		t.Errorf("the stop took %s", d)
	}
	if err := <-answered; err != nil {
		t.Errorf("the waiting client got %v", err)
	}
}

func TestStopEndsStreamsAtOnce(t *testing.T) {
	s := apitest.Serve(t, fake())
	client := api.Dial(s.Socket)
	defer client.Close()
	begun := make(chan struct{}, 100)
	ended := make(chan error, 1)
	go func() {
		ended <- client.FollowStatus(t.Context(), spec.Name{}, func(api.StatusList) error {
			begun <- struct{}{}
			return nil
		})
	}()
	<-begun
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, api.ErrUnreachable) && !api.IsReason(err, api.ReasonUnavailable) {
		t.Errorf("stream ended with %v", err)
	}
	if _, err := client.Version(t.Context()); !errors.Is(err, api.ErrUnreachable) {
		t.Errorf("after the stop: %v", err)
	}
}
