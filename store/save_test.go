package store

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"teal/reconcile"
	"teal/spec"
)

func revision(id string) reconcile.Revision {
	return reconcile.Revision{ID: id, Container: spec.Container{Image: "was:" + id}}
}

func TestSaveKeepsTheRecord(t *testing.T) {
	db := open(t, storePath(t))
	accept(t, db, map[spec.Name]string{was: "was:1"}, false)
	want := reconcile.Record{
		Name: was, Generation: 1, Phase: reconcile.Verifying, PhaseSince: t0, Rollouts: 3,
		Stable: &reconcile.Placement{Colour: spec.Blue, Revision: revision("a"), Since: t0},
		Hold:   &reconcile.Hold{Generation: 1, Reason: reconcile.ReasonUnhealthy, Evidence: &reconcile.Evidence{At: t0, Test: []string{"line"}}},
	}
	save(t, db, was, reconcile.Decision{Record: want})
	if state, _ := load(t, db, was); !reflect.DeepEqual(state.Record, want) {
		t.Errorf("got %+v, want %+v", state.Record, want)
	}
	if _, ok := load(t, db, spec.Name{Project: "shop", Service: "nothing"}); ok {
		t.Error("an app that nobody knows is known")
	}
	if err := db.Save(was, reconcile.Decision{Record: reconcile.Record{Name: rdb, Generation: 1}}); !errors.Is(err, ErrInvalid) {
		t.Errorf("another app's record: %v", err)
	}
}

func TestSaveRefusesAGenerationThatGoesBack(t *testing.T) {
	db := open(t, storePath(t))
	save(t, db, was, reconcile.Decision{Record: reconcile.Record{Generation: 5}})
	err := db.Save(was, reconcile.Decision{
		Record: reconcile.Record{Generation: 4}, Events: []reconcile.Event{{Message: "lost with it"}},
	})
	if !errors.Is(err, ErrGeneration) {
		t.Errorf("got %v", err)
	}
	if state, _ := load(t, db, was); state.Record.Generation != 5 {
		t.Errorf("generation %d", state.Record.Generation)
	}
	if events, _, err := db.Events(spec.Name{}, 0, 0); err != nil || len(events) > 0 {
		t.Errorf("half of a refused decision was kept: %v %v", events, err)
	}
}

func TestSaveOfNothingNewTouchesNoDisk(t *testing.T) {
	path := storePath(t)
	db := open(t, path)
	accept(t, db, map[spec.Name]string{was: "was:1"}, false)
	record := reconcile.Record{Name: was, Generation: 1, PhaseSince: t0}
	save(t, db, was, reconcile.Decision{Record: record})
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	save(t, db, was, reconcile.Decision{Record: record, Taken: map[string]string{}})
	accept(t, db, map[spec.Name]string{was: "was:1"}, false)
	after, err := os.ReadFile(path)
	if err != nil || string(before) != string(after) {
		t.Errorf("the file was written (%v)", err)
	}
}

func TestGoneForgetsAllButHistoryEventsAndTheCount(t *testing.T) {
	db := open(t, storePath(t))
	accept(t, db, map[spec.Name]string{was: "was:1", rdb: "mysql:8"}, false)
	save(t, db, rdb, reconcile.Decision{
		Record: reconcile.Record{Generation: 1}, Events: []reconcile.Event{{App: rdb, Message: "came"}},
		History: []reconcile.Rollout{{ID: "r-1"}},
	})
	if _, err := db.Command(rdb, reconcile.Command{Token: "late"}); err != nil {
		t.Fatal(err)
	}
	if err := db.Save(rdb, reconcile.Decision{Gone: true}); !errors.Is(err, ErrWanted) {
		t.Errorf("an app that is wanted was forgotten: %v", err)
	}
	accept(t, db, map[spec.Name]string{was: "was:1"}, true)
	save(t, db, rdb, reconcile.Decision{Gone: true, Events: []reconcile.Event{{App: rdb, Message: "went"}}})

	if state, ok := load(t, db, rdb); ok {
		t.Errorf("still known: %+v", state)
	}
	if apps, err := db.Apps(); err != nil || !reflect.DeepEqual(apps, []spec.Name{was}) {
		t.Errorf("apps: %v %v", apps, err)
	}
	if h, err := db.History(rdb, 0); err != nil || len(h) != 1 {
		t.Errorf("history: %v %v", h, err)
	}
	if e, _, err := db.Events(rdb, 0, 0); err != nil || len(e) != 2 {
		t.Errorf("events: %v %v", e, err)
	}
	if answer, ok, err := db.Answer("late"); err != nil || !ok || answer == "" {
		t.Errorf("whoever waits for the command waits for ever: %q %v %v", answer, ok, err)
	}
	if out := accept(t, db, map[spec.Name]string{was: "was:1", rdb: "mysql:8"}, false); out[0].Generation != 3 || !out[0].Changed {
		t.Errorf("came back as %+v, want generation 3 after 1 and the pruning's 2", out[0])
	}
	if state, _ := load(t, db, rdb); len(state.Commands) > 0 || state.Record.Generation != 0 {
		t.Errorf("came back with %+v", state)
	}
}

func TestPreviousIsTheNewestOtherStableThatCanBeMade(t *testing.T) {
	rollout := func(id string, result reconcile.Result) reconcile.Rollout {
		return reconcile.Rollout{ID: "r-" + id, Colour: spec.Green, Revision: revision(id), Result: result, Generation: 2, Ended: t0}
	}
	unknown := rollout("labels", reconcile.Adopted)
	unknown.Revision = reconcile.Revision{ID: "labels"}
	cases := []struct {
		name    string
		history []reconcile.Rollout
		stable  string
		want    string
	}{
		{"no history", nil, "a", ""},
		{"only stable itself", []reconcile.Rollout{rollout("a", reconcile.Succeeded)}, "a", ""},
		{"the one before", []reconcile.Rollout{rollout("a", reconcile.Succeeded), rollout("b", reconcile.Succeeded)}, "b", "a"},
		{"the newest of two", []reconcile.Rollout{rollout("a", reconcile.Succeeded), rollout("b", reconcile.Succeeded), rollout("c", reconcile.Succeeded)}, "c", "b"},
		{"after an undo", []reconcile.Rollout{rollout("a", reconcile.Succeeded), rollout("b", reconcile.Succeeded), rollout("a", reconcile.Succeeded)}, "a", "b"},
		{"not what failed", []reconcile.Rollout{rollout("a", reconcile.Succeeded), rollout("b", reconcile.Failed), rollout("c", reconcile.RolledBack), rollout("d", reconcile.Superseded)}, "e", "a"},
		{"what was adopted", []reconcile.Rollout{rollout("a", reconcile.Adopted)}, "b", "a"},
		{"not what only labels know", []reconcile.Rollout{rollout("a", reconcile.Succeeded), unknown}, "b", "a"},
		{"without a stable", []reconcile.Rollout{rollout("a", reconcile.Succeeded)}, "", "a"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			db := open(t, storePath(t))
			rec := reconcile.Record{Name: was}
			if c.stable != "" {
				rec.Stable = &reconcile.Placement{Revision: revision(c.stable)}
			}
			save(t, db, was, reconcile.Decision{Record: rec, History: c.history})
			state, _ := load(t, db, was)
			if c.want == "" {
				if state.Previous != nil {
					t.Errorf("got %+v", state.Previous)
				}
				return
			}
			want := reconcile.Placement{Colour: spec.Green, Revision: revision(c.want), Generation: 2, Rollout: "r-" + c.want, Since: t0}
			if state.Previous == nil || !reflect.DeepEqual(*state.Previous, want) {
				t.Errorf("got %+v, want %+v", state.Previous, want)
			}
		})
	}
}

func TestHistoryIsBoundedAndNewestFirst(t *testing.T) {
	db := open(t, storePath(t))
	logs := make([]string, maxLogLines+20)
	for i := range logs {
		logs[i] = fmt.Sprint("line ", i)
	}
	logs[len(logs)-1] = strings.Repeat("é", maxLogLine)
	for i := range maxHistory + 7 {
		r := reconcile.Rollout{ID: fmt.Sprint("r-", i), Result: reconcile.Succeeded, Revision: revision("a"), Evidence: &reconcile.Evidence{
			At: t0, Containers: []reconcile.ContainerEvidence{{Name: "c", ExitCode: 137, Logs: logs}}, Test: logs,
		}}
		save(t, db, was, reconcile.Decision{Record: reconcile.Record{Rollouts: int64(i)}, History: []reconcile.Rollout{r}})
	}
	all, err := db.History(was, 0)
	if err != nil || len(all) != maxHistory || all[0].ID != "r-56" || all[maxHistory-1].ID != "r-7" {
		t.Fatalf("%d rollouts, %s first: %v", len(all), all[0].ID, err)
	}
	if state, _ := load(t, db, was); state.Previous == nil || state.Previous.Rollout != "r-56" {
		t.Errorf("previous is %+v", state.Previous)
	}
	if few, err := db.History(was, 3); err != nil || len(few) != 3 || few[2].ID != "r-54" {
		t.Errorf("limited: %v %v", few, err)
	}
	kept := all[0].Evidence.Containers[0]
	if len(kept.Logs) != maxLogLines || kept.Logs[0] != "line 20" || kept.ExitCode != 137 || len(all[0].Evidence.Test) != maxLogLines {
		t.Errorf("evidence: %d lines, first %q", len(kept.Logs), kept.Logs[0])
	}
	if last := kept.Logs[maxLogLines-1]; len(last) > maxLogLine+len("…") || strings.ContainsRune(last, '�') {
		t.Errorf("the last line has %d bytes", len(last))
	}
	if len(logs[len(logs)-1]) != 2*maxLogLine {
		t.Error("the caller's evidence was cut")
	}
}

func TestEventsAreNumberedAndBounded(t *testing.T) {
	path := storePath(t)
	db := open(t, path)
	note := func(app spec.Name, n int) {
		events := make([]reconcile.Event, n)
		for i := range events {
			events[i] = reconcile.Event{At: t0.Add(time.Duration(i)), App: app, Reason: reconcile.ReasonHeld}
		}
		if err := db.Note(events...); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(app spec.Name, after uint64, limit, want int, wantLast uint64) {
		t.Helper()
		got, last, err := db.Events(app, after, limit)
		if err != nil || len(got) != want || last != wantLast {
			t.Errorf("events of %v after %d, %d of them: got %d, last %d, %v; want %d, last %d", app, after, limit, len(got), last, err, want, wantLast)
		}
	}
	ask(spec.Name{}, 0, 0, 0, 0)
	note(was, 3)
	note(rdb, 2)
	ask(spec.Name{}, 0, 0, 5, 5)
	ask(was, 0, 0, 3, 5) // looked at all five: the next question need not
	ask(was, 0, 2, 2, 2)
	ask(was, 2, 2, 1, 5)
	ask(rdb, 0, 1, 1, 4)
	ask(rdb, 4, 0, 1, 5)
	ask(rdb, 5, 0, 0, 5)
	ask(rdb, 900, 0, 0, 5) // asked with a number of an earlier store
	note(was, maxEvents)
	ask(spec.Name{}, 0, 0, maxEvents, maxEvents+5)
	ask(rdb, 0, 0, 0, maxEvents+5)
	if err := db.Note(); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, path)
	note(rdb, 1)
	ask(rdb, maxEvents+5, 0, 1, maxEvents+6)
}

func TestPreviousIsForgottenWithItsRollout(t *testing.T) {
	db := open(t, storePath(t))
	history := []reconcile.Rollout{{ID: "r-1", Result: reconcile.Succeeded, Revision: revision("a")}}
	for range maxHistory {
		history = append(history, reconcile.Rollout{Result: reconcile.Failed, Revision: revision("b")})
	}
	save(t, db, was, reconcile.Decision{History: history[:maxHistory]})
	if state, _ := load(t, db, was); state.Previous == nil || state.Previous.Rollout != "r-1" {
		t.Errorf("previous is %+v", state.Previous)
	}
	save(t, db, was, reconcile.Decision{History: history[maxHistory:]})
	if state, _ := load(t, db, was); state.Previous != nil {
		t.Errorf("previous is %+v, of a rollout that is not kept", state.Previous)
	}
}
