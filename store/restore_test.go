package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// backedUp is a store at a moment, and the copy that was made of it then.
func backedUp(t *testing.T) (path string, copied []byte) {
	t.Helper()
	path = storePath(t)
	db := open(t, path)
	accept(t, db, map[spec.Name]string{was: "was:1", rdb: "mysql:8"}, false)
	save(t, db, was, reconcile.Decision{
		Record: reconcile.Record{
			Generation: 1, Phase: reconcile.Verifying, Rollouts: 4, Stable: &reconcile.Placement{Colour: spec.Blue},
			Hold: &reconcile.Hold{Generation: 1, Message: "it was bad"},
		},
		Events: []reconcile.Event{{At: t0, App: was, Message: "the last one"}},
	})
	if _, err := db.Command(was, reconcile.Command{Token: "undo-1", Verb: reconcile.VerbUndo}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := errors.Join(db.Backup(&out), db.Close()); err != nil {
		t.Fatal(err)
	}
	return path, out.Bytes()
}

func TestRestoreBringsBackWhatABackupCanVouchFor(t *testing.T) {
	path, copied := backedUp(t)
	db := open(t, path)
	accept(t, db, map[spec.Name]string{was: "was:2", rdb: "mysql:8"}, false)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out, err := Restore(path, bytes.NewReader(copied), RestoreOptions{Now: t0.Add(time.Hour)})
	if err != nil || out.Projects != 1 || out.Apps != 2 || !out.Newest.Equal(t0) {
		t.Fatalf("%+v, %v", out, err)
	}
	if kept, err := os.ReadFile(out.Kept); err != nil || !bytes.Equal(kept, before) {
		t.Errorf("what was there is not kept: %v", err)
	}
	db = open(t, path)
	state, ok := load(t, db, was)
	r := state.Record
	if !ok || state.Desired.Service.Container.Image != "was:1" || r.Stable != nil || r.Phase != reconcile.Idle || !r.Restored || r.Hold == nil || r.Rollouts != 4 {
		t.Errorf("%v %+v", ok, state)
	}
	if state, _ := load(t, db, rdb); !state.Record.Restored {
		t.Errorf("an app without a record: %+v", state.Record)
	}
	if answer, ok, err := db.Answer("undo-1"); err != nil || !ok || !strings.Contains(answer, "restored from a backup") || len(state.Commands) > 0 {
		t.Errorf("the command that waited: %q %v %v, %v wait", answer, ok, err, state.Commands)
	}
	events, _, err := db.Events(spec.Name{}, 0, 0)
	if err != nil || len(events) == 0 || events[len(events)-1].Reason != reconcile.ReasonRestored {
		t.Errorf("events %+v, %v", events, err)
	}
	changed, err := db.Accept(project(map[spec.Name]string{was: "was:3", rdb: "mysql:8"}), false, map[spec.Name]int64{was: 7}, t0)
	if err != nil || generationOf(changed, was) != 8 {
		t.Errorf("after labels of generation 7: %+v, %v", changed, err)
	}
}

func generationOf(list []reconcile.Accepted, app spec.Name) int64 {
	for _, a := range list {
		if a.App == app {
			return a.Generation
		}
	}
	return 0
}

func TestAGenerationIsCountedAboveWhatWasFoundAfterARestore(t *testing.T) {
	db := open(t, storePath(t))
	accept(t, db, map[spec.Name]string{was: "was:1"}, false)
	save(t, db, was, reconcile.Decision{Record: reconcile.Record{Generation: 1, Ahead: 7}})
	changed, err := db.Accept(project(map[spec.Name]string{was: "was:2"}), false, nil, t0)
	if err != nil || generationOf(changed, was) != 8 {
		t.Errorf("%+v, %v", changed, err)
	}
}

func TestARestoreThatIsRefusedChangesNothing(t *testing.T) {
	path, copied := backedUp(t)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string][]byte{
		"empty": nil, "cut": copied[:len(copied)/2], "text": []byte("not a backup"),
		"a byte in a value": spoil(t, copied, valueHeader+40, 0x04),
	} {
		_, err := Restore(path, bytes.NewReader(from), RestoreOptions{Now: t0})
		if _, damaged := errors.AsType[*DamagedError](err); !damaged {
			t.Errorf("%s: %v", name, err)
		}
	}
	db := open(t, path)
	var locked *LockedError
	if _, err := Restore(path, bytes.NewReader(copied), RestoreOptions{Now: t0}); !errors.As(err, &locked) {
		t.Errorf("while it is open: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, before) {
		t.Errorf("the store was changed (%v)", err)
	}
	if left, err := filepath.Glob(path + ".*"); err != nil || len(left) != 1 { // the lock
		t.Errorf("left over: %v, %v", left, err)
	}
}

func TestWhatIsTakenAwayWhileItIsOpenIsPutBack(t *testing.T) {
	for name, take := range map[string]func(path string) error{
		"removed": os.Remove,
		"replaced by a file": func(path string) error {
			return errors.Join(os.Remove(path), os.WriteFile(path, []byte("other"), 0o600))
		},
		"replaced by a folder": func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
	} {
		t.Run(name, func(t *testing.T) {
			path := storePath(t)
			db := open(t, path)
			accept(t, db, map[spec.Name]string{was: "was:1"}, false)
			if err := errors.Join(db.Check(), take(path)); err != nil {
				t.Fatal(err)
			}
			accept(t, db, map[spec.Name]string{was: "was:2"}, false)
			var damaged *DamagedError
			for range 2 {
				if err := db.Check(); !errors.As(err, &damaged) || !strings.Contains(err.Error(), "put back") {
					t.Fatalf("check: %v", err)
				}
			}
			if err := db.Note(reconcile.Event{Message: "x"}); !errors.As(err, &damaged) {
				t.Errorf("it still writes: %v", err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if state, ok := load(t, open(t, path), was); !ok || state.Desired.Service.Container.Image != "was:2" {
				t.Errorf("%v %+v", ok, state)
			}
		})
	}
}

func TestDamagedStoresAreListedAndBounded(t *testing.T) {
	path := storePath(t)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	var kept []string
	for range maxDamaged + 2 {
		overwrite(t, path, []byte("damaged"))
		name, err := MoveDamagedAside(path)
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, name)
	}
	list, err := Damaged(path)
	if err != nil || strings.Join(list, " ") != strings.Join(kept[2:], " ") {
		t.Errorf("listed %v, want %v (%v)", list, kept[2:], err)
	}
}
