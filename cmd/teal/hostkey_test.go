package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"teal/store"
)

// TestWithoutTheHostKey: the controller does not start, says which key it needs
// and what to do, and changes nothing.
func TestWithoutTheHostKey(t *testing.T) {
	state := t.TempDir()
	path, key := filepath.Join(state, databaseFile), filepath.Join(state, store.KeyFile)
	db, err := store.Open(path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	copied, err := os.Create(filepath.Join(t.TempDir(), "backup"))
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{db.Backup(copied), copied.Close(), db.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	id, err := store.CheckCopy(path)
	if err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(t.TempDir(), "kept.key")
	if err := os.Rename(key, kept); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) result {
		t.Helper()
		return teal(t, filepath.Join(state, "sock"), append(args, "--state", state)...)
	}
	wants := func(r result, code int, words ...string) {
		t.Helper()
		for _, w := range words {
			if r.code != code || !strings.Contains(r.out+r.err, w) {
				t.Errorf("%+v\ndoes not end with %d and say %q", r, code, w)
			}
		}
	}
	wants(run("run", "--http", "127.0.0.1:0"), exitFailed, "host key "+id, key+" is missing", "goes on without the controller", "put the key "+id+" back", "teal run --rebuild")
	wants(run("run", "--http", "127.0.0.1:0", "--host-key", kept+".none"), exitFailed, kept+".none is missing")
	wants(run("restore", copied.Name()), exitBadInput, "the backup is encrypted with the host key "+id, "nothing was changed", "--backup-key FILE")
	if list, err := filepath.Glob(path + ".*-*"); err != nil || len(list) > 0 {
		t.Errorf("moved aside: %q, %v", list, err)
	}
	if _, err := os.Stat(key); err == nil {
		t.Error("another key was made")
	}
	wants(run("restore", copied.Name(), "--backup-key", kept), exitDone, "restored 0 projects")
	if now, err := store.CheckCopy(path); err != nil || now == id {
		t.Errorf("the restored records have the key %s, %v; the backup had %s", now, err, id)
	}
}
