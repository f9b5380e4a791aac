package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"teal/reconcile"
	"teal/spec"
)

func (h *handler) apply(r *http.Request, w http.ResponseWriter) (any, error) {
	var req ApplyRequest
	if err := decode(r, w, &req); err != nil {
		return nil, err
	}
	if req.Project.Name == "" {
		return nil, invalid("the project has no name")
	}
	if len(req.Project.Services) == 0 {
		e := invalid(fmt.Sprintf("project %s has no services, so nothing is changed", req.Project.Name))
		e.Hint = "to remove all of it: teal down " + req.Project.Name
		return nil, e
	}
	req.By = by(r.Context(), req.By)
	fromAfar(r, &req.Project)
	return h.ctrl.Apply(r.Context(), req)
}

// fromAfar takes the folder out of a project that came over the network: it is
// one of another machine, and the policy would let what lies in it be mounted.
func fromAfar(r *http.Request, p *spec.Project) {
	if _, remote := callerOf(r.Context()); remote {
		p.Source = spec.Source{}
	}
}

func (h *handler) plan(r *http.Request, w http.ResponseWriter) (any, error) {
	var req PlanRequest
	if err := decode(r, w, &req); err != nil {
		return nil, err
	}
	if req.Project != nil {
		fromAfar(r, req.Project)
	}
	return h.ctrl.Plan(r.Context(), req)
}

func (h *handler) remove(r *http.Request, _ http.ResponseWriter) (any, error) {
	q := newQuery(r)
	req := RemoveRequest{Project: r.PathValue("project"), By: by(r.Context(), q.text("by"))}
	if err := q.done(); err != nil {
		return nil, err
	}
	out, err := h.ctrl.Remove(r.Context(), req)
	return accepted{out}, err
}

// sync answers a little before the request's time is up, so that who asked can
// ask again.
func (h *handler) sync(r *http.Request, w http.ResponseWriter) (any, error) {
	var req SyncRequest
	if err := decode(r, w, &req); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), h.Timeout*9/10)
	defer cancel()
	return h.ctrl.Sync(ctx, req)
}

func (h *handler) status(r *http.Request, _ http.ResponseWriter) (any, error) {
	q := newQuery(r)
	filter := q.app()
	q.follow()
	if err := q.done(); err != nil {
		return nil, err
	}
	return h.ctrl.Status(r.Context(), filter)
}

func (h *handler) command(r *http.Request, w http.ResponseWriter) (any, error) {
	var req CommandRequest
	if err := decode(r, w, &req); err != nil {
		return nil, err
	}
	if err := checkCommand(req); err != nil {
		return nil, err
	}
	req.By = by(r.Context(), req.By)
	out, err := h.ctrl.Command(r.Context(), pathApp(r), req)
	return accepted{out}, err
}

func checkCommand(req CommandRequest) error {
	if req.Token == "" || len(req.Token) > MaxToken {
		return invalid(fmt.Sprintf("a command needs a token of 1 to %d bytes", MaxToken))
	}
	switch req.Verb {
	case reconcile.VerbPromote, reconcile.VerbAbort:
		if req.Rollout == "" {
			return invalid(fmt.Sprintf("%s needs the id of the rollout that is meant", req.Verb))
		}
		return nil
	case reconcile.VerbUndo, reconcile.VerbRetry:
		return nil
	}
	return invalid(fmt.Sprintf("%q is not a command: promote, abort, undo or retry", req.Verb))
}

// answer tells what came of a command, waiting for it as long as is asked.
func (h *handler) answer(r *http.Request, _ http.ResponseWriter) (any, error) {
	q := newQuery(r)
	wait := q.duration("wait")
	if err := q.done(); err != nil {
		return nil, err
	}
	limit := time.NewTimer(min(wait, h.Timeout*9/10))
	defer limit.Stop()
	ctx, cancel := streamContext(r.Context()) // a stop must not wait for the answer
	defer cancel()
	changed := h.ctrl.Subscribe(ctx)
	for {
		out, err := h.ctrl.Answer(r.Context(), r.PathValue("token"))
		if err != nil || out.State != CommandWaiting || wait == 0 {
			return out, err
		}
		select {
		case _, open := <-changed:
			if !open {
				return out, nil
			}
		case <-limit.C:
			return out, nil
		}
	}
}

func (h *handler) events(r *http.Request, _ http.ResponseWriter) (any, error) {
	query, err := eventQuery(r)
	if err != nil {
		return nil, err
	}
	return h.ctrl.Events(r.Context(), query)
}

func eventQuery(r *http.Request) (EventQuery, error) {
	q := newQuery(r)
	out := EventQuery{
		App:   q.app(),
		After: q.number64("after"),
		Limit: q.number("limit", MaxEvents, MaxEvents),
	}
	q.follow()
	return out, q.done()
}

func (h *handler) history(r *http.Request, _ http.ResponseWriter) (any, error) {
	q := newQuery(r)
	limit := q.number("limit", 20, MaxLimit)
	if err := q.done(); err != nil {
		return nil, err
	}
	return h.ctrl.History(r.Context(), pathApp(r), limit)
}

func (h *handler) version(r *http.Request, _ http.ResponseWriter) (any, error) {
	return h.ctrl.Version(r.Context())
}

// healthz says that the controller's process answers; what it looks after is
// in the status.
func (h *handler) healthz(*http.Request, http.ResponseWriter) (any, error) {
	return map[string]bool{"ok": true}, nil
}

func pathApp(r *http.Request) spec.Name {
	return spec.Name{Project: r.PathValue("project"), Service: r.PathValue("service")}
}
