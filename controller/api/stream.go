package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"teal/spec"
)

// emitter writes one value as one line and sends it off at once. It may be
// called from several goroutines.
type emitter func(value any) error

// stream wraps an endpoint that answers in lines when follow is asked for, and
// once otherwise. With once nil it always answers in lines.
func (h *handler) stream(once http.Handler, follow func(context.Context, *http.Request, emitter) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if once != nil && !(&query{values: r.URL.Query()}).follow() {
			once.ServeHTTP(w, r)
			return
		}
		ctx, cancel := streamContext(r.Context())
		defer cancel()
		ctx, unwatch := h.standing(ctx)
		defer unwatch()
		out := &lines{w: w, limit: h.Timeout}
		err := follow(ctx, r, out.emit)
		switch {
		case err == nil, r.Context().Err() != nil:
			out.begin()
		case !out.begun:
			h.fail(w, r, err)
		case out.err == nil:
			// The status line is gone: the refusal is the last line.
			if err := out.emit(refusal(err)); err != nil {
				h.Logger.Debug("client went away", "path", r.URL.Path, "error", err)
			}
		}
	})
}

// lines writes newline-delimited JSON.
type lines struct {
	mu    sync.Mutex
	w     http.ResponseWriter
	limit time.Duration
	begun bool
	err   error
}

// begin sends the head, so that the client knows it is being answered.
func (l *lines) begin() {
	if l.begun {
		return
	}
	l.begun = true
	l.w.Header().Set("Content-Type", "application/x-ndjson")
	l.w.WriteHeader(http.StatusOK)
}

func (l *lines) emit(value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	l.begin()
	c := http.NewResponseController(l.w)
	if err := c.SetWriteDeadline(time.Now().Add(l.limit)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		l.err = err
		return err
	}
	if _, l.err = l.w.Write(append(data, '\n')); l.err == nil {
		l.err = c.Flush()
	}
	return l.err
}

// followStatus sends the status now and after every change, until the client
// or the controller goes.
func (h *handler) followStatus(ctx context.Context, r *http.Request, emit emitter) error {
	q := newQuery(r)
	filter := q.app()
	q.follow()
	if err := q.done(); err != nil {
		return err
	}
	changed := h.ctrl.Subscribe(ctx)
	refresh := time.NewTicker(h.Refresh)
	defer refresh.Stop()
	for {
		list, err := h.ctrl.Status(ctx, filter)
		if err != nil {
			return err
		}
		if err := emit(list); err != nil {
			return err
		}
		if !pause(ctx, h.Gap) {
			return nil
		}
		select {
		case _, open := <-changed:
			if !open {
				return nil
			}
		case <-refresh.C:
		}
	}
}

// pause waits for d and reports whether ctx still lives.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// followEvents sends pages of events as they come, until the client or the
// controller goes. The first page is sent even when it is empty.
func (h *handler) followEvents(ctx context.Context, r *http.Request, emit emitter) error {
	query, err := eventQuery(r)
	if err != nil {
		return err
	}
	changed := h.ctrl.Subscribe(ctx)
	for first := true; ; first = false {
		page, err := h.ctrl.Events(ctx, query)
		if err != nil {
			return err
		}
		if first || len(page.Events) > 0 {
			if err := emit(page); err != nil {
				return err
			}
		}
		query.After = page.Last
		if page.More {
			continue
		}
		if _, open := <-changed; !open {
			return nil
		}
	}
}

func (h *handler) logs(ctx context.Context, r *http.Request, emit emitter) error {
	q := newQuery(r)
	query := LogQuery{
		App:     pathApp(r),
		Rollout: q.text("rollout"),
		Colour:  spec.Colour(q.text("colour")),
		Tail:    q.number("tail", 100, MaxTail),
		Follow:  q.follow(),
	}
	switch query.Colour {
	case "", spec.Blue, spec.Green:
	default:
		q.problems = append(q.problems, "colour is neither blue nor green")
	}
	if err := q.done(); err != nil {
		return err
	}
	if !query.Follow {
		limited, cancel := context.WithTimeout(ctx, h.Timeout)
		defer cancel()
		ctx = limited
	}
	return h.ctrl.Logs(ctx, query, func(line LogLine) error { return emit(line) })
}
