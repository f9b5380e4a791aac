package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"
)

// Options are what a handler needs beside the controller.
type Options struct {
	Logger  *slog.Logger // required
	Metrics http.Handler // answers /metrics; nil: there is no such path
	// Gate says who may come in; nil: whoever can connect may do everything, which
	// is for the unix socket.
	Gate Gate
	// Backup writes a copy of the records; nil: there is no such path.
	Backup func(io.Writer) error
	// Timeout limits a request that is not a stream, and one write of a stream.
	// 0: 30 s.
	Timeout time.Duration
	// Gap is the shortest time between two lines of a followed status. 0: 150 ms.
	Gap time.Duration
	// Refresh is how often a followed status is sent though nothing was said to
	// have changed (request counts go on). 0: 2 s.
	Refresh time.Duration
}

func (o Options) withDefaults() Options {
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Gap == 0 {
		o.Gap = 150 * time.Millisecond
	}
	if o.Refresh == 0 {
		o.Refresh = 2 * time.Second
	}
	return o
}

// handler answers requests with what a controller says.
type handler struct {
	ctrl Controller
	Options
}

// NewHandler returns the whole API over c. It starts nothing by itself.
func NewHandler(c Controller, o Options) http.Handler {
	h := &handler{ctrl: c, Options: o.withDefaults()}
	mux := http.NewServeMux()
	for pattern, answer := range map[string]func(*http.Request, http.ResponseWriter) (any, error){
		"POST /v1/apply":                             h.apply,
		"POST /v1/plan":                              h.plan,
		"POST /v1/sync":                              h.sync,
		"DELETE /v1/projects/{project}":              h.remove,
		"POST /v1/apps/{project}/{service}/commands": h.command,
		"GET /v1/commands/{token}":                   h.answer,
		"GET /v1/apps/{project}/{service}/history":   h.history,
		"GET /v1/version":                            h.version,
		"GET /v1/healthz":                            h.healthz,
	} {
		h.handle(mux, pattern, h.plain(answer))
	}
	h.handle(mux, "GET /v1/status", h.stream(h.plain(h.status), h.followStatus))
	h.handle(mux, "GET /v1/events", h.stream(h.plain(h.events), h.followEvents))
	h.handle(mux, "GET /v1/apps/{project}/{service}/logs", h.stream(nil, h.logs))
	if o.Backup != nil {
		h.handle(mux, "GET /v1/backup", http.HandlerFunc(h.backup))
	}
	if o.Metrics != nil {
		h.handle(mux, "GET /metrics", h.limited(o.Metrics))
	}
	h.handle(mux, "/", h.limited(http.HandlerFunc(h.unknown)))
	return h.guard(mux)
}

// guard turns a panic into an answer and a log line; the controller lives on.
func (h *handler) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(v)
			}
			h.Logger.Error("request panicked", "method", r.Method, "path", r.URL.Path,
				"panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			h.fail(w, r, fmt.Errorf("panic: %v", v))
		}()
		next.ServeHTTP(w, r)
	})
}

// plain wraps an endpoint that answers once, within the time limit.
func (h *handler) plain(answer func(*http.Request, http.ResponseWriter) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), h.Timeout)
		defer cancel()
		r = r.WithContext(ctx)
		if err := deadlines(w, h.Timeout); err != nil {
			h.fail(w, r, err)
			return
		}
		out, err := answer(r, w)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		status := http.StatusOK
		if a, ok := out.(accepted); ok {
			status, out = http.StatusAccepted, a.body
		}
		h.write(w, r, status, out)
	})
}

// limited gives a handler that is not ours the time limit of a request.
func (h *handler) limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := deadlines(w, h.Timeout); err != nil {
			h.fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// accepted marks an answer that is sent as 202.
type accepted struct{ body any }

// deadlines limits reading the request's body and writing its answer. The
// write may take a little longer than the work, so that a work that took all
// its time can still be answered.
func deadlines(w http.ResponseWriter, limit time.Duration) error {
	c := http.NewResponseController(w)
	now := time.Now()
	err := errors.Join(c.SetReadDeadline(now.Add(limit)), c.SetWriteDeadline(now.Add(limit+5*time.Second)))
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

func (h *handler) unknown(w http.ResponseWriter, r *http.Request) {
	h.fail(w, r, &Error{
		Reason:  ReasonUnknownPath,
		Message: fmt.Sprintf("%s %s is not part of this API", r.Method, r.URL.Path),
		Hint:    "compare the versions of client and controller: teal version",
	})
}
