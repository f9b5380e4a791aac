package controller

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"teal/controller/api"
	"teal/controller/source"
	"teal/reconcile"
	"teal/spec"
)

// files is a source that says what a test tells it to.
type files struct {
	name string
	ears chan source.Update
}

func newFiles(name string) *files { return &files{name: name, ears: make(chan source.Update)} }

func (f *files) Files() []string   { return []string{f.name} }
func (f *files) Looked() time.Time { return time.Now() }
func (f *files) Run(ctx context.Context, emit func(source.Update)) error {
	for {
		select {
		case u := <-f.ears:
			emit(u)
		case <-ctx.Done():
			return nil
		}
	}
}

func (f *files) says(services ...spec.Service) {
	f.ears <- source.Update{Project: project(services...), At: time.Now()}
	synctest.Wait()
}

func (f *files) fails(problems ...string) {
	var errs spec.Errors
	for _, p := range problems {
		errs = append(errs, spec.Problem{File: f.name, Line: 3, Message: p})
	}
	f.ears <- source.Update{Err: &spec.Error{Problems: errs}, At: time.Now()}
	synctest.Wait()
}

func (w *world) sources() []api.SourceStatus {
	w.t.Helper()
	list, err := w.c.Status(context.Background(), spec.Name{})
	if err != nil {
		w.t.Fatal(err)
	}
	return list.Sources
}

func TestInvalidFileChangesNothingAndIsToldOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		f := newFiles("compose.yaml")
		w.opts.Sources = []Source{f}
		w.run()
		f.says(web("web", "web:1"))
		w.serves("web", "web:1")
		for range 3 {
			f.fails("unknown key imgae", "unknown colour red")
			time.Sleep(time.Minute)
		}
		s := w.sources()[0]
		if s.Valid.OK || s.Valid.Reason != ReasonSpecInvalid || len(s.Problems) != 2 || !strings.Contains(s.Problems[0], "compose.yaml:3: unknown key imgae") {
			t.Errorf("source status %+v", s)
		}
		if n := w.told(ReasonSpecInvalid); n != 1 {
			t.Errorf("%d events, want 1\n%s", n, w.eventLines())
		}
		if st := w.status("web"); !st.Serving.OK || !st.Synced.OK {
			t.Errorf("web is %+v", st)
		}
		f.says(web("web", "web:1")) // back to what it was
		if s := w.sources()[0]; !s.Valid.OK {
			t.Errorf("source status %+v", s)
		}
		f.says(web("web", "web:2"))
		w.serves("web", "web:2")
	})
}

func TestAnEmptyProjectChangesNothingEvenWithPrune(t *testing.T) {
	inWorld(t, func(w *world) {
		f := newFiles("compose.yaml")
		w.opts.Sources = []Source{f}
		w.run()
		f.says(web("web", "web:1"))
		w.serves("web", "web:1")
		f.ears <- source.Update{Project: spec.Project{Name: "p"}, Prune: true, At: time.Now()}
		time.Sleep(10 * time.Minute)
		if len(w.engine.Names()) != 1 || w.sources()[0].Valid.Reason != ReasonSpecInvalid {
			t.Errorf("%v, %+v", w.engine.Names(), w.sources()[0])
		}
	})
}

func TestStartWithAnInvalidFileGoesOnWithWhatWasAccepted(t *testing.T) {
	inWorld(t, func(w *world) {
		f := newFiles("compose.yaml")
		w.opts.Sources = []Source{f}
		w.run()
		f.says(web("web", "web:1"))
		w.serves("web", "web:1")
		w.stop()
		w.engine.Kill(w.engine.Names()[0], true)
		w.run()
		f.fails("nonsense")
		w.serves("web", "web:1")
	})
}

func TestTwoFilesOfOneNameAndAWatchedProject(t *testing.T) {
	inWorld(t, func(w *world) {
		a, b := newFiles("a.yaml"), newFiles("b.yaml")
		w.opts.Sources = []Source{a, b}
		w.run()
		a.says(web("web", "web:1"))
		b.says(web("web", "web:2"))
		w.serves("web", "web:1")
		if s := w.sources()[1]; s.Valid.OK || !strings.Contains(s.Problems[0], "a.yaml") {
			t.Errorf("the second file is %+v", s)
		}
		_, err := w.c.Apply(context.Background(), api.ApplyRequest{Project: project(web("web", "web:2"))})
		refused(t, err, api.ReasonWatched, "a.yaml")
		_, err = w.c.Remove(context.Background(), api.RemoveRequest{Project: "p"})
		refused(t, err, api.ReasonWatched, "a.yaml")
	})
}

func TestAFileIsOfferedAgainWhenItsRouteBecomesFree(t *testing.T) {
	inWorld(t, func(w *world) {
		a, b := newFiles("a.yaml"), newFiles("b.yaml")
		w.opts.Sources = []Source{a, b}
		w.run()
		a.says(web("web", "web:1"))
		other := func(path string) spec.Service {
			return web("web", "web:1", func(s *spec.Service) { s.Name.Project, s.Rollout.Route.Path = "q", path })
		}
		b.says(other("/web"))
		if s := w.sources()[1]; s.Valid.OK || !strings.Contains(strings.Join(s.Problems, " "), "p/web") {
			t.Errorf("the second file is %+v", s)
		}
		a.says(web("web", "web:1", func(s *spec.Service) { s.Rollout.Route.Path = "/elsewhere" }))
		time.Sleep(time.Minute)
		if s := w.sources()[1]; !s.Valid.OK {
			t.Errorf("the second file is still %+v", s)
		}
		list, err := w.c.Status(context.Background(), spec.Name{Project: "q"})
		if err != nil || !list.Apps[0].Serving.OK {
			t.Errorf("q is %+v, %v\n%s", list, err, w.eventLines())
		}
	})
}

func TestAFileIsOfferedAgainWhenTheEngineAnswers(t *testing.T) {
	inWorld(t, func(w *world) {
		f := newFiles("compose.yaml")
		w.opts.Sources = []Source{f}
		w.engine.Away(true)
		w.run()
		f.says(web("web", "web:1"))
		if s := w.sources()[0]; s.Valid.OK || s.Valid.Reason != reconcile.ReasonEngineUnavailable {
			t.Errorf("the file is %+v", s)
		}
		w.engine.Away(false)
		w.until("accepted", time.Minute, func() bool { return w.sources()[0].Valid.OK })
		w.serves("web", "web:1")
	})
}

func TestOrphanedIsReportedAndPrunedIsRemoved(t *testing.T) {
	inWorld(t, func(w *world) {
		f := newFiles("compose.yaml")
		w.opts.Sources = []Source{f}
		w.run()
		f.says(web("a", "web:1"), web("b", "web:1"))
		w.serves("a", "web:1")
		w.serves("b", "web:1")
		f.says(web("a", "web:1"))
		time.Sleep(10 * time.Minute)
		if s := w.status("b"); s.Synced.Reason != reconcile.ReasonOrphaned || !s.Serving.OK {
			t.Errorf("b is %+v", s)
		}
		f.ears <- source.Update{Project: project(web("a", "web:1")), Prune: true, At: time.Now()}
		w.until("b is gone", time.Minute, func() bool { return len(w.engine.Names()) == 1 })
		if !slices.ContainsFunc(w.events(), func(e reconcile.Event) bool { return e.App == named("b") && e.Reason == ReasonAccepted }) {
			t.Error("nothing was told of it")
		}
	})
}

func TestProblemsOfAnError(t *testing.T) {
	err := errors.New("plain")
	if got := problems(err); !slices.Equal(got, []string{"plain"}) {
		t.Errorf("got %q", got)
	}
}
