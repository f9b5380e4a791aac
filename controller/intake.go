package controller

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"teal/controller/api"
	"teal/controller/source"
	"teal/reconcile"
	"teal/spec"
)

// Reasons of the controller's own events and conditions.
const (
	ReasonSpecInvalid reconcile.Reason = "SpecInvalid" // files were refused; what was accepted before goes on
	ReasonAccepted    reconcile.Reason = "Accepted"    // a desired state became the newest wish
	ReasonHostBack    reconcile.Reason = "HostBack"    // a host that did not answer does again
	ReasonDefect      reconcile.Reason = "Defect"      // an effect could not end; the log line has the stack

	// ReasonRecordsUnwritable says that the store does not take what is to be kept.
	ReasonRecordsUnwritable reconcile.Reason = "RecordsUnwritable"
)

// intake is one source and how its last reading fared.
type intake struct {
	source   Source
	offering sync.Mutex // one offer at a time, the newest reading each

	mu       sync.Mutex
	last     *source.Update // newest reading; nil: none yet
	project  string         // of the last reading that could be understood
	open     bool           // the last reading is neither accepted nor final
	problems []string       // of the last reading
	reason   reconcile.Reason
	accepted time.Time
}

func newIntake(s Source) *intake { return &intake{source: s} }

// follow takes in what a source says, until ctx ends.
func (c *Controller) follow(ctx context.Context, in *intake) {
	for failures := 1; ctx.Err() == nil; failures++ {
		err := in.source.Run(ctx, func(u source.Update) { c.takeIn(ctx, in, u) })
		if ctx.Err() != nil {
			return
		}
		c.log.Error("source ended", "files", strings.Join(in.source.Files(), ", "), "error", err)
		pause(ctx, c.opts.Limits.backoff(failures))
	}
}

// takeIn deals with one reading of a source.
func (c *Controller) takeIn(ctx context.Context, in *intake, u source.Update) {
	in.mu.Lock()
	in.last, in.open = &u, u.Err == nil
	if u.Err == nil {
		in.project = u.Project.Name
	}
	in.mu.Unlock()
	if u.Err != nil {
		c.refuse(in, ReasonSpecInvalid, problems(u.Err))
		return
	}
	if c.offer(ctx, in) {
		c.reconsider(ctx) // it may have given up what another wants
	}
}

// reconsider offers readings again that could not be accepted: the engine may
// answer by now, or a route may be free.
func (c *Controller) reconsider(ctx context.Context) {
	for _, in := range c.sources {
		in.mu.Lock()
		open := in.open
		in.mu.Unlock()
		if open {
			c.offer(ctx, in)
		}
	}
}

// offer tries to accept the newest reading of a source and reports whether that
// went well.
func (c *Controller) offer(ctx context.Context, in *intake) bool {
	in.offering.Lock()
	defer in.offering.Unlock()
	in.mu.Lock()
	u := in.last
	in.mu.Unlock()
	if u == nil || u.Err != nil {
		return false
	}
	err := c.soleSource(in, u.Project.Name)
	if err == nil {
		_, err = c.accept(ctx, offerOf(in, u))
	}
	var refusal *api.Error
	switch {
	case err == nil:
		c.welcome(in, u)
		return true
	case errors.As(err, &refusal) && refusal.Reason != api.ReasonUnavailable:
		c.refuse(in, ReasonSpecInvalid, problems(err))
	case ctx.Err() == nil:
		c.log.Error("project was not accepted", "project", u.Project.Name, "error", err)
		c.refuse(in, c.unready(), problems(err))
	}
	return false
}

// unready is why a good reading cannot be accepted now.
func (c *Controller) unready() reconcile.Reason {
	if !c.health.of(storeSide).OK {
		return ReasonRecordsUnwritable
	}
	return reconcile.ReasonEngineUnavailable
}

// offerOf says who offers what.
func offerOf(in *intake, u *source.Update) offer {
	return offer{project: u.Project, prune: u.Prune, by: strings.Join(in.source.Files(), ", ")}
}

// soleSource refuses a project that an earlier source names as well.
func (c *Controller) soleSource(in *intake, project string) error {
	for _, other := range c.sources {
		if other == in {
			return nil
		}
		other.mu.Lock()
		same := other.project == project
		other.mu.Unlock()
		if same {
			return &api.Error{
				Reason:  api.ReasonInvalid,
				Message: fmt.Sprintf("project %s is read from %s already", project, strings.Join(other.source.Files(), ", ")),
				Hint:    "give one of them another name:",
			}
		}
	}
	return nil
}

// welcome notes that a reading was accepted.
func (c *Controller) welcome(in *intake, u *source.Update) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.last == u {
		in.open, in.problems, in.reason = false, nil, ""
	}
	in.accepted = now()
}

// refuse notes why a reading was not accepted, with one event per cause.
func (c *Controller) refuse(in *intake, reason reconcile.Reason, problems []string) {
	in.mu.Lock()
	news := in.reason != reason || strings.Join(in.problems, "\n") != strings.Join(problems, "\n")
	in.problems, in.reason = problems, reason
	in.mu.Unlock()
	if !news {
		return
	}
	c.note(reconcile.Event{
		At: now(), Warning: true, Reason: reason,
		Message: strings.Join(in.source.Files(), ", ") + " was not accepted, what was accepted before goes on: " + strings.Join(problems, "; "),
	})
}

// problems lists what an error says, one problem each.
func problems(err error) []string {
	var refusal *api.Error
	if errors.As(err, &refusal) && len(refusal.Details) > 0 {
		return refusal.Details
	}
	if found, ok := errors.AsType[spec.Errors](err); ok {
		out := make([]string, 0, len(found))
		for _, p := range found {
			out = append(out, p.Error())
		}
		return out
	}
	return []string{err.Error()}
}

// status describes the source for people.
func (in *intake) status() api.SourceStatus {
	in.mu.Lock()
	defer in.mu.Unlock()
	out := api.SourceStatus{
		Files: in.source.Files(), Project: in.project, Problems: in.problems,
		Read: in.source.Looked(), Accepted: in.accepted,
		Valid: reconcile.Condition{OK: true, Message: "accepted"},
	}
	switch {
	case len(in.problems) > 0:
		out.Valid = reconcile.Condition{Reason: in.reason, Message: in.problems[0]}
	case in.last == nil:
		out.Valid = reconcile.Condition{Message: "not read yet"}
	case in.open:
		out.Valid = reconcile.Condition{Message: "being accepted"}
	}
	return out
}
