package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"teal/reconcile"
	"teal/spec"
)

// filled makes a closed store with a tree of several levels, and returns its
// path and content.
func filled(t testing.TB) (string, []byte) {
	t.Helper()
	path := storePath(t)
	db := open(t, path)
	accept(t, db, map[spec.Name]string{was: "was:1", rdb: "mysql:8"}, false)
	for i := range 30 {
		var events []reconcile.Event
		for range 20 {
			events = append(events, reconcile.Event{At: t0, App: was, Message: strings.Repeat("m", 100)})
		}
		save(t, db, was, reconcile.Decision{
			Record: reconcile.Record{Generation: 1, Rollouts: int64(i)}, Events: events,
			History: []reconcile.Rollout{{ID: fmt.Sprint("r-", i), Evidence: &reconcile.Evidence{Test: []string{strings.Repeat("line", 200)}}}},
		})
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, raw
}

func overwrite(t testing.TB, path string, raw []byte) {
	t.Helper()
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDamageIsRefusedAndKept(t *testing.T) {
	path, sound := filled(t)
	zero := func(raw []byte, from, to int) []byte { clear(raw[from:to]); return raw }
	pages := usedPages(t, sound)
	cases := map[string]func(raw []byte) []byte{
		"empty":               func([]byte) []byte { return nil },
		"one byte":            func(raw []byte) []byte { return raw[:1] },
		"cut to half":         func(raw []byte) []byte { return raw[:len(raw)/2] },
		"cut in the used":     func(raw []byte) []byte { return raw[:(pages/2)*4096+100] },
		"metas only":          func(raw []byte) []byte { return raw[:2*4096] },
		"both metas zeroed":   func(raw []byte) []byte { return zero(raw, 0, 2*4096) },
		"all but metas zero":  func(raw []byte) []byte { return zero(raw, 2*4096, len(raw)) },
		"all zero":            func(raw []byte) []byte { return zero(raw, 0, len(raw)) },
		"text":                func([]byte) []byte { return []byte(strings.Repeat("not a database\n", 5000)) },
		"a byte in a value":   func(raw []byte) []byte { return flip(raw, bytes.LastIndex(raw, []byte("mysql:8"))) },
		"a newer-looking bit": func(raw []byte) []byte { return flipVersion(t, raw) },
	}
	for name, damage := range cases {
		t.Run(name, func(t *testing.T) {
			raw := damage(bytes.Clone(sound))
			overwrite(t, path, raw)
			_, err := Open(path, Options{})
			var damaged *DamagedError
			if !errors.As(err, &damaged) {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains(err.Error(), RepairCommand) || !strings.Contains(err.Error(), path) {
				t.Errorf("words: %v", err)
			}
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, raw) {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
}

// flipVersion damages the version byte of the value of rdb's desired state.
func flipVersion(t *testing.T, raw []byte) []byte {
	at := bytes.LastIndex(raw, []byte(`{"generation":1,"accepted"`))
	if at < 0 {
		t.Fatal("no desired state in the file")
	}
	raw[at-valueHeader] = 9
	return raw
}

func flip(raw []byte, at int) []byte {
	raw[at] ^= 0x04
	return raw
}

// usedPages returns how many pages the newest meta page counts.
func usedPages(t *testing.T, raw []byte) int {
	m, err := newestMeta(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return int(m.pages)
}

// Whatever a disk does to a page in use, Open either says that the file is
// damaged, or gives back exactly what was kept; it never panics, hangs, or
// faults. Pages that nothing refers to may say anything.
func TestDamageAnywhere(t *testing.T) {
	path, sound := filled(t)
	want, _ := contents(t, path)
	pages := usedPages(t, sound)
	random := rand.New(rand.NewPCG(1, 2))
	found := 0
	for n := range pages {
		for _, kind := range []string{"zeroed", "garbage", "header", "element", "swapped", "tail"} {
			raw := bytes.Clone(sound)
			page := raw[n*4096 : (n+1)*4096]
			switch kind {
			case "zeroed":
				clear(page)
			case "garbage":
				fill(random, page)
			case "header":
				fill(random, page[8:16])
			case "element":
				fill(random, page[16:48])
			case "swapped":
				copy(page, sound[((n+1)%pages)*4096:][:4096])
			case "tail":
				fill(random, page[2048:])
			}
			overwrite(t, path, raw)
			got, err := contents(t, path)
			var damaged *DamagedError
			switch {
			case errors.As(err, &damaged):
				found++
			case err != nil:
				t.Fatalf("page %d %s: %v", n, kind, err)
			case n < 2: // one meta page lost: the transaction before the last is what is left
			case got != want:
				t.Fatalf("page %d %s: opened, with other content", n, kind)
			}
		}
	}
	if found < 3*pages {
		t.Errorf("only %d of %d cases of damage were found", found, 6*pages)
	}
	t.Logf("%d cases, %d refused", 6*pages, found)
}

func fill(random *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(random.Uint32())
	}
}

// contents opens the store at path and returns all that it says.
func contents(t *testing.T, path string) (string, error) {
	db, err := Open(path, Options{})
	if err != nil {
		return "", err
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	projects, err1 := db.Projects()
	state, _, err2 := db.Load(was)
	events, _, err3 := db.Events(spec.Name{}, 0, 0)
	history, err4 := db.History(was, 0)
	all, err5 := json.Marshal([]any{projects, state, events, history})
	return string(all), errors.Join(err1, err2, err3, err4, err5)
}

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
	err := db.update("test", func(*bolt.Tx) error { panic("a bug of ours") })
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
		rawPut(t, path, bucketMeta, keySchema, valueVersion, `{"version":2}`)
		if _, err := Open(path, Options{}); !errors.Is(err, ErrNewer) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("value", func(t *testing.T) {
		path, _ := filled(t)
		rawPut(t, path, bucketRecords, []byte(was.String()), valueVersion+1, `{}`)
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

func TestALoopInTheTreeEnds(t *testing.T) {
	path, sound := filled(t)
	m, err := newestMeta(bytes.NewReader(sound))
	if err != nil {
		t.Fatal(err)
	}
	root := sound[m.root*4096:]
	order.PutUint16(root[8:], flagBranch)
	order.PutUint16(root[10:], 1)
	order.PutUint32(root[16:], 16)     // pos
	order.PutUint32(root[20:], 1)      // ksize
	order.PutUint64(root[24:], m.root) // itself
	overwrite(t, path, sound)
	var damaged *DamagedError
	if _, err := Open(path, Options{}); !errors.As(err, &damaged) {
		t.Errorf("got %v", err)
	}
}

// bucketRoots returns the offsets in raw of the root page numbers of top-level
// buckets that have pages of their own.
func bucketRoots(t *testing.T, raw []byte) []uint64 {
	t.Helper()
	m, err := newestMeta(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	base := m.root * 4096
	var out []uint64
	for i := range uint64(order.Uint16(raw[base+10:])) {
		at := base + pageHeader + i*elementSize
		value := at + uint64(order.Uint32(raw[at+4:])) + uint64(order.Uint32(raw[at+8:]))
		if order.Uint64(raw[value:]) != 0 {
			out = append(out, value)
		}
	}
	return out
}

func TestPagesThatBboltWouldWriteOverAreFound(t *testing.T) {
	path, sound := filled(t)
	m, err := newestMeta(bytes.NewReader(sound))
	if err != nil {
		t.Fatal(err)
	}
	free := m.freelist*4096 + pageHeader
	roots := bucketRoots(t, sound)
	if order.Uint16(sound[free-6:]) == 0 || len(roots) < 2 {
		t.Fatal("the store has no free page, or not two buckets with pages")
	}
	for name, damage := range map[string]func(raw []byte){
		"is in use twice":              func(raw []byte) { copy(raw[roots[1]:], raw[roots[0]:roots[0]+8]) },
		"is listed as free and is not": func(raw []byte) { order.PutUint64(raw[free:], m.root) },
	} {
		raw := bytes.Clone(sound)
		damage(raw)
		overwrite(t, path, raw)
		_, err := Open(path, Options{})
		var damaged *DamagedError
		if !errors.As(err, &damaged) || !strings.Contains(damaged.Words, name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
