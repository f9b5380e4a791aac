package api_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"teal/controller/api"
)

// FuzzRequest: whatever is asked is answered or refused in words, never with an
// internal error, and without a token nothing is let in.
func FuzzRequest(f *testing.F) {
	for pattern := range decided {
		method, path, found := strings.Cut(pattern, " ")
		if !found {
			method, path = "GET", "/v1/x"
		}
		f.Add(method, path, "", `{}`, "Bearer operator")
	}
	f.Add("POST", "/v1/apply", "", `{"project":{"name":"p","services":[{"name":{"project":"p","service":"s"},"rollout":{}}]},"prune":true}`, "Bearer operator")
	f.Add("POST", "/v1/apply", "", `{"project":{"name":"p","services":[null]}}`, "Bearer viewer")
	f.Add("POST", "/v1/plan", "", `{"project":null}`, "Bearer operator")
	f.Add("POST", "/v1/apps/pennyway/was/commands", "", `{"token":"t","verb":"undo","by":"x"}`, "Bearer operator")
	f.Add("GET", "/v1/events", "app=a/b&after=1&limit=5&follow=0", "", "Bearer viewer")
	f.Add("GET", "/v1/commands/t", "wait=99999999h", "", "Bearer viewer")
	f.Add("GET", "/v1/apps/pennyway/was/logs", "tail=1&colour=blue&rollout=r-1", "", "Bearer viewer")
	f.Add("GET", "/v1/status", "app=%zz&app=;", strings.Repeat("[", 1000), "")
	h := api.NewHandler(fake(), api.Options{Logger: slog.New(slog.DiscardHandler), Gate: &door{}, Timeout: 20 * time.Millisecond})
	f.Fuzz(func(t *testing.T, method, path, query, body, authorization string) {
		known := []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodHead, http.MethodOptions, http.MethodPatch}
		if values, err := url.ParseQuery(query); !slices.Contains(known, method) || err == nil && values.Get("follow") != "" {
			return
		}
		r := httptest.NewRequest(method, "/", strings.NewReader(body))
		r.URL.Path, r.URL.RawQuery = "/"+strings.TrimPrefix(path, "/"), query
		r.Header.Set("Content-Type", "application/json")
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code == http.StatusInternalServerError {
			t.Fatalf("%s %s: %s", method, path, w.Body)
		}
		if authorization == "" && w.Code < 300 && r.URL.Path != "/v1/healthz" {
			t.Fatalf("%s %s without a token: %d", method, path, w.Code)
		}
		var e api.Error
		if w.Code >= 400 && (json.Unmarshal(w.Body.Bytes(), &e) != nil || e.Message == "" || e.Reason == "") {
			t.Fatalf("%s %s: a refusal without words: %d %s", method, path, w.Code, w.Body)
		}
	})
}
