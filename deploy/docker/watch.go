package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"teal/spec"
)

// overlap is how far back a new subscription reaches. The engine answers a
// moment before it has subscribed, and events of that moment would be lost.
const overlap = 2 * time.Second

// Watch calls changed for every event of a replica or test of ours, until the
// stream breaks or ctx ends; it always returns an error. ready is called once
// the stream is open: what is listed after that misses nothing. An event of the
// last two seconds may be told again.
func (e *Engine) Watch(ctx context.Context, ready func(), changed func(spec.Name)) error {
	a, err := e.conn.get()
	if err != nil {
		return fmt.Errorf("watch events: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the client's reading goroutine
	messages, failed := a.Events(ctx, events.ListOptions{
		Since: strconv.FormatInt(time.Now().Add(-overlap).Unix(), 10),
		Filters: filters.NewArgs(
			filters.Arg("type", string(events.ContainerEventType)),
			filters.Arg("label", spec.LabelController+"="+e.controller),
		),
	})
	select {
	case err := <-failed:
		return e.broken(ctx, a, err)
	default:
		ready()
	}
	for {
		select {
		case m := <-messages:
			if app, ok := appOf(m); ok {
				changed(app)
			}
		case err := <-failed:
			return e.broken(ctx, a, err)
		}
	}
}

// broken says why the stream ended. The engine may have been replaced: a new
// client negotiates anew.
func (e *Engine) broken(ctx context.Context, a dockerAPI, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("watch events: %w", errors.Join(err, e.conn.lost(a)))
}

// appOf returns the app that an event is about. Events that change nothing (an
// exec, which every HEALTHCHECK does, or an attach) are about none.
func appOf(m events.Message) (spec.Name, bool) {
	labels := m.Actor.Attributes
	app := spec.Name{Project: labels[spec.LabelProject], Service: labels[spec.LabelService]}
	if app.Project == "" || app.Service == "" {
		return app, false
	}
	// "health_status: healthy" and "exec_create: /bin/x" carry more than the action.
	action, _, _ := strings.Cut(string(m.Action), ":")
	switch events.Action(action) {
	case events.ActionCreate, events.ActionStart, events.ActionRestart, events.ActionStop, events.ActionDie,
		events.ActionKill, events.ActionOOM, events.ActionPause, events.ActionUnPause, events.ActionDestroy,
		events.ActionRemove, events.ActionRename, events.ActionUpdate, events.ActionHealthStatus:
		return app, true
	}
	return app, false
}
