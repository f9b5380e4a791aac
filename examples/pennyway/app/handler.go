package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"
	"unicode/utf8"
)

//go:embed openapi.json
var openapi []byte

// mostMemo is the longest memo in bytes.
const mostMemo = 1024

// api answers requests.
type api struct {
	set     settings
	book    *book
	log     *slog.Logger
	started time.Time
}

func newHandler(set settings, book *book, log *slog.Logger) http.Handler {
	a := &api{set: set, book: book, log: log, started: time.Now()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v3/api-docs", a.docs)
	mux.HandleFunc("GET /v3/entries", a.list)
	mux.HandleFunc("POST /v3/entries", a.add)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Version", set.version)
		if set.breakAfter > 0 && time.Since(a.started) > set.breakAfter {
			http.Error(w, "broken as asked by BREAK", http.StatusInternalServerError)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// docs is what the old deployment script asked for, and what Teal probes.
func (a *api) docs(w http.ResponseWriter, r *http.Request) {
	if a.set.unhealthy {
		http.Error(w, "unhealthy as asked by BREAK", http.StatusServiceUnavailable)
		return
	}
	if err := a.book.reachable(r.Context()); err != nil {
		a.fail(w, http.StatusServiceUnavailable, err)
		return
	}
	a.answer(w, http.StatusOK, openapi)
}

func (a *api) list(w http.ResponseWriter, r *http.Request) {
	page, err := a.book.page(r.Context())
	if err != nil {
		a.fail(w, http.StatusInternalServerError, err)
		return
	}
	a.answer(w, http.StatusOK, page)
}

func (a *api) add(w http.ResponseWriter, r *http.Request) {
	e, err := read(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	e.Version = a.set.version
	if e, err = a.book.add(r.Context(), e); err != nil {
		a.fail(w, http.StatusInternalServerError, err)
		return
	}
	a.answer(w, http.StatusCreated, fmt.Appendf(nil, "{\"id\":%d}", e.ID))
}

// read takes an entry as JSON, or a memo as it is.
func read(r *http.Request) (entry, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 4*mostMemo))
	if err != nil {
		return entry{}, fmt.Errorf("read the body: %w", err)
	}
	e := entry{Memo: string(body)}
	if r.Header.Get("Content-Type") == "application/json" {
		e = entry{}
		if err := json.Unmarshal(body, &e); err != nil {
			return e, fmt.Errorf("read the body as JSON: %w", err)
		}
	}
	if e.Memo == "" || len(e.Memo) > mostMemo || !utf8.ValidString(e.Memo) {
		return e, fmt.Errorf("a memo is 1 to %d bytes of text", mostMemo)
	}
	return e, nil
}

func (a *api) fail(w http.ResponseWriter, status int, err error) {
	a.log.Error("request failed", "status", status, "error", err)
	http.Error(w, err.Error(), status)
}

func (a *api) answer(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		a.log.Error("answer not written", "error", err)
	}
}
