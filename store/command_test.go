package store

import (
	"errors"
	"fmt"
	"testing"

	"teal/reconcile"
	"teal/spec"
)

func command(t testing.TB, db *DB, app spec.Name, token string) bool {
	t.Helper()
	fresh, err := db.Command(app, reconcile.Command{Token: token, Verb: reconcile.VerbRetry, At: t0})
	if err != nil {
		t.Fatalf("command %s: %v", token, err)
	}
	return fresh
}

func TestACommandIsQueuedOnceAndAnswered(t *testing.T) {
	path := storePath(t)
	db := open(t, path)
	accept(t, db, map[spec.Name]string{was: "was:1", rdb: "mysql:8"}, false)
	if !command(t, db, was, "a") || !command(t, db, was, "b") {
		t.Fatal("a new command was taken for an old one")
	}
	if command(t, db, was, "a") || command(t, db, rdb, "a") {
		t.Error("a token was taken twice")
	}
	state, _ := load(t, db, was)
	if len(state.Commands) != 2 || state.Commands[0].Token != "a" || state.Commands[1].Token != "b" || state.Commands[0].Verb != reconcile.VerbRetry {
		t.Errorf("waiting: %+v", state.Commands)
	}
	if _, ok, err := db.Answer("a"); ok || err != nil {
		t.Errorf("answered before anybody looked: %v", err)
	}
	save(t, db, was, reconcile.Decision{Taken: map[string]string{"a": "", "b": "no rollout is staged"}})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, path)
	for token, want := range map[string]string{"a": "", "b": "no rollout is staged"} {
		if answer, ok, err := db.Answer(token); !ok || answer != want || err != nil {
			t.Errorf("%s: %q %v %v", token, answer, ok, err)
		}
		if command(t, db, was, token) {
			t.Errorf("%s was taken again after its answer", token)
		}
	}
	if state, _ := load(t, db, was); len(state.Commands) > 0 {
		t.Errorf("still waiting: %+v", state.Commands)
	}
	for _, unknown := range []string{"never", ""} {
		if _, ok, err := db.Answer(unknown); ok || err != nil {
			t.Errorf("%q: %v %v", unknown, ok, err)
		}
	}
}

func TestCommandsThatAreRefused(t *testing.T) {
	db := open(t, storePath(t))
	accept(t, db, map[spec.Name]string{was: "was:1"}, false)
	if _, err := db.Command(rdb, reconcile.Command{Token: "a"}); !errors.Is(err, ErrUnknown) {
		t.Errorf("to an app that is not known: %v", err)
	}
	if _, err := db.Command(was, reconcile.Command{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("without a token: %v", err)
	}
	for i := range maxWaiting {
		command(t, db, was, fmt.Sprint("t", i))
	}
	if _, err := db.Command(was, reconcile.Command{Token: "one more"}); !errors.Is(err, ErrTooMany) {
		t.Errorf("one more than may wait: %v", err)
	}
	for _, token := range []string{"one more", "never"} {
		if err := db.Save(was, reconcile.Decision{Taken: map[string]string{token: ""}}); !errors.Is(err, ErrCommand) {
			t.Errorf("an answer to %q: %v", token, err)
		}
	}
	save(t, db, was, reconcile.Decision{Taken: map[string]string{"t0": ""}})
	if err := db.Save(was, reconcile.Decision{Taken: map[string]string{"t0": ""}}); !errors.Is(err, ErrCommand) {
		t.Errorf("a second answer: %v", err)
	}
	if !command(t, db, was, "one more") {
		t.Error("room was made and not used")
	}
}

func TestAnswersAreBoundedPerApp(t *testing.T) {
	db := open(t, storePath(t))
	accept(t, db, map[spec.Name]string{was: "was:1", rdb: "mysql:8"}, false)
	command(t, db, rdb, "other app")
	save(t, db, rdb, reconcile.Decision{Taken: map[string]string{"other app": ""}})
	command(t, db, was, "first")
	save(t, db, was, reconcile.Decision{Taken: map[string]string{"first": ""}})
	command(t, db, was, "waits")
	for n := 0; n < maxAnswers; n += 100 {
		taken := map[string]string{}
		for i := range 100 {
			token := fmt.Sprint("t", n+i)
			command(t, db, was, token)
			taken[token] = ""
		}
		save(t, db, was, reconcile.Decision{Taken: taken})
	}
	for token, want := range map[string]bool{"first": false, "t0": true, "t999": true, "other app": true} {
		if _, ok, err := db.Answer(token); ok != want || err != nil {
			t.Errorf("%s: %v, want %v (%v)", token, ok, want, err)
		}
	}
	if command(t, db, was, "waits") {
		t.Error("a command that waits was forgotten")
	}
}
