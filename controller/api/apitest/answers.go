package apitest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"teal/controller/api"
	"teal/reconcile"
	"teal/spec"
)

// Apply accepts every project and numbers each service's generation on.
func (f *Fake) Apply(_ context.Context, req api.ApplyRequest) (api.ApplyResult, error) {
	if f.Refuse != nil {
		return api.ApplyResult{}, f.Refuse
	}
	out := api.ApplyResult{}
	f.change(func() {
		f.applied = append(f.applied, req)
		for _, s := range req.Project.Services {
			out.Apps = append(out.Apps, f.accept(s))
		}
	})
	if f.OnApply != nil {
		f.OnApply(req)
	}
	return out, nil
}

func (f *Fake) accept(s spec.Service) api.Accepted {
	a := api.Accepted{Kind: "dependency", Accepted: reconcile.Accepted{App: s.Name, Generation: 1, Changed: true}}
	if s.Rollout != nil {
		a.Kind = "app"
	}
	i := slices.IndexFunc(f.list.Apps, func(x reconcile.Status) bool { return x.App == s.Name })
	if i < 0 {
		f.list.Apps = append(f.list.Apps, reconcile.Status{
			App: s.Name, Kind: a.Kind, Generation: 1, Image: s.Container.Image,
			Synced: reconcile.Condition{Message: "not looked at yet"},
		})
		return a
	}
	was := &f.list.Apps[i]
	if a.Changed = was.Image != s.Container.Image; a.Changed {
		a.Changes = []api.Change{{Key: "image", From: was.Image, To: s.Container.Image}}
		was.Generation++
		was.Image, was.Synced = s.Container.Image, reconcile.Condition{Message: "not looked at yet"}
	}
	a.Generation = was.Generation
	return a
}

// Sync answers with the sources that match.
func (f *Fake) Sync(_ context.Context, req api.SyncRequest) (api.SyncResult, error) {
	if f.Refuse != nil {
		return api.SyncResult{}, f.Refuse
	}
	out := api.SyncResult{Since: req.Since}
	f.change(func() {
		for _, s := range f.list.Sources {
			if s.Name != "" && (req.Source == "" || req.Source == s.Name) {
				out.Sources = append(out.Sources, s)
			}
		}
	})
	if len(out.Sources) == 0 {
		return out, &api.Error{Reason: api.ReasonUnknownSource, Message: "there is no source " + req.Source}
	}
	return out, nil
}

// Plan answers what Planned says.
func (f *Fake) Plan(context.Context, api.PlanRequest) (api.PlanResult, error) {
	return f.Planned, f.Refuse
}

// Remove marks a project's apps as pruned; the test drops them.
func (f *Fake) Remove(_ context.Context, req api.RemoveRequest) (api.ApplyResult, error) {
	list, err := f.match(spec.Name{Project: req.Project})
	out := api.ApplyResult{}
	for _, s := range list {
		out.Apps = append(out.Apps, api.Accepted{Kind: s.Kind, Accepted: reconcile.Accepted{
			App: s.App, Generation: s.Generation + 1, Changed: true, Pruned: true,
		}})
	}
	return out, err
}

// Status answers what was set.
func (f *Fake) Status(_ context.Context, filter spec.Name) (api.StatusList, error) {
	apps, err := f.match(filter)
	if err != nil {
		return api.StatusList{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.list
	out.Apps = apps
	return out, nil
}

func (f *Fake) match(filter spec.Name) ([]reconcile.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.Refuse != nil {
		return nil, f.Refuse
	}
	var out []reconcile.Status
	for _, a := range f.list.Apps {
		if (filter.Project == "" || filter.Project == a.App.Project) && (filter.Service == "" || filter.Service == a.App.Service) {
			out = append(out, a)
		}
	}
	if len(out) == 0 && filter.Project != "" {
		name := strings.TrimSuffix(filter.String(), "/")
		return nil, &api.Error{Reason: api.ReasonUnknownApp, Message: "nothing is known of " + name, Hint: "teal status"}
	}
	return out, nil
}

// Command queues a command of an app that is known, once per token.
func (f *Fake) Command(_ context.Context, app spec.Name, req api.CommandRequest) (api.CommandResult, error) {
	apps, err := f.match(app)
	if err != nil {
		return api.CommandResult{}, err
	}
	if req.Rollout != "" && req.Rollout != apps[0].Rollout {
		return api.CommandResult{}, &api.Error{
			Reason:  api.ReasonStale,
			Message: fmt.Sprintf("%s was meant, but %q is under way", req.Rollout, apps[0].Rollout),
			Hint:    "teal status " + app.String(),
		}
	}
	var out api.CommandResult
	fresh := false
	f.change(func() {
		seen, ok := f.commands[req.Token]
		if out = seen; ok {
			return
		}
		fresh = true
		out = api.CommandResult{Token: req.Token, State: api.CommandWaiting}
		f.commands[req.Token] = out
		f.asked = append(f.asked, req)
	})
	if fresh && f.OnCommand != nil {
		f.OnCommand(app, req)
	}
	return out, nil
}

// Answer returns what Settle said.
func (f *Fake) Answer(_ context.Context, token string) (api.CommandResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out, ok := f.commands[token]
	if !ok {
		return out, &api.Error{Reason: api.ReasonUnknownToken, Message: "no command has the token " + token}
	}
	return out, nil
}

// Events pages through what was noted; an event's number is its place from 1.
func (f *Fake) Events(_ context.Context, q api.EventQuery) (api.EventPage, error) {
	if _, err := f.match(q.App); err != nil {
		return api.EventPage{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	out := api.EventPage{Last: q.After}
	for i := int(q.After); i < len(f.events); i++ {
		if len(out.Events) == q.Limit {
			out.More = true
			break
		}
		out.Last = uint64(i + 1)
		e := f.events[i]
		if (q.App.Project == "" || q.App.Project == e.App.Project) && (q.App.Service == "" || q.App == e.App) {
			out.Events = append(out.Events, e)
		}
	}
	return out, nil
}

// History returns what was kept.
func (f *Fake) History(_ context.Context, app spec.Name, limit int) (api.HistoryList, error) {
	if _, err := f.match(app); err != nil {
		return api.HistoryList{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.history[app]
	return api.HistoryList{Rollouts: slices.Clone(all[:min(limit, len(all))])}, nil
}

// Logs emits what was written; following, it waits for ctx to end.
func (f *Fake) Logs(ctx context.Context, q api.LogQuery, emit func(api.LogLine) error) error {
	if _, err := f.match(q.App); err != nil {
		return err
	}
	f.mu.Lock()
	var lines []api.LogLine
	for _, l := range f.logs[q.App] {
		if q.Colour == "" || q.Colour == l.Colour {
			lines = append(lines, l)
		}
	}
	f.mu.Unlock()
	for _, l := range lines[max(0, len(lines)-q.Tail):] {
		if err := emit(l); err != nil {
			return err
		}
	}
	if q.Follow {
		<-ctx.Done()
	}
	return nil
}

// Subscribe signals every change.
func (f *Fake) Subscribe(ctx context.Context) <-chan struct{} {
	c := make(chan struct{}, 1)
	f.mu.Lock()
	f.subs[c] = true
	for _, j := range f.joined {
		close(j)
	}
	f.joined = nil
	f.mu.Unlock()
	context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.subs, c)
		close(c)
	})
	return c
}

// Version says that this is a fake.
func (f *Fake) Version(context.Context) (api.Version, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return api.Version{
		Version: "test", Go: "go1.26", API: api.APIVersion, ID: f.list.Controller.ID,
		Started: f.list.At, Engine: "20.10.24", EngineAPI: "1.41",
	}, nil
}
