package api_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"teal/controller/api"
	"teal/controller/api/apitest"
)

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
