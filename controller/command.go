package controller

import (
	"context"
	"fmt"

	"teal/controller/api"
	"teal/reconcile"
	"teal/spec"
)

// Command implements [api.Controller].
func (c *Controller) Command(_ context.Context, app spec.Name, req api.CommandRequest) (api.CommandResult, error) {
	if err := wellFormed(req); err != nil {
		return api.CommandResult{}, err
	}
	state, known, err := c.opts.Store.Load(app)
	if err != nil {
		return api.CommandResult{}, fmt.Errorf("load %s: %w", app, err)
	}
	if !known {
		return api.CommandResult{}, unknown(app.String())
	}
	if result, seen, err := c.told(req.Token, state.Commands); seen || err != nil {
		return result, err
	}
	command := reconcile.Command{Token: req.Token, Verb: req.Verb, Rollout: req.Rollout, By: req.By, At: now()}
	if err := c.applicable(state, &command); err != nil {
		return api.CommandResult{}, err
	}
	fresh, err := c.opts.Store.Command(app, command)
	if err != nil {
		return api.CommandResult{}, fmt.Errorf("store the command: %w", err)
	}
	if fresh {
		c.memory.interrupt(app)
		c.Wake(app)
	}
	return api.CommandResult{Token: req.Token, State: api.CommandWaiting}, nil
}

func wellFormed(req api.CommandRequest) error {
	switch req.Verb {
	case reconcile.VerbPromote, reconcile.VerbAbort, reconcile.VerbUndo, reconcile.VerbRetry:
	default:
		return &api.Error{Reason: api.ReasonInvalid, Message: fmt.Sprintf("unknown command %q", req.Verb), Hint: "promote, abort, undo, retry"}
	}
	if req.Token == "" || len(req.Token) > api.MaxToken {
		return &api.Error{Reason: api.ReasonInvalid, Message: fmt.Sprintf("a command needs a token of 1 to %d bytes", api.MaxToken)}
	}
	return nil
}

// applicable refuses a command that was meant for something else, or that makes
// no sense now. Promote and abort without a rollout mean the present one, and
// are bound to it here.
func (c *Controller) applicable(state reconcile.State, command *reconcile.Command) error {
	rec := state.Record
	if command.Rollout != "" && !present(state, command.Rollout) {
		return &api.Error{
			Reason:  api.ReasonStale,
			Message: fmt.Sprintf("rollout %s is not the present one of %s%s", command.Rollout, rec.Name, instead(rec)),
			Hint:    "teal status " + rec.Name.String(),
		}
	}
	if why := reconcile.Refusal(c.input(state, reconcile.World{}), rec, *command); why != "" {
		return &api.Error{Reason: api.ReasonNotNow, Message: string(command.Verb) + ": " + why, Hint: "teal status " + rec.Name.String()}
	}
	if command.Rollout == "" && rec.Candidate != nil && (command.Verb == reconcile.VerbPromote || command.Verb == reconcile.VerbAbort) {
		command.Rollout = rec.Candidate.Rollout
	}
	return nil
}

// present reports whether a rollout is one that a command can still be about.
func present(state reconcile.State, rollout string) bool {
	rec := state.Record
	return rec.Candidate != nil && rec.Candidate.Rollout == rollout ||
		rec.Hold != nil && rec.Hold.Rollout == rollout ||
		rec.Candidate == nil && rec.Stable != nil && rec.Stable.Rollout == rollout ||
		rec.Candidate == nil && rollout == reconcile.Waiting(state.Desired.Generation)
}

func instead(rec reconcile.Record) string {
	if rec.Candidate == nil {
		return ": none is under way"
	}
	return ": that is " + rec.Candidate.Rollout
}

// Answer implements [api.Controller].
func (c *Controller) Answer(_ context.Context, token string) (api.CommandResult, error) {
	if result, seen, err := c.told(token, nil); seen || err != nil {
		return result, err
	}
	for _, app := range c.family.all() {
		state, _, err := c.opts.Store.Load(app)
		if err != nil {
			return api.CommandResult{}, fmt.Errorf("load %s: %w", app, err)
		}
		if result, waits := waiting(token, state.Commands); waits {
			return result, nil
		}
	}
	// It may have been taken while we looked.
	if result, seen, err := c.told(token, nil); seen || err != nil {
		return result, err
	}
	return api.CommandResult{}, &api.Error{Reason: api.ReasonUnknownToken, Message: "no command with this token was accepted"}
}

// told returns what is known of a command by its token; seen is false if that
// is nothing.
func (c *Controller) told(token string, queued []reconcile.Command) (r api.CommandResult, seen bool, err error) {
	answer, taken, err := c.opts.Store.Answer(token)
	switch {
	case err != nil:
		return api.CommandResult{}, false, fmt.Errorf("look up the command: %w", err)
	case taken && answer != "":
		return api.CommandResult{Token: token, State: api.CommandRefused, Answer: answer}, true, nil
	case taken:
		return api.CommandResult{Token: token, State: api.CommandDone}, true, nil
	}
	r, seen = waiting(token, queued)
	return r, seen, nil
}

func waiting(token string, queued []reconcile.Command) (api.CommandResult, bool) {
	for _, q := range queued {
		if q.Token == token {
			return api.CommandResult{Token: token, State: api.CommandWaiting}, true
		}
	}
	return api.CommandResult{}, false
}
