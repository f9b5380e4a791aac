package controller

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"teal/controller/api"
	"teal/controller/source"
	"teal/reconcile"
	"teal/spec"
)

// repository is a pulled source that says what a test tells it to.
type repository struct {
	files
	takes []string
	syncs int
}

func newRepository(name string, takes ...string) *repository {
	return &repository{files: files{name: name, ears: make(chan source.Update)}, takes: takes}
}

func (r *repository) State() source.State {
	return source.State{Name: r.name, URL: "https://git.example.com/" + r.name, Takes: r.takes}
}

func (r *repository) Sync(context.Context, time.Time) error { r.syncs++; return nil }

// holds tells of a whole reading: projects by their files.
func (r *repository) holds(prune bool, projects map[string]spec.Project) {
	var parts []string
	for part, p := range projects {
		parts = append(parts, part)
		p.Source = spec.Source{Files: []string{part}, Origin: &spec.Origin{Source: r.name, Commit: strings.Repeat("c", 40), Author: "Ada"}}
		r.ears <- source.Update{Part: part, Project: p, Prune: prune, At: time.Now()}
	}
	r.whole(prune, parts...)
}

func (r *repository) whole(prune bool, parts ...string) {
	r.ears <- source.Update{All: true, Parts: parts, Prune: prune, At: time.Now()}
	synctest.Wait()
}

// app is a project of one app at a path of its own.
func app(name, image string) spec.Project {
	s := web("web", image, func(s *spec.Service) { s.Name.Project, s.Rollout.Route.Path = name, "/"+name })
	return spec.Project{Name: name, Services: []spec.Service{s}}
}

func (w *world) project(name string) (reconcile.Status, bool) {
	list, err := w.c.Status(context.Background(), spec.Name{Project: name})
	if err != nil || len(list.Apps) == 0 {
		return reconcile.Status{}, false
	}
	return list.Apps[0], true
}

func (w *world) problemsOf(source, part string) string {
	w.t.Helper()
	for _, s := range w.sources() {
		for _, p := range s.Projects {
			if s.Name == source && p.File == part {
				return strings.Join(p.Problems, "; ")
			}
		}
	}
	return "no such part"
}

func TestOneBrokenProjectDoesNotHoldTheOthersUp(t *testing.T) {
	inWorld(t, func(w *world) {
		r := newRepository("ops")
		w.opts.Sources = []Source{r}
		w.run()
		r.ears <- source.Update{Part: "b.yaml", Err: errors.New("b.yaml:3: broken"), At: time.Now()}
		r.ears <- source.Update{Part: "a.yaml", Project: app("a", "web:1"), At: time.Now()}
		r.whole(true, "a.yaml", "b.yaml")
		if s, ok := w.project("a"); !ok || s.Generation != 1 {
			t.Errorf("a is %+v", s)
		}
		s := w.sources()[0]
		if s.Valid.OK || s.Valid.Reason != ReasonSpecInvalid || !strings.Contains(w.problemsOf("ops", "b.yaml"), "broken") {
			t.Errorf("source %+v", s)
		}
	})
}

func TestAProjectThatLeavesTheRepository(t *testing.T) {
	for _, prune := range []bool{false, true} {
		inWorld(t, func(w *world) {
			r := newRepository("ops")
			w.opts.Sources = []Source{r}
			w.run()
			r.holds(prune, map[string]spec.Project{"a.yaml": app("a", "web:1"), "b.yaml": app("b", "web:1")})
			w.until("both serve", time.Minute, func() bool { s, _ := w.project("b"); return s.Serving.OK })
			r.ears <- source.Update{Part: "a.yaml", Err: errors.New("caught half written"), At: time.Now()}
			r.whole(prune, "a.yaml")
			time.Sleep(time.Minute)
			if s, ok := w.project("b"); !ok || s.Synced.Reason == reconcile.ReasonOrphaned {
				t.Errorf("prune %t: b was given up while a file is not understood: %+v", prune, s)
			}
			r.holds(prune, map[string]spec.Project{"a.yaml": app("a", "web:1")})
			time.Sleep(10 * time.Minute)
			s, known := w.project("b")
			if prune && known {
				t.Errorf("b is still %+v", s)
			}
			if !prune && (s.Synced.Reason != reconcile.ReasonOrphaned || !s.Serving.OK) {
				t.Errorf("b is %+v", s)
			}
			if s, _ := w.project("a"); !s.Serving.OK {
				t.Errorf("a is %+v", s)
			}
		})
	}
}

func TestAProjectBelongsToOneSource(t *testing.T) {
	inWorld(t, func(w *world) {
		one, two := newRepository("one"), newRepository("two")
		w.opts.Sources = []Source{one, two}
		w.run()
		two.holds(true, map[string]spec.Project{"p.yaml": app("p", "web:2")})
		one.holds(true, map[string]spec.Project{"p.yaml": app("p", "web:1")})
		if got := w.problemsOf("one", "p.yaml"); !strings.Contains(got, "belongs to source two") {
			t.Errorf("one says %q", got)
		}
		if s, _ := w.project("p"); s.Generation != 1 {
			t.Errorf("p is %+v", s)
		}
		w.stop() // two has not said anything yet after a restart
		w.run()
		one.holds(true, map[string]spec.Project{"p.yaml": app("p", "web:1")})
		if got := w.problemsOf("one", "p.yaml"); !strings.Contains(got, "belongs to source two") {
			t.Errorf("after a restart, one says %q", got)
		}
		_, err := w.c.Apply(context.Background(), api.ApplyRequest{Project: app("p", "web:3")})
		refused(t, err, api.ReasonWatched, "")
		two.holds(true, map[string]spec.Project{"q.yaml": app("q", "web:1")})
		if s, ok := w.project("p"); !ok || s.Generation != 2 {
			t.Errorf("p was not handed over: %+v", s)
		}
		if got := w.problemsOf("one", "p.yaml"); got != "" {
			t.Errorf("one says %q", got)
		}
	})
}

func TestARepositoryTakesOverWhatTheOperatorSays(t *testing.T) {
	for _, takes := range [][]string{nil, {"p"}} {
		inWorld(t, func(w *world) {
			r := newRepository("ops", takes...)
			w.opts.Sources = []Source{r}
			w.run()
			if _, err := w.c.Apply(context.Background(), api.ApplyRequest{Project: app("p", "web:1")}); err != nil {
				t.Fatal(err)
			}
			r.holds(false, map[string]spec.Project{"p.yaml": app("p", "web:2")})
			got := w.problemsOf("ops", "p.yaml")
			if takes == nil && !strings.Contains(got, "projects: p") || takes != nil && got != "" {
				t.Errorf("takes %v: %q", takes, got)
			}
		})
	}
}

func TestASourceThatCannotBeFollowedIsOneEvent(t *testing.T) {
	inWorld(t, func(w *world) {
		r := newRepository("ops")
		w.opts.Sources = []Source{r}
		w.run()
		r.holds(false, map[string]spec.Project{"a.yaml": app("a", "web:1")})
		const reason reconcile.Reason = "SourceUnreachable"
		for _, why := range []string{"refused", "no answer", "refused", "reset"} {
			r.ears <- source.Update{Err: errors.New(why), Reason: reason, At: time.Now()}
			synctest.Wait()
		}
		if n := w.told(reason); n != 1 {
			t.Errorf("%d events", n)
		}
		if s := w.sources()[0]; s.Valid.OK || s.Valid.Message != "reset" {
			t.Errorf("source %+v", s)
		}
		r.whole(false, "a.yaml")
		r.whole(false, "a.yaml")
		if n := w.told(ReasonSourceBack); n != 1 || !w.sources()[0].Valid.OK {
			t.Errorf("%d events, %+v", n, w.sources()[0])
		}
		r.ears <- source.Update{Notice: "branch main was rewritten", Reason: "HistoryRewritten", At: time.Now()}
		synctest.Wait()
		if n := w.told("HistoryRewritten"); n != 1 || !w.sources()[0].Valid.OK {
			t.Errorf("%d events, %+v", n, w.sources()[0])
		}
	})
}

func TestSyncAsksTheSourcesThatAreMeant(t *testing.T) {
	inWorld(t, func(w *world) {
		one, two := newRepository("one"), newRepository("two")
		w.opts.Sources = []Source{newFiles("compose.yaml"), one, two}
		w.run()
		out, err := w.c.Sync(context.Background(), api.SyncRequest{Source: "two"})
		if err != nil || len(out.Sources) != 1 || out.Sources[0].Name != "two" || one.syncs != 0 || two.syncs != 1 {
			t.Errorf("%+v, %v", out, err)
		}
		out, err = w.c.Sync(context.Background(), api.SyncRequest{})
		if err != nil || len(out.Sources) != 2 || one.syncs != 1 {
			t.Errorf("%+v, %v", out, err)
		}
		_, err = w.c.Sync(context.Background(), api.SyncRequest{Source: "three"})
		refused(t, err, api.ReasonUnknownSource, "three")
	})
}
