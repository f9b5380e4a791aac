package source

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestSymlinkSwap(t *testing.T) {
	dir := t.TempDir()
	for _, v := range []string{"1", "2"} {
		if err := os.Mkdir(filepath.Join(dir, "..v"+v), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "..v"+v, "compose.yaml"), "begin a="+v)
	}
	link := func(to, name string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("..v1", "..data")
	link("..data/compose.yaml", "compose.yaml")
	w := watch(t, filepath.Join(dir, "compose.yaml"), slowPoll)
	w.wants("a=1")
	link("..v2", "..data_tmp")
	rename(t, filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data"))
	w.wants("a=1", "a=2")
	write(t, filepath.Join(dir, "..v2", "compose.yaml"), "begin a=3") // behind the link
	w.wants("a=1", "a=2", "a=3")
}

func TestFolderGoesAndReturns(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "conf")
	path := filepath.Join(dir, "compose.yaml")
	w := watch(t, path, 50*time.Millisecond)
	w.wants("error")
	for i := range 3 {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, path, "begin a="+fmt.Sprint(i))
		var want []string
		for j := range i + 1 {
			want = append(want, "error", "a="+fmt.Sprint(j))
		}
		w.wants(want...)
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		w.wants(append(want, "error")...)
	}
}

func TestPollingAloneSuffices(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "compose.yaml")
	write(t, path, "begin a=1")
	var got []string
	r := &reader{
		opts: Options{Files: []string{path}, Load: load(path), Quiet: 1, Poll: time.Second, Patience: time.Second},
		emit: func(u Update) { got = append(got, u.Project.Services[0].Container.Image) },
	}
	now := time.Now()
	next := r.look(t.Context(), now)
	write(t, path, "begin a=2")
	if !next.Equal(now.Add(time.Second)) {
		t.Errorf("looks again after %s, want 1s", next.Sub(now))
	}
	r.look(t.Context(), next)
	if fmt.Sprint(got) != "[1 2]" {
		t.Errorf("said %v", got)
	}
}

func TestDebounceEndsInAFolderThatIsNeverQuiet(t *testing.T) {
	d := debounce{quiet: 25 * time.Millisecond, longest: 200 * time.Millisecond}
	start := time.Now()
	for i := range 100 {
		d.event(start.Add(time.Duration(i) * 10 * time.Millisecond))
	}
	if got := d.sooner(start.Add(time.Hour)).Sub(start); got != 200*time.Millisecond {
		t.Errorf("reads after %s, want 200ms", got)
	}
}

func TestPipeIsNotOpened(t *testing.T) {
	if _, err := fingerprint("/dev/zero"); err == nil {
		t.Error("/dev/zero was read")
	}
}

func TestNoFiles(t *testing.T) {
	if _, err := NewFile(Options{}); err == nil {
		t.Error("a source without files was made")
	}
}
