package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
		"a byte in a value":   func(raw []byte) []byte { return spoil(t, raw, valueHeader+40, 0x04) },
		"a newer-looking bit": func(raw []byte) []byte { return spoil(t, raw, 0, 0x0b) },
	}
	for name, damage := range cases {
		t.Run(name, func(t *testing.T) {
			raw := damage(bytes.Clone(sound))
			overwrite(t, path, raw)
			_, err := Open(path, Options{})
			if _, ok := errors.AsType[*DamagedError](err); !ok {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains(err.Error(), "moves it aside and builds the records anew") || !strings.Contains(err.Error(), path) {
				t.Errorf("words: %v", err)
			}
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, raw) {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
}

// spoil flips bits of a byte of the value of rdb's desired state, on whatever
// pages it stands.
func spoil(t *testing.T, raw []byte, at int, bits byte) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy")
	overwrite(t, path, raw)
	value := rawGet(t, path, bucketDesired, []byte(rdb.String()))
	changed := bytes.Clone(value)
	changed[at] ^= bits
	return bytes.ReplaceAll(raw, value, changed)
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
