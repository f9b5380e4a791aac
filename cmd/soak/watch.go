package main

import (
	"context"
	"maps"
	"sync"
	"time"

	"teal/controller/api"
	"teal/deploy/proxy/embedded"
	"teal/deploy/workbench"
	"teal/reconcile"
	"teal/spec"
)

// view is one look at the world from outside, and at what Teal says of it.
type view struct {
	at         time.Time
	containers []workbench.Container
	facts      map[string]spec.Facts // of ours, by id
	table      *reconcile.Table      // nil: the proxy was not asked (nginx)
	status     map[spec.Name]reconcile.Status
	list       api.StatusList
}

// count is how many containers a revision has on a colour.
func (v *view) count(app spec.Name, colour spec.Colour, revision string) int {
	n := 0
	for _, f := range v.facts {
		if f.Name == app && f.Role == spec.RoleReplica && f.Colour == colour && f.Revision == revision {
			n++
		}
	}
	return n
}

// lookLimit bounds one look; an engine that is frozen does not answer sooner.
const lookLimit = 20 * time.Second

// look looks once and checks what must hold at every moment. Parts that do not
// answer are an error: what was seen so far says nothing then. Looks are one
// after the other, so that none is older than the one before.
func (s *soaker) look(ctx context.Context) (*view, error) {
	s.looking.Lock()
	defer s.looking.Unlock()
	v, err := s.see(ctx)
	if err == nil {
		s.check(v)
	}
	return v, err
}

func (s *soaker) see(ctx context.Context) (*view, error) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	v := &view{at: time.Now(), facts: map[string]spec.Facts{}, status: map[spec.Name]reconcile.Status{}}
	var err error
	if v.table, err = s.table(ctx); err != nil {
		return nil, err
	}
	if v.containers, err = s.stage.bench.All(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	strangers := maps.Clone(s.strangers)
	s.mu.Unlock()
	for _, c := range v.containers {
		f, err := spec.ParseLabels(c.Labels)
		if err == nil && f.Controller == controllerID && strangers[c.ID] == "" {
			v.facts[c.ID] = f
		}
	}
	if v.list, err = s.api.Status(ctx, spec.Name{}); err != nil {
		return nil, err
	}
	for _, st := range v.list.Apps {
		v.status[st.App] = st
	}
	return v, nil
}

// table asks the embedded proxy what it serves; nil for nginx, whose answers
// tell.
func (s *soaker) table(ctx context.Context) (*reconcile.Table, error) {
	if s.set.proxy != "embedded" {
		return nil, nil
	}
	snapshot, err := embedded.NewClient(s.teal.admin()).Read(ctx)
	if err != nil {
		return nil, err
	}
	return &snapshot.Table, nil
}

// watch looks again and again until it is stopped.
func (s *soaker) watch(ctx context.Context) (stop func(), watching *sync.WaitGroup) {
	ctx, cancel := context.WithCancel(ctx)
	watching = &sync.WaitGroup{}
	watching.Go(func() {
		for pause(ctx, time.Second) == nil {
			s.mu.Lock()
			for _, a := range all(s.projects) {
				s.hear(a)
			}
			s.mu.Unlock()
		}
	})
	watching.Go(func() {
		for pause(ctx, 1500*time.Millisecond) == nil {
			if _, err := s.look(ctx); err != nil {
				s.blind() // a fault is on, or the controller is away: settling insists on an answer
			}
		}
	})
	watching.Go(func() {
		for ctx.Err() == nil {
			err := s.stage.bench.Watch(ctx, func(h workbench.Happening) { s.happened(ctx, h) })
			if ctx.Err() == nil {
				s.journal.write("events ended", "", "%v", err)
			}
			_ = pause(ctx, 300*time.Millisecond) // the engine may be away; ctx is looked at above
		}
	})
	return cancel, watching
}

func (s *soaker) blind() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.report.blind++
}

// live is the backend that carries an app's traffic; nil: none, or several.
func live(table *reconcile.Table, app spec.Name) *reconcile.Backend {
	if table == nil {
		return nil
	}
	for _, r := range table.Routes {
		if r.App != app {
			continue
		}
		for i := range r.Backends {
			if r.Backends[i].Weight == 100 {
				return &r.Backends[i]
			}
		}
	}
	return nil
}
