package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"teal/reconcile"
	"teal/spec"
)

// machine drives a store at random and knows what must be true of it.
type machine struct {
	t          *rapid.T
	path       string
	db         *DB
	generation map[spec.Name]int64 // newest seen of each app's wish
	recorded   map[spec.Name]int64 // newest saved, while it is known
	seen       map[string]bool     // tokens
	waiting    map[spec.Name]map[string]bool
	effects    map[string]int
}

var apps = []spec.Name{was, rdb}

func (m *machine) must(err error) {
	if err != nil {
		m.t.Helper()
		m.t.Fatal(err)
	}
}

func (m *machine) accept(t *rapid.T) {
	images := map[spec.Name]string{}
	for _, app := range apps {
		if rapid.Bool().Draw(t, "named") {
			images[app] = rapid.SampledFrom([]string{"x:1", "x:2"}).Draw(t, "image")
		}
	}
	atLeast := map[spec.Name]int64{was: rapid.Int64Range(0, 20).Draw(t, "label")}
	out, err := m.db.Accept(project(images), rapid.Bool().Draw(t, "prune"), atLeast, t0)
	if len(images) == 0 {
		if !errors.Is(err, ErrInvalid) {
			t.Fatalf("an empty project: %v", err)
		}
		return
	}
	m.must(err)
	for _, a := range out {
		before := m.generation[a.App]
		if a.Generation < before || !a.Changed && a.Generation != before {
			t.Fatalf("%s went from generation %d to %+v", a.App, before, a)
		}
		m.generation[a.App] = a.Generation
	}
}

func (m *machine) command(t *rapid.T) {
	app := rapid.SampledFrom(apps).Draw(t, "app")
	token := fmt.Sprint(rapid.IntRange(0, 30).Draw(t, "token"))
	fresh, err := m.db.Command(app, reconcile.Command{Token: token})
	if errors.Is(err, ErrUnknown) {
		return
	}
	m.must(err)
	if fresh == m.seen[token] {
		t.Fatalf("token %s: fresh %v, seen before %v", token, fresh, m.seen[token])
	}
	if fresh {
		m.seen[token] = true
		m.waiting[app][token] = true
	}
}

// pass does what a pass of the controller does: load, decide, save.
func (m *machine) pass(t *rapid.T) {
	app := rapid.SampledFrom(apps).Draw(t, "app")
	state, ok, err := m.db.Load(app)
	m.must(err)
	if !ok {
		return
	}
	if len(state.Commands) != len(m.waiting[app]) {
		t.Fatalf("%s: %d commands wait, want %d", app, len(state.Commands), len(m.waiting[app]))
	}
	d := reconcile.Decision{Record: state.Record, Taken: map[string]string{}}
	for _, c := range state.Commands {
		if rapid.Bool().Draw(t, "take") {
			d.Taken[c.Token] = ""
			m.effects[c.Token]++
			delete(m.waiting[app], c.Token)
		}
	}
	d.Record.Generation = state.Desired.Generation
	d.Gone = state.Desired.Pruned && rapid.Bool().Draw(t, "gone")
	m.must(m.db.Save(app, d))
	m.recorded[app] = d.Record.Generation
	if d.Gone {
		m.waiting[app] = map[string]bool{}
		delete(m.recorded, app)
	}
}

func (m *machine) goBack(t *rapid.T) {
	app := rapid.SampledFrom(apps).Draw(t, "app")
	had, ok := m.recorded[app]
	if !ok || had == 0 {
		return
	}
	d := reconcile.Decision{Record: reconcile.Record{Name: app, Generation: had - rapid.Int64Range(1, had).Draw(t, "back")}}
	if err := m.db.Save(app, d); !errors.Is(err, ErrGeneration) {
		t.Fatalf("a generation went back: %v", err)
	}
}

func (m *machine) reopen(*rapid.T) {
	m.must(m.db.Close())
	var err error
	m.db, err = Open(m.path, Options{})
	m.must(err)
}

func (m *machine) check(t *rapid.T) {
	for token, n := range m.effects {
		if n > 1 {
			t.Fatalf("command %s took effect %d times", token, n)
		}
	}
	for app, recorded := range m.recorded {
		state, ok, err := m.db.Load(app)
		m.must(err)
		if !ok || state.Record.Generation != recorded || state.Desired.Generation < recorded {
			t.Fatalf("%s: %v, recorded %d of %d, want %d", app, ok, state.Record.Generation, state.Desired.Generation, recorded)
		}
	}
	m.must(inspectFile(m.path))
}

func TestGenerationsGrowAndTokensCountOnce(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		run, err := os.MkdirTemp(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		m := &machine{
			t: t, path: filepath.Join(run, "teal.db"), generation: map[spec.Name]int64{}, recorded: map[spec.Name]int64{},
			seen: map[string]bool{}, waiting: map[spec.Name]map[string]bool{was: {}, rdb: {}}, effects: map[string]int{},
		}
		m.db, err = Open(m.path, Options{})
		m.must(err)
		defer func() { m.must(m.db.Close()) }()
		t.Repeat(map[string]func(*rapid.T){
			"accept": m.accept, "command": m.command, "pass": m.pass, "go back": m.goBack, "reopen": m.reopen, "": m.check,
		})
	})
}

// The inspection is our own reading of bbolt's format: it must agree with bbolt
// on every sound file, deep trees and long free lists included.
func TestInspectionAgreesWithBboltOnSoundFiles(t *testing.T) {
	path := storePath(t)
	db := open(t, path)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 400).Draw(t, "events")
		size := rapid.IntRange(0, 20_000).Draw(t, "size")
		events := make([]reconcile.Event, n)
		for i := range events {
			events[i].Message = string(make([]byte, size%(i+1)*10))
		}
		if err := db.Note(events...); err != nil {
			t.Fatal(err)
		}
		if err := inspectFile(path); err != nil {
			t.Fatal(err)
		}
	})
}
