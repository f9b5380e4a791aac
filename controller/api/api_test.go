package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
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

func TestBadRequests(t *testing.T) {
	h := api.NewHandler(fake(), api.Options{Logger: slog.New(slog.DiscardHandler)})
	big := `{"project":{"name":"` + strings.Repeat("x", api.MaxBody) + `"}}`
	for _, c := range []struct {
		name, method, path, body, kind string
		status                         int
		words                          string
	}{
		{"unknown field", "POST", "/v1/apply", `{"project":{"name":"p"},"prun":true}`, "application/json", 400, `unknown field \"prun\"`},
		{"nested unknown field", "POST", "/v1/apply", `{"project":{"name":"p","servics":[]}}`, "application/json", 400, "servics"},
		{"two values", "POST", "/v1/plan", `{} {}`, "application/json", 400, "more than one"},
		{"no JSON", "POST", "/v1/plan", `hello`, "application/json", 400, "invalid character"},
		{"a form", "POST", "/v1/plan", `{}`, "application/x-www-form-urlencoded", 400, "Content-Type"},
		{"too large", "POST", "/v1/apply", big, "application/json", 413, "8 MiB"},
		{"empty project", "POST", "/v1/apply", `{"project":{"name":"p"}}`, "application/json", 400, "teal down p"},
		{"no name", "POST", "/v1/apply", `{}`, "application/json", 400, "no name"},
		{"unknown verb", "POST", "/v1/apps/pennyway/was/commands", `{"token":"t","verb":"go"}`, "application/json", 400, `\"go\" is not a command`},
		{"no token", "POST", "/v1/apps/pennyway/was/commands", `{"verb":"undo"}`, "application/json", 400, "token"},
		{"no rollout", "POST", "/v1/apps/pennyway/was/commands", `{"token":"t","verb":"abort"}`, "application/json", 400, "id of the rollout"},
		{"stale", "POST", "/v1/apps/pennyway/was/commands", `{"token":"t","verb":"abort","rollout":"r-1"}`, "application/json", 409, "StaleRollout"},
		{"unknown app", "GET", "/v1/apps/pennyway/wsa/history", "", "", 404, "UnknownApp"},
		{"unknown token", "GET", "/v1/commands/none", "", "", 404, "UnknownCommand"},
		{"unknown path", "GET", "/v2/status", "", "", 404, "UnknownPath"},
		{"wrong method", "PUT", "/v1/apply", "", "", 404, "PUT /v1/apply"},
		{"unknown parameter", "GET", "/v1/status?ap=x", "", "", 400, "ap is not a parameter"},
		{"bad parameters", "GET", "/v1/events?after=x&limit=5000", "", "", 400, `limit is \"5000\"`},
		{"bad app", "GET", "/v1/status?app=a/b/c", "", "", 400, "not project or project/service"},
		{"bad colour", "GET", "/v1/apps/pennyway/was/logs?colour=red", "", "", 400, "neither blue nor green"},
		{"bad wait", "GET", "/v1/commands/t?wait=-1s", "", "", 400, "not a duration"},
		{"no metrics", "GET", "/metrics", "", "", 404, "UnknownPath"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
			r.Header.Set("Content-Type", c.kind)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.words) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			var e api.Error
			if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || e.Message == "" || e.Reason == "" {
				t.Errorf("not a refusal: %s", w.Body)
			}
		})
	}
}

func TestAPanicIsOneRefusedRequest(t *testing.T) {
	h := api.NewHandler(panicking{fake()}, api.Options{Logger: slog.New(slog.DiscardHandler)})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/version", nil))
	if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "out of luck") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

type panicking struct{ *apitest.Fake }

func (panicking) Version(context.Context) (api.Version, error) { panic("out of luck") }

func TestHealthAndMetrics(t *testing.T) {
	h := api.NewHandler(fake(), api.Options{
		Logger: slog.New(slog.DiscardHandler),
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if _, err := io.WriteString(w, "teal_passes 1\n"); err != nil {
				t.Error(err)
			}
		}),
	})
	for path, want := range map[string]string{"/v1/healthz": `{"ok":true}`, "/metrics": "teal_passes 1"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}
