package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"teal/reconcile"
	"teal/spec"
)

func TestDamageWhileOpen(t *testing.T) {
	path, _ := filled(t)
	db, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 2*4096); err != nil { // reading the map beyond faults
		t.Fatal(err)
	}
	var damaged *DamagedError
	for range 2 {
		if _, _, err := db.Load(was); !errors.As(err, &damaged) {
			t.Errorf("load: %v", err)
		}
		if err := db.Note(reconcile.Event{Message: "x"}); !errors.As(err, &damaged) {
			t.Errorf("note: %v", err)
		}
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	if _, _, err := db.Load(was); !errors.As(err, &damaged) {
		t.Errorf("load: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestWritingToAFileThatIsCutMeanwhile(t *testing.T) {
	path, _ := filled(t)
	db, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 0); err != nil { // the meta pages fault in Begin
		t.Fatal(err)
	}
	var damaged *DamagedError
	if err := db.Note(reconcile.Event{Message: "x"}); !errors.As(err, &damaged) {
		t.Errorf("note: %v", err)
	}
	if _, _, err := db.Load(was); !errors.As(err, &damaged) {
		t.Errorf("load: %v", err)
	}
	if err := db.Close(); err == nil {
		t.Error("bbolt holds its locks; a close that says nothing hides that the file is still open")
	}
	kept, err := MoveAside(path)
	if err != nil {
		t.Fatalf("move aside: %v", err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
	open(t, path)
}

func TestABugIsNotTakenForDamage(t *testing.T) {
	db := open(t, storePath(t))
	defer func() {
		if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), "a bug of ours") {
			t.Errorf("recovered %v", r)
		}
		accept(t, db, map[spec.Name]string{was: "was:1"}, false) // nothing is locked
	}()
	err := db.update("test", func(*txn) error { panic("a bug of ours") })
	t.Errorf("returned %v", err)
}

func TestMoveAsideKeepsTheFileAndStartsEmpty(t *testing.T) {
	path, sound := filled(t)
	raw := sound[:len(sound)/2]
	var kept []string
	for range 2 {
		overwrite(t, path, raw)
		name, err := MoveAside(path)
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, name)
	}
	if kept[0] == kept[1] || filepath.Dir(kept[0]) != filepath.Dir(path) {
		t.Errorf("kept as %v", kept)
	}
	for _, name := range kept {
		if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, raw) {
			t.Errorf("%s was not kept as it was: %v", name, err)
		}
	}
	db := open(t, path)
	if apps, err := db.Apps(); err != nil || len(apps) > 0 {
		t.Errorf("the new store has %v, %v", apps, err)
	}
	out, err := db.Accept(project(map[spec.Name]string{was: "was:1"}), false, map[spec.Name]int64{was: 13}, t0)
	if err != nil || out[0].Generation != 14 {
		t.Errorf("generation after a rebuild: %v %v, want 14", out, err)
	}
}

func TestMoveAsideWithoutAStore(t *testing.T) {
	path := storePath(t)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := MoveAside(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// rawGet reads a value below all checks.
func rawGet(t *testing.T, path string, bucket, key []byte) (value []byte) {
	t.Helper()
	b, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	err = b.View(func(tx *bolt.Tx) error {
		value = bytes.Clone(tx.Bucket(bucket).Get(key))
		return nil
	})
	if err := errors.Join(err, b.Close()); err != nil {
		t.Fatal(err)
	}
	return value
}

// rawPut writes a value below all checks, as a newer Teal would.
func rawPut(t *testing.T, path string, bucket, key []byte, version byte, body string) {
	t.Helper()
	b, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	err = b.Update(func(tx *bolt.Tx) error {
		value := append([]byte{version}, binary.BigEndian.AppendUint32(nil, sum(version, key, []byte(body)))...)
		value = append(value, body...)
		return tx.Bucket(bucket).Put(key, value)
	})
	if err := errors.Join(err, b.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestANewerStoreIsRefused(t *testing.T) {
	t.Run("schema", func(t *testing.T) {
		path, _ := filled(t)
		rawPut(t, path, bucketMeta, keySchema, versionPlain, `{"version":3}`)
		if _, err := Open(path, Options{}); !errors.Is(err, ErrNewer) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("value", func(t *testing.T) {
		path, _ := filled(t)
		rawPut(t, path, bucketRecords, []byte(was.String()), versionSealed+1, `{}`)
		if _, err := Open(path, Options{}); !errors.Is(err, ErrNewer) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAStoreOfSomebodyElseIsRefused(t *testing.T) {
	path := storePath(t)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	b, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	var damaged *DamagedError
	if _, err := Open(path, Options{}); !errors.As(err, &damaged) {
		t.Errorf("got %v", err)
	}
}
