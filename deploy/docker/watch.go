package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
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

// turns are the events that may change what is observed. What is left out (an
// exec, which every HEALTHCHECK does, an attach) changes nothing.
var turns = []events.Action{
	events.ActionCreate, events.ActionStart, events.ActionRestart, events.ActionStop, events.ActionDie,
	events.ActionKill, events.ActionOOM, events.ActionPause, events.ActionUnPause, events.ActionDestroy,
	events.ActionRemove, events.ActionRename, events.ActionUpdate, events.ActionHealthStatus,
}

// Watch calls changed for every event of a replica or test of ours, and of the
// adopted containers that apps were last observed with, until the stream breaks or ctx ends; it always returns an error. ready is called once
// the stream is open: what is listed after that misses nothing. An event of the
// last two seconds may be told again.
func (e *Engine) Watch(ctx context.Context, ready func(), changed func(spec.Name)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the client's reading goroutine
	a, err := e.client(ctx)
	if err != nil {
		return e.onHost(fmt.Errorf("watch events: %w", err))
	}
	messages, failed := a.Events(ctx, events.ListOptions{
		Since:   strconv.FormatInt(time.Now().Add(-overlap).Unix(), 10),
		Filters: turnsOfContainers(),
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
			for _, app := range e.appsOf(m) {
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
	return e.onHost(fmt.Errorf("watch events: %w", errors.Join(err, e.conn.lost(a))))
}

// turnsOfContainers cannot select by label: adopted containers have none.
func turnsOfContainers() filters.Args {
	args := filters.NewArgs(filters.Arg("type", string(events.ContainerEventType)))
	for _, action := range turns {
		args.Add("event", string(action))
	}
	return args
}

// appsOf returns the apps that an event is about: the one on the labels of a
// container of ours, or those that a container of that name is adopted by.
func (e *Engine) appsOf(m events.Message) []spec.Name {
	// "health_status: healthy" carries more than the action.
	action, _, _ := strings.Cut(string(m.Action), ":")
	if !slices.Contains(turns, events.Action(action)) {
		return nil
	}
	labels := m.Actor.Attributes // the name is among them
	if labels[spec.LabelController] != e.controller {
		return e.namesakes.of(labels["name"])
	}
	app := spec.Name{Project: labels[spec.LabelProject], Service: labels[spec.LabelService]}
	if app.Project == "" || app.Service == "" {
		return nil
	}
	return []spec.Name{app}
}
