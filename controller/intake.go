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

// intake is one project of a source, or the source itself, and how its last
// reading fared.
type intake struct {
	feed     *feed
	part     string
	offering sync.Mutex // one offer at a time, the newest reading each

	mu       sync.Mutex
	last     *source.Update // newest reading; nil: none yet
	project  string         // of the last reading that could be understood
	open     bool           // the last reading is neither accepted nor final
	problems []string       // of the last reading
	reason   reconcile.Reason
	accepted time.Time
}

// claims reports whether the last reading that could be understood was of project.
func (in *intake) claims(project string) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.project == project
}

// words names the intake for people.
func (in *intake) words() string {
	files := strings.Join(in.feed.source.Files(), ", ")
	if in.part == "" {
		return files
	}
	return in.part + " of " + files
}

// follow takes in what a source says, until ctx ends.
func (c *Controller) follow(ctx context.Context, f *feed) {
	for failures := 1; ctx.Err() == nil; failures++ {
		err := f.source.Run(ctx, func(u source.Update) { c.takeIn(ctx, f, u) })
		if ctx.Err() != nil {
			return
		}
		c.log.Error("source ended", "files", strings.Join(f.source.Files(), ", "), "error", err)
		pause(ctx, c.opts.Limits.backoff(failures))
	}
}

// takeIn deals with one reading of a source.
func (c *Controller) takeIn(ctx context.Context, f *feed, u source.Update) {
	switch {
	case u.Notice != "":
		c.note(reconcile.Event{At: now(), Warning: true, Reason: u.Reason, Message: f.words() + ": " + u.Notice})
		return
	case u.All:
		c.takeWhole(ctx, f, u)
		return
	}
	in := f.intake(u.Part)
	in.mu.Lock()
	in.last, in.open = &u, u.Err == nil
	if u.Err == nil {
		in.project = u.Project.Name
	}
	in.mu.Unlock()
	if u.Err != nil {
		reason := u.Reason
		if reason == "" {
			reason = ReasonSpecInvalid
		}
		c.refuse(in, reason, problems(u.Err))
		return
	}
	if c.offer(ctx, in) {
		c.reconsider(ctx) // it may have given up what another wants
	}
}

// reconsider offers readings again that could not be accepted: the engine may
// answer by now, or a route may be free.
func (c *Controller) reconsider(ctx context.Context) {
	for _, f := range c.sources {
		for _, in := range f.intakes() {
			in.mu.Lock()
			open := in.open
			in.mu.Unlock()
			if open {
				c.offer(ctx, in)
			}
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
	err := c.mayOwn(in, u.Project.Name)
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
	by := in.words()
	if o := u.Project.Source.Origin; o != nil {
		by = fmt.Sprintf("%s of source %s, commit %s by %s (%s)", in.part, o.Source, o.Short(), o.Author, o.Subject)
	}
	return offer{project: u.Project, prune: u.Prune, by: by}
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
	// How a server fails can differ from one try to the next; that it does is said
	// once.
	whole := in.part == "" && in.feed.name() != ""
	in.mu.Lock()
	news := in.reason != reason || !whole && strings.Join(in.problems, "\n") != strings.Join(problems, "\n")
	in.problems, in.reason = problems, reason
	in.mu.Unlock()
	if !news {
		c.changes.signal()
		return
	}
	what := " was not accepted"
	if whole {
		what = " cannot be followed"
	}
	c.note(reconcile.Event{
		At: now(), Warning: true, Reason: reason,
		Message: in.words() + what + ", what was accepted before goes on: " + strings.Join(problems, "; "),
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

// valid describes how the last reading fared.
func (in *intake) valid() reconcile.Condition {
	switch {
	case len(in.problems) > 0:
		return reconcile.Condition{Reason: in.reason, Message: in.problems[0]}
	case in.last == nil:
		return reconcile.Condition{Message: "not read yet"}
	case in.open:
		return reconcile.Condition{Message: "being accepted"}
	}
	return reconcile.Condition{OK: true, Message: "accepted"}
}
