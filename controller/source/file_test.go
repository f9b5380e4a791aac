package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teal/spec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// load is a tiny format: one service per line, "env FILE" reads another file,
// the last line must be "end".
func load(path string) func(context.Context) (*spec.Project, error) {
	return func(context.Context) (*spec.Project, error) {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		p := &spec.Project{Name: "p", Source: spec.Source{Files: []string{path}, Inputs: []string{path}}}
		lines := strings.Fields(string(b))
		if len(lines) == 0 || lines[0] != "begin" {
			return nil, errors.New("file is not whole")
		}
		for _, line := range lines[1:] {
			image := line
			if in, ok := strings.CutPrefix(line, "env:"); ok {
				in = filepath.Join(filepath.Dir(path), in)
				env, err := os.ReadFile(in)
				if err != nil {
					return nil, err
				}
				p.Source.Inputs = append(p.Source.Inputs, in)
				image = string(env)
			}
			name, img, _ := strings.Cut(image, "=")
			p.Services = append(p.Services, spec.Service{Name: spec.Name{Project: "p", Service: name}, Container: spec.Container{Image: img}})
		}
		return p, nil
	}
}

// watched runs a source and collects what it says.
type watched struct {
	t    *testing.T
	path string
	mu   sync.Mutex
	got  []string
}

func watch(t *testing.T, path string, poll time.Duration) *watched {
	t.Helper()
	f, err := NewFile(Options{Files: []string{path}, Load: load(path), Poll: poll, Patience: 400 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{t: t, path: path}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := f.Run(ctx, w.add); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return w
}

func (w *watched) add(u Update) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if u.Err != nil {
		w.got = append(w.got, "error")
		return
	}
	var parts []string
	for _, s := range u.Project.Services {
		parts = append(parts, s.Name.Service+"="+s.Container.Image)
	}
	w.got = append(w.got, strings.Join(parts, " "))
}

// wants waits until exactly want has been said, and returns how long it took.
func (w *watched) wants(want ...string) time.Duration {
	w.t.Helper()
	begun := time.Now()
	for {
		w.mu.Lock()
		got := fmt.Sprint(w.got)
		w.mu.Unlock()
		if got == fmt.Sprint(want) {
			return time.Since(begun)
		}
		if time.Since(begun) > 5*time.Second {
			w.t.Fatalf("said %v, want %v", got, want)
		}
		time.Sleep(time.Millisecond)
	}
}

// quiet checks that nothing more is said for a while.
func (w *watched) quiet(d time.Duration) {
	w.t.Helper()
	w.mu.Lock()
	n := len(w.got)
	w.mu.Unlock()
	deadline := time.Now().Add(d)
	for time.Now().Before(deadline) {
		w.mu.Lock()
		more := w.got[n:]
		w.mu.Unlock()
		if len(more) > 0 {
			w.t.Fatalf("said %v, want silence", more)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// slowPoll keeps polling out of the tests of events.
const slowPoll = time.Hour

func TestEditIsSeenFast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "compose.yaml")
	write(t, path, "begin a=1")
	w := watch(t, path, slowPoll)
	w.wants("a=1")
	write(t, path, "begin a=2")
	if took := w.wants("a=1", "a=2"); took > 100*time.Millisecond {
		t.Errorf("an edit was seen after %s, want below 100ms", took)
	}
}

func TestTouchAndSameContentSayNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "compose.yaml")
	write(t, path, "begin a=1")
	w := watch(t, path, 20*time.Millisecond)
	w.wants("a=1")
	if err := os.Chtimes(path, time.Now(), time.Now()); err != nil {
		t.Fatal(err)
	}
	write(t, path, "begin a=1")
	write(t, filepath.Join(filepath.Dir(path), "other"), "noise")
	w.quiet(300 * time.Millisecond)
}

func TestRenameSaves(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "compose.yaml")
	write(t, path, "begin a=1")
	w := watch(t, path, slowPoll)
	w.wants("a=1")
	write(t, filepath.Join(dir, "tmp1"), "begin a=2") // atomic rename
	rename(t, filepath.Join(dir, "tmp1"), path)
	w.wants("a=1", "a=2")
	rename(t, path, path+"~") // vim: the old one moved away, a new one written
	write(t, path, "begin a=3")
	w.wants("a=1", "a=2", "a=3")
	rename(t, path, path+"~")
	write(t, path, "begin a=4")
	w.wants("a=1", "a=2", "a=3", "a=4")
}

func TestPartialWriteIsNotReported(t *testing.T) {
	path := filepath.Join(t.TempDir(), "compose.yaml")
	write(t, path, "begin a=1 b=1")
	w := watch(t, path, slowPoll)
	w.wants("a=1 b=1")
	write(t, path, "") // truncated: not whole
	w.quiet(100 * time.Millisecond)
	write(t, path, "begin a=2") // parses, but lost a service
	w.quiet(100 * time.Millisecond)
	write(t, path, "begin a=2 b=2")
	w.wants("a=1 b=1", "a=2 b=2")
	write(t, path, "begin a=2") // meant
	w.wants("a=1 b=1", "a=2 b=2", "a=2")
}

func TestInvalidIsReportedOnceAndReturns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "compose.yaml")
	write(t, path, "nonsense")
	w := watch(t, path, 20*time.Millisecond)
	w.wants("error")
	w.quiet(200 * time.Millisecond)
	write(t, path, "begin a=1")
	w.wants("error", "a=1")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	w.wants("error", "a=1", "error")
	write(t, path, "begin a=1") // the same content is news after a problem
	w.wants("error", "a=1", "error", "a=1")
}

func TestShortAbsenceSaysNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "compose.yaml")
	write(t, path, "begin a=1")
	w := watch(t, path, 20*time.Millisecond)
	w.wants("a=1")
	rename(t, path, path+"~")
	w.quiet(150 * time.Millisecond)
	rename(t, path+"~", path)
	w.quiet(600 * time.Millisecond)
}

func TestInputsAreWatchedToo(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "compose.yaml")
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, path, "begin a=1")
	w := watch(t, path, 50*time.Millisecond)
	w.wants("a=1")
	write(t, path, "begin env:sub/x.env") // the env file is missing
	w.wants("a=1", "error")
	write(t, filepath.Join(dir, "sub", "x.env"), "a=2")
	w.wants("a=1", "error", "a=2")
	write(t, filepath.Join(dir, "sub", "x.env"), "a=3")
	w.wants("a=1", "error", "a=2", "a=3")
}
