package store

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"teal/reconcile"
	"teal/spec"
)

const hunter = "hunter2-hunter2-hunter2"

// withSecrets makes a store with the word in every kind of value, and returns
// what it says.
func withSecrets(t *testing.T, path string) map[string]any {
	t.Helper()
	db := open(t, path)
	p := project(map[spec.Name]string{was: "was:1", rdb: "mysql:8"})
	for i := range p.Services {
		p.Services[i].Container.Environment["PASSWORD"] = hunter
	}
	if _, err := db.Accept(p, false, nil, t0); err != nil {
		t.Fatal(err)
	}
	container := spec.Container{Image: "was:1", Environment: map[string]string{"PASSWORD": hunter}}
	r := reconcile.Revision{ID: "a", Container: container, Image: reconcile.Image{Ref: "was:1", Digest: "sha256:a"}}
	for n := range 20 {
		save(t, db, was, reconcile.Decision{
			Record:  reconcile.Record{Generation: 1, Rollouts: int64(n), Stable: &reconcile.Placement{Revision: r}},
			Events:  []reconcile.Event{{At: t0, App: was, Message: "it said " + hunter}},
			History: []reconcile.Rollout{{ID: "r-1", Result: reconcile.Succeeded, Revision: r}},
		})
	}
	if _, err := db.Command(was, reconcile.Command{Token: "c", Verb: reconcile.VerbAbort, By: hunter}); err != nil {
		t.Fatal(err)
	}
	said := content(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return said
}

func raw(t *testing.T, path string) []byte {
	t.Helper()
	out, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func keyOf(path string) string { return filepath.Join(filepath.Dir(path), KeyFile) }

func TestNoSecretIsReadableInTheFile(t *testing.T) {
	path := storePath(t)
	said := withSecrets(t, path)
	var copied bytes.Buffer
	db := open(t, path)
	if !reflect.DeepEqual(content(t, db), said) {
		t.Error("opened again it says something else")
	}
	if err := db.Backup(&copied); err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string][]byte{"the store": raw(t, path), "a backup": copied.Bytes()} {
		for _, word := range []string{hunter, "mysql:8", "Asia/Seoul", "stop_grace_period"} {
			if bytes.Contains(text, []byte(word)) {
				t.Errorf("%s holds %q", what, word)
			}
		}
	}
	if info, err := os.Stat(keyOf(path)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", info, err)
	}
}

// older makes the store at path one as Teal wrote it before there were keys.
func older(t *testing.T, path string) {
	t.Helper()
	db := open(t, path)
	err := db.update("make it an old one", func(tx *txn) error {
		if err := reseal(tx, db.key, nil); err != nil {
			return err
		}
		return put(tx.Bucket(bucketMeta), keySchema, schema{Version: 1})
	})
	if err := errors.Join(err, db.closeBolt(), os.Remove(keyOf(path))); err != nil {
		t.Fatal(err)
	}
	db.closed.Store(true)
	if err := db.lock.release(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(raw(t, path), []byte(hunter)) {
		t.Fatal("it is not a plain one")
	}
}

func TestAPlainStoreIsEncryptedByOpen(t *testing.T) {
	path := storePath(t)
	said := withSecrets(t, path)
	older(t, path)
	var log bytes.Buffer
	db, err := Open(path, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(content(t, db), said) {
		t.Error("it says something else")
	}
	if db.traces || !strings.Contains(log.String(), "store was encrypted") {
		t.Errorf("traces %v: %s", db.traces, log.String())
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(raw(t, path), []byte(hunter)) {
		t.Error("a plain value is left in the file")
	}
	if s := string(rawGet(t, path, bucketMeta, keySchema)[valueHeader:]); !strings.Contains(s, `"version":2`) || strings.Contains(s, "traces") {
		t.Errorf("the schema is %s: an older Teal would misread what follows", s)
	}
}

// TestPlainTracesAreRemovedLater: where the file could not be made small at
// once, the next Open does it.
func TestPlainTracesAreRemovedLater(t *testing.T) {
	path := storePath(t)
	said := withSecrets(t, path)
	older(t, path)
	full := &DB{path: path}
	b, err := openBolt(path, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	full.bolt = b
	// As if the process was killed before the compaction.
	if err := errors.Join(full.unlock(keyringOf(path, ""), slog.New(slog.DiscardHandler)), full.closeBolt()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(raw(t, path), []byte(hunter)) {
		t.Fatal("there is no trace that could be removed")
	}
	db := open(t, path)
	if !reflect.DeepEqual(content(t, db), said) {
		t.Error("it says something else")
	}
	if bytes.Contains(raw(t, path), []byte(hunter)) {
		t.Error("a plain value is left in the file")
	}
}

func TestWithoutItsKeyAStoreIsLeftAlone(t *testing.T) {
	path := storePath(t)
	withSecrets(t, path)
	before, key := raw(t, path), raw(t, keyOf(path))
	other := storePath(t)
	withSecrets(t, other)
	wrong := raw(t, keyOf(other))
	for words, spoil := range map[string]func() error{
		"is missing":                       func() error { return os.Remove(keyOf(path)) },
		"is another one":                   func() error { return os.WriteFile(keyOf(path), wrong, 0o600) },
		"is not a host key":                func() error { return os.WriteFile(keyOf(path), []byte("teal-host-key-1 AAAA\n"), 0o600) },
		"may be read by others (mode 0644": func() error { return os.Chmod(keyOf(path), 0o644) },
		"is not a regular file":            func() error { return errors.Join(os.Remove(keyOf(path)), os.Mkdir(keyOf(path), 0o700)) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		_, err := Open(path, Options{})
		refused, ok := errors.AsType[*KeyError](err)
		if !ok || len(refused.Key) != 8 || refused.File != keyOf(path) || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: got %v", words, err)
		}
		if !bytes.Equal(raw(t, path), before) {
			t.Errorf("%s: the store was changed", words)
		}
		if _, err := os.Stat(keyOf(path)); words == "is missing" && !errors.Is(err, fs.ErrNotExist) {
			t.Error("another key was made")
		}
		if err := errors.Join(os.RemoveAll(keyOf(path)), os.WriteFile(keyOf(path), key, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	open(t, path) // with its key all is there
}

// TestANamedKeyIsNeverMade: a credential that the service manager did not bring.
func TestANamedKeyIsNeverMade(t *testing.T) {
	path, name := storePath(t), filepath.Join(t.TempDir(), "credential")
	if _, err := Open(path, Options{KeyFile: name}); err == nil || !strings.Contains(err.Error(), "the host key "+name+" is missing") {
		t.Fatalf("got %v", err)
	}
	open(t, storePath(t)) // makes one that will do
	made := storePath(t)
	if err := open(t, made).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, raw(t, keyOf(made)), 0o400); err != nil {
		t.Fatal(err)
	}
	db, err := Open(path, Options{KeyFile: name})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(keyOf(path)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a second key was made: %v", err)
	}
}

// TestForgedValuesAreDamage: without the key nobody can put a value anywhere,
// not even one that was written elsewhere.
func TestForgedValuesAreDamage(t *testing.T) {
	path := storePath(t)
	withSecrets(t, path)
	sound := raw(t, path)
	key := []byte(was.String())
	for what, forge := range map[string]func(){
		"another app's value": func() {
			rawPut(t, path, bucketDesired, key, versionSealed, string(rawGet(t, path, bucketDesired, []byte(rdb.String()))[valueHeader:]))
		},
		"another bucket's value": func() {
			rawPut(t, path, bucketDesired, key, versionSealed, string(rawGet(t, path, bucketRecords, key)[valueHeader:]))
		},
		"a plain value":          func() { rawPut(t, path, bucketDesired, key, versionPlain, `{"generation":9}`) },
		"a short value":          func() { rawPut(t, path, bucketDesired, key, versionSealed, "short") },
		"a schema without a key": func() { rawPut(t, path, bucketMeta, keySchema, versionPlain, `{"version":1}`) },
	} {
		overwrite(t, path, sound)
		forge()
		if _, err := Open(path, Options{}); !isDamaged(err) {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

func isDamaged(err error) bool {
	_, ok := errors.AsType[*DamagedError](err)
	return ok
}

// TestARestoreNeedsTheKeyOfTheBackup: here, on another machine, and of a backup
// from before there were keys.
func TestARestoreNeedsTheKeyOfTheBackup(t *testing.T) {
	from := storePath(t)
	withSecrets(t, from)
	copied, key := raw(t, from), keyOf(from)
	id, err := CheckCopy(from)
	if err != nil || len(id) != 8 {
		t.Fatalf("the copy's key is %q, %v", id, err)
	}
	to := storePath(t)
	restore := func(from []byte, backupKey string) error {
		_, err := Restore(to, bytes.NewReader(from), RestoreOptions{Now: t0, BackupKey: backupKey})
		return err
	}
	left := func() (names []string) {
		entries, err := os.ReadDir(filepath.Dir(to))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	for _, backupKey := range []string{"", filepath.Join(t.TempDir(), "none")} {
		err := restore(copied, backupKey)
		refused, ok := errors.AsType[*KeyError](err)
		if !ok || refused.Key != id || !strings.Contains(err.Error(), "the backup is encrypted with the host key "+id) {
			t.Errorf("got %v", err)
		}
		if slices.Contains(left(), "teal.db") || slices.Contains(left(), KeyFile) || slices.Contains(left(), "teal.db.new") {
			t.Errorf("a restore that was refused left %q", left())
		}
	}
	if err := restore(copied, key); err != nil {
		t.Fatal(err)
	}
	db := open(t, to)
	if state, ok := load(t, db, was); !ok || state.Desired.Service.Container.Environment["PASSWORD"] != hunter || db.key.id == id {
		t.Errorf("%v %+v with the key %s", ok, state, db.key.id)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	older(t, from)
	if err := restore(raw(t, from), ""); err != nil {
		t.Fatal(err)
	}
	db = open(t, to)
	if state, ok := load(t, db, was); !ok || state.Desired.Service.Container.Environment["PASSWORD"] != hunter {
		t.Errorf("%v %+v", ok, state)
	}
	if bytes.Contains(raw(t, to), []byte(hunter)) {
		t.Error("a plain value of the backup is left in the file")
	}
}
