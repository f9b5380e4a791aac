package store

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// bloated makes a store of which most is free pages: a history with long
// evidence was pushed out by one without.
func bloated(t *testing.T, path string) {
	t.Helper()
	db := open(t, path)
	apps := map[spec.Name]string{}
	for n := range 20 {
		apps[spec.Name{Project: "shop", Service: fmt.Sprint("app-", n)}] = "was:1"
	}
	want(t, db, "was:1", slices.Collect(maps.Keys(apps))...)
	var long, short []reconcile.Rollout
	for n := range maxHistory {
		long = append(long, failed(n))
		short = append(short, reconcile.Rollout{ID: fmt.Sprint("r-", n), Result: reconcile.Succeeded, Revision: revision(fmt.Sprint(n))})
	}
	for _, history := range [][]reconcile.Rollout{long, short} {
		for app := range apps {
			save(t, db, app, reconcile.Decision{
				Record: reconcile.Record{Generation: 1}, History: history, Events: []reconcile.Event{{App: app, Message: "kept"}},
			})
		}
	}
	if size, err := db.Size(); err != nil || size.Free < size.File/2 || size.File < compactFrom {
		t.Fatalf("the file is not bloated: %+v, %v", size, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// content is all that a store says.
func content(t *testing.T, db *DB) map[string]any {
	t.Helper()
	apps, err := db.Apps()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	for _, app := range apps {
		state, _ := load(t, db, app)
		history, err := db.History(app, 0)
		if err != nil {
			t.Fatal(err)
		}
		out[app.String()] = []any{state, history}
	}
	events, last, err := db.Events(spec.Name{}, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	out["events"] = []any{events, last}
	return out
}

// bloatedTwice is a bloated store, and what it says: the one that is opened is
// made small, so it is asked as a copy.
func bloatedTwice(t *testing.T) (path string, raw []byte, said map[string]any) {
	t.Helper()
	path = storePath(t)
	bloated(t, path)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	db, err := openChecked(path, keyringOf(path, ""), Options{LockTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	said = content(t, db)
	if err := db.closeBolt(); err != nil {
		t.Fatal(err)
	}
	return path, raw, said
}

func TestAStoreThatIsMostlyFreePagesIsMadeSmallByOpen(t *testing.T) {
	path, raw, said := bloatedTwice(t)
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	db, err := Open(path, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	size, err := db.Size()
	if err != nil || size.File > int64(len(raw))/4 || size.Free > size.File/2 {
		t.Errorf("%d bytes became %+v (%v)\n%s", len(raw), size, err, log.String())
	}
	t.Logf("%d bytes became %d", len(raw), size.File)
	if !reflect.DeepEqual(content(t, db), said) {
		t.Error("the small store says something else")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != fileMode {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if !strings.Contains(log.String(), "store was compacted") {
		t.Errorf("nobody was told: %s", log.String())
	}
	save(t, db, was, reconcile.Decision{Record: reconcile.Record{Generation: 1}})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	log.Reset()
	if db, err = Open(path, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}); err != nil || log.Len() > 0 {
		t.Fatalf("again: %v %s", err, log.String())
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// Where there is no room for a copy, the store is used as it is.
func TestAStoreThatCannotBeMadeSmallIsUsedAsItIs(t *testing.T) {
	path := storePath(t)
	bloated(t, path)
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	// A folder that is not empty stands where the copy would be.
	blocker := filepath.Join(compactName(path), "x")
	if err := os.MkdirAll(blocker, 0o700); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	compact(path, Options{LockTimeout: time.Second, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if !strings.Contains(log.String(), "store was not compacted") {
		t.Errorf("nobody was told: %s", log.String())
	}
	if after, err := os.Stat(path); err != nil || after.Size() != before.Size() {
		t.Errorf("the store was touched: %d, was %d (%v)", after.Size(), before.Size(), err)
	}
}

// A process is killed while it makes the store small, at another moment each
// time: the store is whole, says the same, and nothing is left beside it.
func TestAKilledCompactionLosesNothing(t *testing.T) {
	path, raw, said := bloatedTwice(t)
	halfway, done := 0, 0
	for round := range 12 {
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), compactEnv+"="+path)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// The copy appears, grows and takes the store's place: kill at each stage.
		killWhen(t, cmd, path, int64(len(raw)), round)
		if _, err := os.Stat(compactName(path)); err == nil {
			halfway++
		} else {
			done++
		}
		db, err := Open(path, Options{LockTimeout: 10 * time.Second})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if !reflect.DeepEqual(content(t, db), said) {
			t.Errorf("round %d: the store says something else", round)
		}
		if _, err := os.Stat(compactName(path)); err == nil {
			t.Errorf("round %d: the copy was left", round)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("killed in the middle %d times, before or after %d times", halfway, done)
	if halfway == 0 {
		t.Error("no kill hit the middle")
	}
}

// killWhen kills cmd when its copy has come as far as round says, in twelfths of
// a copy of a fifth of the store, or when the store was replaced.
func killWhen(t *testing.T, cmd *exec.Cmd, path string, size int64, round int) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for limit := time.Now().Add(time.Minute); time.Now().Before(limit); time.Sleep(100 * time.Microsecond) {
		grown, errCopy := fileSize(compactName(path))
		now, errStore := fileSize(path)
		if errCopy == nil && grown >= size/5*int64(round)/12 || errStore == nil && now < size {
			break
		}
		select {
		case err := <-ended:
			t.Fatalf("round %d: it ended by itself: %v", round, err)
		default:
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Fatalf("round %d: the killed process ended well", round)
	}
}
