package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/coder/websocket"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// longestSlow bounds what a client may ask of /slow.
const longestSlow = 10 * time.Minute

// app answers requests in the way its settings say.
type app struct {
	settings
	started time.Time
	host    string
}

func newHandler(set settings) http.Handler {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	a := &app{settings: set, started: time.Now(), host: host}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", a.health)
	mux.HandleFunc("GET /slow", a.slow)
	mux.HandleFunc("GET /events", a.events)
	mux.HandleFunc("GET /ws", a.echoSocket)
	mux.HandleFunc("GET /headers", a.headers)
	mux.HandleFunc("POST /", a.echo)
	mux.HandleFunc("GET /", a.page)
	return a.misbehave(mux)
}

// misbehave names the version in every answer and fails where it was asked to.
func (a *app) misbehave(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Version", a.version)
		late := a.fault == faultLater && time.Since(a.started) >= a.faultAfter
		if late || (a.fault == fault500 && r.URL.Path != "/health") {
			http.Error(w, "failing as asked by BREAK", http.StatusInternalServerError)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (a *app) health(w http.ResponseWriter, _ *http.Request) {
	status := a.healthStatus
	if a.fault == faultUnhealthy {
		status = http.StatusServiceUnavailable
	}
	w.WriteHeader(status)
	if _, err := fmt.Fprintln(w, http.StatusText(status)); err != nil {
		fmt.Fprintln(os.Stderr, "app: write health:", err)
	}
}

func (a *app) page(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		answer(w, map[string]any{"version": a.version, "host": a.host, "path": r.URL.Path})
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	data := map[string]any{"Version": a.version, "Title": a.title, "Colour": template.CSS(a.colour), "Host": a.host}
	if err := page.Execute(w, data); err != nil {
		fmt.Fprintln(os.Stderr, "app: write page:", err)
	}
}

// echo reads the whole body and says how long it was. With ?for=2s it takes
// that long after reading.
func (a *app) echo(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		http.Error(w, "read body: "+err.Error(), http.StatusBadRequest)
		return
	}
	if a.linger(w, r) {
		answer(w, map[string]any{"version": a.version, "bytes": n})
	}
}

func (a *app) slow(w http.ResponseWriter, r *http.Request) {
	if a.linger(w, r) {
		answer(w, map[string]any{"version": a.version, "for": r.URL.Query().Get("for")})
	}
}

// linger waits as long as the query asks. It reports false when there is
// nobody left to answer, or when it has answered that the query is wrong.
func (a *app) linger(w http.ResponseWriter, r *http.Request) bool {
	d, err := duration("for", r.URL.Query().Get("for"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	select {
	case <-r.Context().Done():
		return false
	case <-time.After(min(d, longestSlow)):
		return true
	}
}

// events sends the version as server-sent events, every 100 ms or as often as
// ?every= asks, until the client leaves.
func (a *app) events(w http.ResponseWriter, r *http.Request) {
	every, err := duration("every", or(r.URL.Query().Get("every"), "100ms"))
	if err != nil || every <= 0 {
		http.Error(w, "every: want a duration over 0", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 1; ; n++ {
		if _, err := fmt.Fprintf(w, "id: %d\ndata: %s\n\n", n, a.version); err != nil {
			return
		}
		if err := out.Flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}

// echoSocket sends every message back until the client leaves. The first
// message it sends by itself is its version.
func (a *app) echoSocket(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return // Accept has answered
	}
	defer conn.CloseNow()
	ctx := r.Context()
	if err := conn.Write(ctx, websocket.MessageText, []byte(a.version)); err != nil {
		return
	}
	for {
		kind, data, err := conn.Read(ctx)
		if err != nil {
			return
		}
		if err := conn.Write(ctx, kind, data); err != nil {
			return
		}
	}
}

// headers shows the request as it arrived here, to look at what a proxy adds.
func (a *app) headers(w http.ResponseWriter, r *http.Request) {
	answer(w, map[string]any{"host": r.Host, "remote": r.RemoteAddr, "proto": r.Proto, "header": r.Header})
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		fmt.Fprintln(os.Stderr, "app: write answer:", err)
	}
}
