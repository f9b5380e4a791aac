package git

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"teal/controller/source"
	"teal/controller/source/git/gittest"
	"teal/reconcile"
	"teal/spec"
)

// compose is a project with one app.
func compose(image string) string {
	return fmt.Sprintf("services:\n  web:\n    image: %s\n    x-teal: {route: {port: 80}}\n", image)
}

// bench is a source that runs, and what it said.
type bench struct {
	t    *testing.T
	opts Options
	git  string

	s    *Source
	stop func()
	mu   sync.Mutex
	said []source.Update
}

// newBench makes a source that looks only when it is asked to.
func newBench(t *testing.T, o Options) *bench {
	t.Helper()
	if o.Name == "" {
		o.Name = "ops"
	}
	if o.Folder == "" {
		o.Folder = t.TempDir()
	}
	if o.Next == nil {
		o.Next = func(now time.Time) time.Time { return now.Add(time.Hour) }
	}
	if o.Load == nil {
		o.Load = func(ctx context.Context, so spec.Options) (*spec.Project, error) {
			so.Policy.Copied = true
			return spec.Load(ctx, so)
		}
	}
	if o.Limit == 0 {
		o.Limit = time.Minute
	}
	return &bench{t: t, opts: o, git: Find()}
}

// run starts the source, which looks once by itself.
func (b *bench) run() *bench {
	b.t.Helper()
	s, err := NewGroup(b.git, 0).New(b.opts)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := s.Run(ctx, b.hear); err != nil {
			b.t.Errorf("Run: %v", err)
		}
	})
	b.s, b.stop = s, sync.OnceFunc(func() {
		cancel()
		done.Wait()
		if err := s.group.Close(); err != nil {
			b.t.Error(err)
		}
	})
	b.t.Cleanup(b.stop)
	return b
}

func (b *bench) hear(u source.Update) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.said = append(b.said, u)
}

// sync looks and returns why the source cannot be followed.
func (b *bench) sync() error {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	return b.s.Sync(ctx, time.Now())
}

// follows syncs and checks that the source is at a commit.
func (b *bench) follows(commit string) {
	b.t.Helper()
	if err := b.sync(); err != nil {
		b.t.Fatalf("sync: %v", err)
	}
	b.at(commit)
}

func (b *bench) at(commit string) {
	b.t.Helper()
	if c := b.s.State().Commit; c == nil || c.Commit != commit {
		b.t.Fatalf("in force is %+v, want %s", c, commit)
	}
}

// refuses syncs and checks why it fails, and that nothing has changed.
func (b *bench) refuses(reason reconcile.Reason, words ...string) {
	b.t.Helper()
	before := b.s.State().Commit
	err := b.sync()
	if err == nil {
		b.t.Fatalf("no fault, want %s", reason)
	}
	f := faultOf(err)
	if f.Reason != reason {
		b.t.Fatalf("%s: %v, want %s", f.Reason, err, reason)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			b.t.Errorf("%q does not say %q", err, w)
		}
	}
	if now := b.s.State().Commit; (before == nil) != (now == nil) || now != nil && *now != *before {
		b.t.Errorf("in force was %+v and is %+v", before, now)
	}
}

// last returns the newest update of a part.
func (b *bench) last(part string) source.Update {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, u := range slices.Backward(b.said) {
		if u.Part == part && !u.All && u.Notice == "" {
			return u
		}
	}
	b.t.Fatalf("nothing was said of %q: %+v", part, b.said)
	return source.Update{}
}

func (b *bench) image(part string) string {
	b.t.Helper()
	u := b.last(part)
	if u.Err != nil {
		b.t.Fatalf("%s: %v", part, u.Err)
	}
	return u.Project.Services[0].Container.Image
}

func (b *bench) wants(part, image string) {
	b.t.Helper()
	if got := b.image(part); !strings.HasSuffix(got, image) {
		b.t.Errorf("%s wants %s, not %s", part, got, image)
	}
}

// parts are the parts of the newest whole reading.
func (b *bench) parts() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, u := range slices.Backward(b.said) {
		if u.All {
			return u.Parts
		}
	}
	return nil
}

func secret(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// local is a repository of this machine with one commit.
func local(t *testing.T) (*gittest.Repository, string) {
	t.Helper()
	r := gittest.New(t, t.TempDir(), "ops")
	return r, r.Save("compose.yaml", compose("web:1"), "First")
}

func TestAPushIsTakenInWithItsOrigin(t *testing.T) {
	h, s := gittest.StartHTTPS(t), gittest.StartSSH(t)
	h.User, h.Password = "git", "let-me-in"
	projects := t.TempDir()
	for _, kind := range []struct {
		name string
		repo *gittest.Repository
		opts func(*gittest.Repository) Options
	}{
		{"https", h.Repository(t, "ops"), func(r *gittest.Repository) Options {
			return Options{URL: h.URL + "/" + r.Name, Credentials: Credentials{CA: h.CA, TokenFile: secret(t, "let-me-in")}}
		}},
		{"ssh", gittest.New(t, projects, "over-ssh"), func(r *gittest.Repository) Options {
			return Options{URL: s.URL + r.Bare, Credentials: Credentials{Identity: s.Identity, KnownHosts: s.KnownHosts}}
		}},
		{"file", gittest.New(t, projects, "here"), func(r *gittest.Repository) Options { return Options{URL: "file://" + r.Bare} }},
	} {
		for _, program := range []string{Find(), ""} {
			if program == "" && kind.name == "file" {
				continue
			}
			t.Run(fmt.Sprintf("%s, git %q", kind.name, program), func(t *testing.T) {
				r := kind.repo
				r.Save("compose.yaml", compose("web:1"), "First")
				b := newBench(t, kind.opts(r))
				b.git = program
				b.run()
				first := r.Do("rev-parse", "HEAD")
				b.follows(first)
				b.wants("compose.yaml", "web:1")
				r.Write("compose.yaml", compose("web:2"))
				second := r.Commit("Second\n\nwith a body")
				r.Push()
				b.follows(second)
				b.wants("compose.yaml", "web:2")
				u := b.last("compose.yaml")
				want := spec.Origin{
					Source: "ops", Repository: b.s.State().URL, Ref: "main", Commit: second, Author: "Ada", Subject: "Second",
				}
				got := *u.Project.Source.Origin
				got.Committed = time.Time{}
				if got != want {
					t.Errorf("origin %+v, want %+v", got, want)
				}
				if u.Project.Name != "ops" || u.Project.Source.Files[0] != "compose.yaml" {
					t.Errorf("project %s of %v", u.Project.Name, u.Project.Source.Files)
				}
			})
		}
	}
}

func TestAPollOfTheSameCommitFetchesNothing(t *testing.T) {
	h := gittest.StartHTTPS(t)
	r := h.Repository(t, "ops")
	id := r.Save("compose.yaml", compose("web:1"), "First")
	b := newBench(t, Options{URL: h.URL + "/" + r.Name, Credentials: Credentials{CA: h.CA}}).run()
	b.follows(id)
	before := h.Requests.Load()
	b.follows(id)
	b.follows(id)
	if n := h.Requests.Load() - before; n != 2 {
		t.Errorf("two polls were %d requests", n)
	}
}
