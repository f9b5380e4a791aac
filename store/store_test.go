package store

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teal/reconcile"
	"teal/spec"
)

// holdEnv makes the test binary a process that opens the store it names, says
// so on stdout, and keeps it open until stdin ends.
const holdEnv = "TEAL_TEST_HOLD_STORE"

// writeEnv makes it a process that saves to the store it names, and says how
// often, until it is killed.
const writeEnv = "TEAL_TEST_WRITE_STORE"

// compactEnv makes it a process that opens the store it names, which is made
// small by that, and waits to be killed.
const compactEnv = "TEAL_TEST_COMPACT_STORE"

func TestMain(m *testing.M) {
	if path := os.Getenv(compactEnv); path != "" {
		if _, err := Open(path, Options{}); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		time.Sleep(time.Minute)
		os.Exit(1)
	}
	if path := os.Getenv(holdEnv); path != "" {
		os.Exit(hold(path))
	}
	if path := os.Getenv(writeEnv); path != "" {
		fmt.Println(write(path))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func hold(path string) int {
	db, err := Open(path, Options{})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("held")
	if _, err := io.Copy(io.Discard, bufio.NewReader(os.Stdin)); err != nil {
		return 1
	}
	if db.Close() != nil {
		return 1
	}
	return 0
}

func write(path string) error {
	db, err := Open(path, Options{})
	if err != nil {
		return err
	}
	state, _, err := db.Load(was)
	for err == nil {
		state.Record.Rollouts++
		n := fmt.Sprint(state.Record.Rollouts)
		err = db.Save(was, reconcile.Decision{
			Record: state.Record, Events: []reconcile.Event{{App: was, Message: n}}, History: []reconcile.Rollout{{ID: n}},
		})
		fmt.Println(n)
	}
	return err
}

var (
	was = spec.Name{Project: "shop", Service: "was"}
	rdb = spec.Name{Project: "shop", Service: "rdb"}
	t0  = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
)

// project is the desired state of shop: each service with an image.
func project(images map[spec.Name]string) spec.Project {
	p := spec.Project{Name: "shop"}
	for _, name := range []spec.Name{rdb, was} {
		if image, ok := images[name]; ok {
			p.Services = append(p.Services, spec.Service{
				Name: name, Replicas: 1,
				Container: spec.Container{Image: image, Environment: map[string]string{"TZ": "Asia/Seoul"}},
			})
		}
	}
	return p
}

func storePath(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "state", "teal.db")
}

func open(t testing.TB, path string) *DB {
	t.Helper()
	db, err := Open(path, Options{LockTimeout: time.Second})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

func accept(t testing.TB, db *DB, images map[spec.Name]string, prune bool) []reconcile.Accepted {
	t.Helper()
	out, err := db.Accept(project(images), prune, nil, t0)
	if err != nil {
		t.Fatalf("accept: %v", err)
	}
	return out
}

func load(t testing.TB, db *DB, app spec.Name) (reconcile.State, bool) {
	t.Helper()
	state, ok, err := db.Load(app)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return state, ok
}

func save(t testing.TB, db *DB, app spec.Name, d reconcile.Decision) {
	t.Helper()
	if err := db.Save(app, d); err != nil {
		t.Fatalf("save: %v", err)
	}
}

func TestOpenMakesAPrivateStoreThatLasts(t *testing.T) {
	path := storePath(t)
	db := open(t, path)
	accept(t, db, map[spec.Name]string{was: "was:1"}, false)
	for name, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700 | fs.ModeDir, path + ".lock": 0o600} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %s, want %s", name, info.Mode(), want)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	if _, _, err := db.Load(was); err == nil {
		t.Error("a closed store answers")
	}
	again := open(t, path)
	state, ok := load(t, again, was)
	if !ok || state.Desired.Generation != 1 || state.Desired.Service.Container.Image != "was:1" || !state.Desired.Accepted.Equal(t0) {
		t.Errorf("after reopening: %v %+v", ok, state.Desired)
	}
	if state.Record.Name != was {
		t.Errorf("record of an app without one names %v", state.Record.Name)
	}
}

func TestOpenClosesTheFileToOthers(t *testing.T) {
	path := storePath(t)
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	open(t, path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %s", info.Mode())
	}
}

func TestOpenGoesOnAfterACreationThatWasCutShort(t *testing.T) {
	path := storePath(t)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", []byte("half of a st"), 0o600); err != nil {
		t.Fatal(err)
	}
	accept(t, open(t, path), map[spec.Name]string{was: "was:1"}, false)
	if _, err := os.Stat(path + ".new"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the leftover is still there: %v", err)
	}
}

func TestOpenRefusesAFolder(t *testing.T) {
	path := storePath(t)
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := Open(path, Options{})
	if damaged, ok := errors.AsType[*DamagedError](err); !ok || damaged.Path != path {
		t.Errorf("a folder in its place: %v", err)
	}
}

func TestBackupIsAStore(t *testing.T) {
	path := storePath(t)
	db := open(t, path)
	accept(t, db, map[spec.Name]string{was: "was:1", rdb: "mysql:8"}, false)
	save(t, db, was, reconcile.Decision{Record: reconcile.Record{Generation: 1}})
	copied := filepath.Join(t.TempDir(), "copy.db")
	file, err := os.Create(copied)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Backup(file), file.Close()); err != nil {
		t.Fatal(err)
	}
	accept(t, db, map[spec.Name]string{was: "was:2", rdb: "mysql:8"}, false)
	if err := os.WriteFile(keyOf(copied), raw(t, keyOf(path)), 0o600); err != nil {
		t.Fatal(err)
	}
	state, ok := load(t, open(t, copied), was)
	if !ok || state.Desired.Service.Container.Image != "was:1" || state.Record.Generation != 1 {
		t.Errorf("the copy says %v %+v", ok, state)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".backup-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left over: %v %v", left, err)
	}
	if err := db.Backup(refuser{}); !errors.Is(err, errRefused) {
		t.Errorf("a writer that refuses: %v", err)
	}
}

var errRefused = errors.New("refused")

type refuser struct{}

func (refuser) Write([]byte) (int, error) { return 0, errRefused }
