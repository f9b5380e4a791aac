package controller

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"teal/controller/api"
	"teal/reconcile"
)

// Logs implements [api.Controller].
func (c *Controller) Logs(ctx context.Context, q api.LogQuery, emit func(api.LogLine) error) error {
	state, known, err := c.load(q.App)
	if err != nil {
		return err
	}
	if !known {
		return unknown(q.App.String())
	}
	seen, err := c.observeEngine(ctx, state.Desired.Service)
	if err != nil {
		return c.unavailable(state.Desired.Service, err)
	}
	live, lost := selected(seen, q)
	if len(live)+len(lost) == 0 {
		return c.emitEvidence(state, q, emit)
	}
	group, following := errgroup.WithContext(ctx)
	for _, container := range live {
		group.Go(func() error {
			return c.safely("read logs", q.App, func() error { return c.emitLogs(following, container, q, emit) })
		})
	}
	return errors.Join(group.Wait(), missing(lost))
}

// missing refuses to pass for everything what comes from some hosts only.
func missing(lost []reconcile.Container) error {
	if len(lost) == 0 {
		return nil
	}
	words := make([]string, 0, len(lost))
	for _, x := range lost {
		words = append(words, x.Name+" on host "+x.Host)
	}
	return &api.Error{
		Reason: api.ReasonUnavailable, Message: "a host is away, so these logs are missing: " + strings.Join(words, ", "), Hint: "teal doctor",
	}
}

// selected returns the containers a query is about, apart those whose host is
// away.
func selected(seen Seen, q api.LogQuery) (live, lost []reconcile.Container) {
	all := seen.Containers
	if seen.Test != nil && q.Rollout != "" {
		all = append(slices.Clip(all), *seen.Test)
	}
	for _, x := range all {
		switch {
		case q.Rollout != "" && x.Rollout != q.Rollout, q.Colour != "" && x.Colour != q.Colour:
		case x.Lost:
			lost = append(lost, x)
		default:
			live = append(live, x)
		}
	}
	return live, lost
}

// emitLogs passes one container's lines on.
func (c *Controller) emitLogs(ctx context.Context, container reconcile.Container, q api.LogQuery, emit func(api.LogLine) error) error {
	lines := &lineWriter{emit: func(text string) error {
		return emit(api.LogLine{Container: container.Name, Colour: container.Colour, Text: text})
	}}
	if err := c.opts.Engine.Logs(ctx, container.ID, q.Tail, q.Follow, lines); err != nil && ctx.Err() == nil {
		return fmt.Errorf("read the log of %s: %w", container.Name, err)
	}
	return lines.flush()
}

// emitEvidence answers for containers that are gone.
func (c *Controller) emitEvidence(state reconcile.State, q api.LogQuery, emit func(api.LogLine) error) error {
	evidence, found, err := c.evidence(state, q)
	if err != nil {
		return err
	}
	if !found && q.Rollout != "" {
		return &api.Error{
			Reason: api.ReasonInvalid, Message: fmt.Sprintf("rollout %s of %s is not known", q.Rollout, q.App),
			Hint: "teal history " + q.App.String(),
		}
	}
	if evidence == nil {
		return nil
	}
	for _, x := range evidence.Containers {
		for _, text := range tail(x.Logs, q.Tail) {
			if err := emit(api.LogLine{Container: x.Name, Colour: q.Colour, Text: text, Evidence: true}); err != nil {
				return err
			}
		}
	}
	for _, text := range tail(evidence.Test, q.Tail) {
		if err := emit(api.LogLine{Container: "test", Text: text, Evidence: true}); err != nil {
			return err
		}
	}
	return nil
}

// evidence finds what was kept of a rollout, or of the held one if none is
// named.
func (c *Controller) evidence(state reconcile.State, q api.LogQuery) (e *reconcile.Evidence, found bool, err error) {
	rec := state.Record
	if rec.Hold != nil && (q.Rollout == "" || rec.Hold.Rollout == q.Rollout) {
		return rec.Hold.Evidence, true, nil
	}
	if rec.Candidate != nil && (q.Rollout == "" || rec.Candidate.Rollout == q.Rollout) {
		return rec.Candidate.Evidence, true, nil
	}
	if q.Rollout == "" {
		return nil, false, nil
	}
	history, err := c.opts.Store.History(q.App, api.MaxLimit)
	if err != nil {
		return nil, false, fmt.Errorf("read the history of %s: %w", q.App, err)
	}
	for _, r := range history {
		if r.ID == q.Rollout {
			return r.Evidence, true, nil
		}
	}
	return nil, false, nil
}

func tail(lines []string, n int) []string { return lines[max(0, len(lines)-n):] }

// longestLine is where a line without an end is cut, in bytes.
const longestLine = 64 << 10

// lineWriter calls emit for each line written to it.
type lineWriter struct {
	emit func(string) error
	rest []byte
}

// Write implements io.Writer.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		i := bytes.IndexByte(w.rest, '\n')
		if i < 0 && len(w.rest) < longestLine {
			return len(p), nil
		}
		line, next := w.rest, len(w.rest)
		if i >= 0 {
			line, next = w.rest[:i], i+1
		}
		if err := w.emit(string(bytes.TrimSuffix(line, []byte("\r")))); err != nil {
			return 0, err
		}
		w.rest = w.rest[next:]
	}
}

// flush emits a last line that has no end.
func (w *lineWriter) flush() error {
	if len(w.rest) == 0 {
		return nil
	}
	line := string(w.rest)
	w.rest = nil
	return w.emit(line)
}
