// Package api is how people and programs talk to a running controller: the
// words on the wire (JSON over HTTP, everything under /v1), the small interface
// a controller implements to answer them, the server's handlers, and a client.
//
// It promises that a request is either understood wholly or refused: unknown
// fields, oversized bodies and slow clients are turned away, every refusal is an
// [Error] that says why and what to type next, and a command whose token was
// seen before is the same command. Streams are newline-delimited JSON. The
// package decides nothing about apps and touches neither Docker nor the store.
package api

import (
	"context"

	"teal/spec"
)

// Controller is what the server needs from the controller's core. Every method
// may be called concurrently and returns when ctx ends. A refusal meant for
// people is an [*Error] (possibly wrapped); any other error is reported as an
// internal one, without its text being interpreted.
type Controller interface {
	// Apply accepts a project as the newest wish. It returns once the wish is
	// durable, not once it is reached.
	Apply(ctx context.Context, req ApplyRequest) (ApplyResult, error)
	// Plan says what Apply would lead to. It changes nothing.
	Plan(ctx context.Context, req PlanRequest) (PlanResult, error)
	// Remove gives up a whole project: everything of it is pruned. It returns once
	// that is durable, not once everything is gone.
	Remove(ctx context.Context, req RemoveRequest) (ApplyResult, error)
	// Sync has sources looked at now and returns once what was found was offered,
	// or with Waiting set shortly before ctx ends. It is [ReasonUnknownSource] when
	// there is none of the name.
	Sync(ctx context.Context, req SyncRequest) (SyncResult, error)
	// Status describes the apps that match filter: all for the zero name, a
	// project's for a name without service. It is [ReasonUnknownApp] when filter
	// names a project or service that is not known.
	Status(ctx context.Context, filter spec.Name) (StatusList, error)
	// Command queues an operator's word. It is refused with [ReasonStale] when
	// the rollout it names is not the present one, and with [ReasonNotNow] when
	// the verb does not apply; a token seen before is answered as it was then.
	Command(ctx context.Context, app spec.Name, req CommandRequest) (CommandResult, error)
	// Answer returns what came of a command so far. It is [ReasonUnknownToken]
	// when no such command was accepted.
	Answer(ctx context.Context, token string) (CommandResult, error)
	// Events returns events in the order they happened.
	Events(ctx context.Context, q EventQuery) (EventPage, error)
	// History returns finished rollouts of one app, newest first, at most limit.
	History(ctx context.Context, app spec.Name, limit int) (HistoryList, error)
	// Logs calls emit for each line of the matching containers (from several
	// goroutines if it likes; emit is safe for that) until they are told, or,
	// following, until ctx ends or emit fails. A rollout whose containers are gone
	// is answered from its evidence.
	Logs(ctx context.Context, q LogQuery, emit func(LogLine) error) error
	// Subscribe returns a channel that receives after anything that Status,
	// Events or Answer tell has changed. Signals coalesce (a capacity of 1 is
	// enough); it is closed when ctx ends or the controller stops.
	Subscribe(ctx context.Context) <-chan struct{}
	// Version describes the controller and its engine.
	Version(ctx context.Context) (Version, error)
}
