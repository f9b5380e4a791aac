package controller

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"teal/controller/api"
	"teal/controller/fake"
	"teal/reconcile"
	"teal/spec"
)

// fleet makes the fake engine look like several hosts: it remembers where each
// replica was asked for.
type fleet struct {
	*fake.Engine
	names []string

	mu    sync.Mutex
	where map[string]string // replica → host
	away  map[string]bool
}

func replica(app spec.Name, c spec.Colour, revision string, n int) string {
	return fmt.Sprint(app, c, revision, n)
}

// lose makes hosts be away, and only those.
func (f *fleet) lose(names ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.away)
	for _, n := range names {
		f.away[n] = true
	}
}

func (f *fleet) Perform(ctx context.Context, s reconcile.Step) reconcile.Outcome {
	host := s.Host
	f.mu.Lock()
	if s.Ensure != nil {
		host = s.Ensure.Host
		f.where[replica(s.App, s.Ensure.Colour, s.Ensure.Revision.ID, s.Ensure.Replica)] = host
	}
	away := f.away[host]
	f.mu.Unlock()
	if away {
		return reconcile.Outcome{Failure: &reconcile.Failure{Class: reconcile.Infra, Reason: reconcile.ReasonHostAway, Message: "host " + host + ": no answer"}}
	}
	return f.Engine.Perform(ctx, s)
}

func (f *fleet) Observe(ctx context.Context, app spec.Name, look reconcile.Look) (reconcile.Seen, error) {
	seen, err := f.Engine.Observe(ctx, app, look)
	if err != nil {
		return seen, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := map[string]bool{}
	for _, h := range look.Hosts {
		asked[h] = true
	}
	for i, c := range seen.Containers {
		host := f.where[replica(app, c.Colour, c.Revision, c.Replica)]
		seen.Containers[i].Host, seen.Containers[i].Lost = host, f.away[host]
		asked[host] = true
	}
	for _, h := range slices.Sorted(maps.Keys(asked)) {
		if f.away[h] {
			seen.Away = append(seen.Away, reconcile.AwayHost{Host: h, Words: "host " + h + ": no answer"})
		}
	}
	if len(asked) == len(seen.Away) {
		return reconcile.Seen{}, fmt.Errorf("no answer")
	}
	return seen, nil
}

// onHosts runs f in a world with two hosts.
func onHosts(t *testing.T, f func(w *world, hosts *fleet)) {
	t.Helper()
	inWorld(t, func(w *world) {
		hosts := &fleet{Engine: w.engine, names: []string{"a", "b"}, where: map[string]string{}, away: map[string]bool{}}
		w.opts.Engine, w.opts.Hosts = hosts, hosts.names
		w.run()
		f(w, hosts)
	})
}

// on places a service.
func on(hosts ...string) func(*spec.Service) {
	return func(s *spec.Service) { s.Hosts, s.Replicas = hosts, max(1, len(hosts)) }
}

// last returns the message of the newest event of a reason.
func (w *world) last(r reconcile.Reason) string {
	out := ""
	for _, e := range w.events() {
		if e.Reason == r {
			out = e.Message
		}
	}
	return out
}

func TestAHostThatIsAwayIsToldOnceAndKeepsNobodyWaiting(t *testing.T) {
	onHosts(t, func(w *world, hosts *fleet) {
		w.apply(web("both", "web:1", on("a", "b")), web("near", "web:1"))
		w.serves("both", "web:1")
		w.serves("near", "web:1")
		hosts.lose("b")
		w.until("b is told to be away", time.Minute, func() bool { return w.told(reconcile.ReasonHostAway) > 0 })
		if s := w.status("both"); len(s.Away) != 1 || s.Away[0].Host != "b" || !s.Serving.OK {
			t.Errorf("status %+v", s)
		}
		w.apply(web("both", "web:1", on("a", "b")), web("near", "web:2"))
		w.serves("near", "web:2")
		time.Sleep(5 * time.Minute)
		list, err := w.c.Status(context.Background(), spec.Name{})
		if err != nil {
			t.Fatal(err)
		}
		if c := list.Controller; !c.Engine.OK || len(c.Hosts) != 2 || !c.Hosts[0].Answers.OK || c.Hosts[1].Answers.OK {
			t.Errorf("controller %+v", c)
		}
		hosts.lose()
		w.until("b is told to be back", time.Minute, func() bool { return w.told(ReasonHostBack) > 0 })
		w.serves("both", "web:1")
		time.Sleep(5 * time.Minute)
		if away, back := w.told(reconcile.ReasonHostAway), w.told(ReasonHostBack); away != 1 || back != 1 {
			t.Errorf("told %d times to be away, %d times to be back:\n%s", away, back, w.eventLines())
		}
		if words := w.last(reconcile.ReasonHostAway); words != "host b does not answer: no answer" {
			t.Errorf("told %q", words)
		}
		if n := w.told(reconcile.ReasonEngineUnavailable); n > 0 {
			t.Errorf("the engine was told %d times to be away", n)
		}
	})
}

func TestAnAppWhoseOnlyHostIsAwayDoesNotHideTheOthers(t *testing.T) {
	onHosts(t, func(w *world, hosts *fleet) {
		w.apply(web("far", "web:1", on("b")), web("near", "web:1"))
		w.serves("far", "web:1")
		w.serves("near", "web:1")
		hosts.lose("b")
		w.until("far is told of", time.Minute, func() bool { return w.status("far").Synced.Reason == reconcile.ReasonHostAway })
		if s := w.status("near"); !s.Serving.OK || !s.Synced.OK {
			t.Errorf("near: %+v", s)
		}
		_, err := w.c.Plan(context.Background(), api.PlanRequest{})
		refused(t, err, api.ReasonUnavailable, "host b")
		err = w.c.Logs(context.Background(), api.LogQuery{App: named("far"), Tail: 1}, func(api.LogLine) error { return nil })
		refused(t, err, api.ReasonUnavailable, "host b")
		hosts.lose("a", "b")
		w.until("all are away", time.Minute, func() bool { return w.told(reconcile.ReasonEngineUnavailable) > 0 })
		hosts.lose()
		w.serves("far", "web:1")
		w.serves("near", "web:1")
	})
}

func TestADependencyOnAHostThatIsAwayIsWaitedFor(t *testing.T) {
	onHosts(t, func(w *world, hosts *fleet) {
		rdb := db("db:1")
		rdb.Hosts = []string{"b"}
		w.apply(rdb, web("web", "web:1", dependsOn("db", spec.Healthy)))
		w.serves("web", "web:1")
		hosts.lose("b")
		w.apply(rdb, web("web", "web:2", dependsOn("db", spec.Healthy)))
		w.until("it waits for the database's host", time.Minute, func() bool {
			s := w.status("web")
			return s.Serving.OK && strings.Contains(s.Synced.Message, "host b does not answer")
		})
		hosts.lose()
		w.serves("web", "web:2")
	})
}

func TestWhatNamesNoHostGetsTheFirst(t *testing.T) {
	onHosts(t, func(w *world, hosts *fleet) {
		w.apply(web("web", "web:1"))
		w.serves("web", "web:1")
		s := w.status("web")
		if len(s.Containers) != 1 || s.Containers[0].Host != "a" {
			t.Errorf("containers %+v", s.Containers)
		}
		state, _, err := w.store.Load(named("web"))
		if err != nil || len(state.Desired.Service.Hosts) != 0 {
			t.Errorf("the store has hosts %v, %v", state.Desired.Service.Hosts, err)
		}
		if r := w.apply(web("web", "web:1")); r.Apps[0].Changed {
			t.Error("the same wish made another generation")
		}
	})
}

func TestAHostThatIsNotConfiguredIsRefused(t *testing.T) {
	onHosts(t, func(w *world, _ *fleet) {
		_, err := w.c.Apply(context.Background(), api.ApplyRequest{Project: project(web("web", "web:1", on("c")))})
		refused(t, err, api.ReasonInvalid, `"c"`, "a, b")
	})
	inWorld(t, func(w *world) {
		w.run()
		_, err := w.c.Apply(context.Background(), api.ApplyRequest{Project: project(web("web", "web:1", on("c")))})
		refused(t, err, api.ReasonInvalid, `"c"`)
	})
}

func TestNoRouteIsTakenAwayWhileAHostIsAway(t *testing.T) {
	onHosts(t, func(w *world, hosts *fleet) {
		w.apply(web("both", "web:1", on("a", "b")))
		w.serves("both", "web:1")
		hosts.lose("b")
		w.until("b is away", time.Minute, func() bool { return w.told(reconcile.ReasonHostAway) > 0 })
		stray := named("stray")
		table := w.table()
		table.Seq++
		route := table.Routes[0]
		route.App, route.Path = stray, "/stray"
		table.Routes = append(table.Routes, route)
		if err := w.proxy.Apply(context.Background(), table); err != nil {
			t.Fatal(err)
		}
		hasStray := func() bool {
			return slices.ContainsFunc(w.table().Routes, func(r reconcile.Route) bool { return r.App == stray })
		}
		time.Sleep(5 * time.Minute)
		if !hasStray() {
			t.Error("the route of an app was taken away that may run on b")
		}
		hosts.lose()
		w.until("the route is taken away", 5*time.Minute, func() bool { return !hasStray() })
	})
}

// table is what the proxy serves.
func (w *world) table() reconcile.Table {
	w.t.Helper()
	s, err := w.proxy.Read(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return s.Table
}
