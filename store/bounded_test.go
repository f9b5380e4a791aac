package store

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"teal/reconcile"
	"teal/spec"
)

// failed is a rollout with evidence of ordinary length.
func failed(n int) reconcile.Rollout {
	logs := make([]string, 50)
	for i := range logs {
		logs[i] = fmt.Sprintf("2026-11-22T12:00:00Z %d/%d a line of a log of ordinary length, as applications write them", n, i)
	}
	return reconcile.Rollout{
		ID: fmt.Sprint("r-", n), Result: reconcile.Failed, Revision: revision(fmt.Sprint(n)),
		Evidence: &reconcile.Evidence{Containers: []reconcile.ContainerEvidence{{Name: "web-1", Logs: logs}}},
	}
}

// want makes image the wish of apps of one project.
func want(t *testing.T, db *DB, image string, apps ...spec.Name) []reconcile.Accepted {
	t.Helper()
	p := spec.Project{Name: apps[0].Project}
	for _, app := range apps {
		p.Services = append(p.Services, spec.Service{Name: app, Container: spec.Container{Image: image}, Replicas: 1})
	}
	out, err := db.Accept(p, false, nil, t0)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// year is what an app does in a long time: rollouts that succeed and fail, with
// their events, an edit and a command each.
func year(t *testing.T, db *DB, app spec.Name, from, rollouts int) {
	t.Helper()
	for n := from; n < from+rollouts; n += 10 {
		want(t, db, fmt.Sprint("was:", n), app)
		token := fmt.Sprintf("%s-%d", app.Service, n)
		if _, err := db.Command(app, reconcile.Command{Token: token, Verb: reconcile.VerbRetry}); err != nil {
			t.Fatal(err)
		}
		d := reconcile.Decision{Record: reconcile.Record{Generation: int64(n), Rollouts: int64(n)}, Taken: map[string]string{token: ""}}
		for i := range 10 {
			d.History = append(d.History, failed(n+i), reconcile.Rollout{ID: fmt.Sprint("s-", n+i), Result: reconcile.Succeeded, Revision: revision(fmt.Sprint(n + i))})
			for _, reason := range []reconcile.Reason{reconcile.ReasonRolloutStarted, reconcile.ReasonVerified, reconcile.ReasonSwitched, reconcile.ReasonRolledBack} {
				d.Events = append(d.Events, reconcile.Event{At: t0, App: app, Reason: reason, Message: strings.Repeat("what happened ", 10)})
			}
		}
		save(t, db, app, d)
	}
}

// Years of work make the file as large as some months do: the figures are in
// docs/operations.md.
func TestTheFileIsBounded(t *testing.T) {
	path := storePath(t)
	db := open(t, path)
	apps := []spec.Name{{Project: "shop", Service: "a"}, {Project: "shop", Service: "b"}, {Project: "shop", Service: "c"}}
	var sizes []Size
	for period := range 3 {
		for _, app := range apps {
			year(t, db, app, 1+period*500, 500)
		}
		size, err := db.Size()
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, size)
	}
	t.Logf("after each 3,000 rollouts: %+v", sizes)
	last, first := sizes[len(sizes)-1], sizes[0]
	if last.File > first.File*5/4 {
		t.Errorf("the file went on growing: %+v", sizes)
	}
	if last.File > 32<<20 {
		t.Errorf("the file has %d bytes", last.File)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != last.File {
		t.Errorf("Size says %d bytes, the file has %d (%v)", last.File, info.Size(), err)
	}
}

// CI makes a project for each branch, and removes it: what is left of each is
// bounded too.
func TestAppsThatAreGoneForLongLeaveNothingButTheirCount(t *testing.T) {
	db := open(t, storePath(t))
	app := func(n int) spec.Name { return spec.Name{Project: "branch", Service: fmt.Sprint("app-", n)} }
	const more = 20
	for n := range maxGoneHistory + more {
		token := fmt.Sprint("token-", n)
		want(t, db, "was:1", app(n))
		if _, err := db.Command(app(n), reconcile.Command{Token: token, Verb: reconcile.VerbRetry}); err != nil {
			t.Fatal(err)
		}
		save(t, db, app(n), reconcile.Decision{Record: reconcile.Record{Generation: 1}, History: []reconcile.Rollout{failed(n)}, Taken: map[string]string{token: "no"}})
		if _, err := db.Remove("branch", t0); err != nil {
			t.Fatal(err)
		}
		save(t, db, app(n), reconcile.Decision{Gone: true})
	}
	for n, want := range map[int]int{0: 0, more - 1: 0, more: 1, maxGoneHistory + more - 1: 1} {
		history, err := db.History(app(n), 0)
		if err != nil || len(history) != want {
			t.Errorf("app %d has %d rollouts in its history, want %d (%v)", n, len(history), want, err)
		}
		if _, known, err := db.Answer(fmt.Sprint("token-", n)); err != nil || known != (want == 1) {
			t.Errorf("the answer to app %d's command: known %t, %v", n, known, err)
		}
	}
	if got := want(t, db, "was:1", app(0)); got[0].Generation <= 2 {
		t.Errorf("an app that came back begins at generation %d", got[0].Generation)
	}
	// It is back: what it does now stays, however many others go.
	save(t, db, app(0), reconcile.Decision{Record: reconcile.Record{Generation: 3}, History: []reconcile.Rollout{failed(1)}})
	other := spec.Name{Project: "other", Service: "x"}
	save(t, db, other, reconcile.Decision{Record: reconcile.Record{Generation: 1}})
	save(t, db, other, reconcile.Decision{Gone: true})
	if history, err := db.History(app(0), 0); err != nil || len(history) != 1 {
		t.Errorf("the history of an app that is back: %d rollouts, %v", len(history), err)
	}
}

func TestALongMessageIsCut(t *testing.T) {
	db := open(t, storePath(t))
	if err := db.Note(reconcile.Event{Message: strings.Repeat("ä", 1<<20)}); err != nil {
		t.Fatal(err)
	}
	events, _, err := db.Events(spec.Name{}, 0, 0)
	if err != nil || len(events) != 1 || len(events[0].Message) > maxMessage+8 || !strings.HasSuffix(events[0].Message, "ä…") {
		t.Errorf("%d events, message of %d bytes, %v", len(events), len(events[0].Message), err)
	}
}
