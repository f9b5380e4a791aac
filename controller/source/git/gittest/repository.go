// Package gittest has real git servers for tests: smart HTTP over TLS with an
// authority of its own (git http-backend), an OpenSSH server, and repositories
// that a test commits to.
//
// It promises that a test which needs git or sshd fails when there is none, and
// that a server ends with its test.
package gittest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Repository is a bare repository and a working copy of it.
type Repository struct {
	Bare string // folder of the bare one, PROJECTS/NAME.git
	Name string // NAME.git

	t    testing.TB
	work string
}

// New makes an empty repository below the folder projects.
func New(t testing.TB, projects, name string) *Repository {
	t.Helper()
	r := &Repository{Bare: filepath.Join(projects, name+".git"), Name: name + ".git", t: t, work: t.TempDir()}
	Git(t, projects, "init", "--quiet", "--bare", "--initial-branch=main", r.Bare)
	for _, setting := range []string{"uploadpack.allowFilter", "http.getanyfile"} {
		Git(t, r.Bare, "config", setting, "true")
	}
	Git(t, r.work, "init", "--quiet", "--initial-branch=main")
	Git(t, r.work, "remote", "add", "origin", r.Bare)
	return r
}

// Git runs git as a person called Ada would, in a folder, and returns what it
// prints.
func Git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// Do runs git in the working copy.
func (r *Repository) Do(args ...string) string {
	r.t.Helper()
	return Git(r.t, r.work, args...)
}

// Path is where a file of the working copy is.
func (r *Repository) Path(name string) string { return filepath.Join(r.work, name) }

// Write writes a file of the working copy.
func (r *Repository) Write(name, text string) {
	r.t.Helper()
	if err := os.MkdirAll(filepath.Dir(r.Path(name)), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(r.Path(name), []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// Commit commits everything and returns the commit.
func (r *Repository) Commit(subject string) string {
	r.t.Helper()
	r.Do("add", "--all")
	r.Do("commit", "--quiet", "--allow-empty", "-m", subject)
	return r.Do("rev-parse", "HEAD")
}

// Push pushes what is checked out, or what is named.
func (r *Repository) Push(args ...string) {
	r.t.Helper()
	if len(args) == 0 {
		args = []string{"HEAD"}
	}
	r.Do(append([]string{"push", "--quiet", "origin"}, args...)...)
}

// Save writes a file, commits and pushes it, and returns the commit.
func (r *Repository) Save(name, text, subject string) string {
	r.t.Helper()
	r.Write(name, text)
	id := r.Commit(subject)
	r.Push()
	return id
}
