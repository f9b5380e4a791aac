package store

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"teal/reconcile"
	"teal/spec"
)

func TestAcceptCountsGenerationsPerApp(t *testing.T) {
	both := map[spec.Name]string{rdb: "mysql:8", was: "was:1"}
	newer := map[spec.Name]string{rdb: "mysql:8", was: "was:2"}
	alone := map[spec.Name]string{was: "was:2"}
	db := open(t, storePath(t))
	steps := []struct {
		name   string
		images map[spec.Name]string
		prune  bool
		rdb    reconcile.Accepted
		was    reconcile.Accepted
	}{
		{"new", both, false, reconcile.Accepted{Generation: 1, Changed: true}, reconcile.Accepted{Generation: 1, Changed: true}},
		{"read again", both, false, reconcile.Accepted{Generation: 1}, reconcile.Accepted{Generation: 1}},
		{"one changed", newer, false, reconcile.Accepted{Generation: 1}, reconcile.Accepted{Generation: 2, Changed: true}},
		{"one left out", alone, false, reconcile.Accepted{Generation: 1, Changed: true, Orphaned: true}, reconcile.Accepted{Generation: 2}},
		{"still left out", alone, false, reconcile.Accepted{Generation: 1, Orphaned: true}, reconcile.Accepted{Generation: 2}},
		{"back as it was", newer, false, reconcile.Accepted{Generation: 1, Changed: true}, reconcile.Accepted{Generation: 2}},
		{"pruned", alone, true, reconcile.Accepted{Generation: 2, Changed: true, Pruned: true}, reconcile.Accepted{Generation: 2}},
		{"still pruned", alone, true, reconcile.Accepted{Generation: 2, Pruned: true}, reconcile.Accepted{Generation: 2}},
		{"not pruned after all", alone, false, reconcile.Accepted{Generation: 3, Changed: true, Orphaned: true}, reconcile.Accepted{Generation: 2}},
		{"pruned again", alone, true, reconcile.Accepted{Generation: 4, Changed: true, Pruned: true}, reconcile.Accepted{Generation: 2}},
		{"wanted before it was gone", newer, true, reconcile.Accepted{Generation: 5, Changed: true}, reconcile.Accepted{Generation: 2}},
	}
	for _, s := range steps {
		got := accept(t, db, s.images, s.prune)
		s.rdb.App, s.was.App = rdb, was
		if want := []reconcile.Accepted{s.rdb, s.was}; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", s.name, got, want)
		}
		state, ok := load(t, db, rdb)
		if d := state.Desired; !ok || d.Generation != s.rdb.Generation || d.Orphaned != s.rdb.Orphaned || d.Pruned != s.rdb.Pruned ||
			d.Service.Container.Image != "mysql:8" {
			t.Errorf("%s: kept %+v", s.name, d)
		}
	}
}

func TestAcceptKeepsWhenAWishWasAccepted(t *testing.T) {
	db := open(t, storePath(t))
	accept(t, db, map[spec.Name]string{was: "was:1"}, false)
	if _, err := db.Accept(project(map[spec.Name]string{was: "was:1"}), false, nil, t0.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if state, _ := load(t, db, was); !state.Desired.Accepted.Equal(t0) {
		t.Errorf("accepted %v by reading the same again", state.Desired.Accepted)
	}
	if _, err := db.Accept(project(map[spec.Name]string{was: "was:2"}), false, nil, t0.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if state, _ := load(t, db, was); !state.Desired.Accepted.Equal(t0.Add(time.Hour)) {
		t.Errorf("accepted %v", state.Desired.Accepted)
	}
}

func TestAcceptKeepsTheCommitThatBroughtAWish(t *testing.T) {
	db := open(t, storePath(t))
	from := func(commit string, images map[spec.Name]string) {
		t.Helper()
		p := project(images)
		p.Source.Origin = &spec.Origin{Source: "shop", Commit: commit}
		if _, err := db.Accept(p, false, nil, t0); err != nil {
			t.Fatal(err)
		}
	}
	is := func(app spec.Name, commit string) {
		t.Helper()
		if state, _ := load(t, db, app); state.Desired.Origin == nil || state.Desired.Origin.Commit != commit {
			t.Errorf("%s is of %+v, not of commit %s", app, state.Desired.Origin, commit)
		}
	}
	from("a1", map[spec.Name]string{was: "was:1", rdb: "mysql:8"})
	from("b2", map[spec.Name]string{was: "was:2", rdb: "mysql:8"})
	is(was, "b2")
	is(rdb, "a1") // the newer commit did not change it
}

func TestAcceptStartsAboveWhatLabelsSay(t *testing.T) {
	db := open(t, storePath(t))
	atLeast := map[spec.Name]int64{was: 13}
	for image, want := range map[string]int64{"was:1": 14} {
		out, err := db.Accept(project(map[spec.Name]string{was: image}), false, atLeast, t0)
		if err != nil || out[0].Generation != want {
			t.Errorf("%s: %v %v", image, out, err)
		}
	}
	atLeast[was] = 99 // known by now: labels have no say
	out, err := db.Accept(project(map[spec.Name]string{was: "was:2"}), false, atLeast, t0)
	if err != nil || out[0].Generation != 15 {
		t.Errorf("%v %v", out, err)
	}
}

func TestAcceptStartsAboveARecordWithoutAWish(t *testing.T) {
	db := open(t, storePath(t))
	save(t, db, was, reconcile.Decision{Record: reconcile.Record{Name: was, Generation: 7}})
	if out := accept(t, db, map[spec.Name]string{was: "was:1"}, false); out[0].Generation != 8 {
		t.Errorf("%v", out)
	}
}

func TestAcceptKeepsProjectsApart(t *testing.T) {
	db := open(t, storePath(t))
	accept(t, db, map[spec.Name]string{was: "was:1"}, false)
	other := spec.Project{Name: "shop2", Services: []spec.Service{{Name: spec.Name{Project: "shop2", Service: "was"}}}}
	if out, err := db.Accept(other, true, nil, t0); err != nil || len(out) != 1 || out[0].Generation != 1 {
		t.Errorf("%v %v", out, err)
	}
	if state, _ := load(t, db, was); state.Desired.Pruned || state.Desired.Orphaned {
		t.Error("another project's app was left out")
	}
	projects, err := db.Projects()
	if err != nil || len(projects) != 2 || projects[0].Name != "shop" || projects[1].Name != "shop2" {
		t.Errorf("projects: %v %v", projects, err)
	}
	apps, err := db.Apps()
	if want := []spec.Name{was, {Project: "shop2", Service: "was"}}; err != nil || !reflect.DeepEqual(apps, want) {
		t.Errorf("apps: %v %v", apps, err)
	}
}

func TestAcceptRefusesWhatContradictsItself(t *testing.T) {
	db := open(t, storePath(t))
	accept(t, db, map[spec.Name]string{was: "was:1"}, false)
	twice := project(map[spec.Name]string{was: "was:2"})
	twice.Services = append(twice.Services, twice.Services[0])
	for name, p := range map[string]spec.Project{
		"empty":             {Name: "shop"},
		"twice":             twice,
		"of another":        {Name: "shop", Services: []spec.Service{{Name: spec.Name{Project: "x", Service: "was"}}}},
		"without a name":    {Services: []spec.Service{{Name: spec.Name{Service: "was"}}}},
		"with a slash":      {Name: "a/b", Services: []spec.Service{{Name: spec.Name{Project: "a/b", Service: "was"}}}},
		"service without":   {Name: "shop", Services: []spec.Service{{Name: spec.Name{Project: "shop"}}}},
		"service and slash": {Name: "shop", Services: []spec.Service{{Name: spec.Name{Project: "shop", Service: "a/b"}}}},
	} {
		if _, err := db.Accept(p, true, nil, t0); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if state, _ := load(t, db, was); state.Desired.Generation != 1 || state.Desired.Pruned {
		t.Errorf("changed by what was refused: %+v", state.Desired)
	}
}
