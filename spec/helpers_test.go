package spec

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// files writes the files of one project into a folder of their own.
func files(t testing.TB, content map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range content {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// compose loads one Compose file.
func compose(t testing.TB, text string) (*Project, error) {
	t.Helper()
	return Load(context.Background(), Options{Dir: files(t, map[string]string{"compose.yaml": text}), ProjectName: "p"})
}

func mustLoad(t testing.TB, opts Options) *Project {
	t.Helper()
	p, err := Load(context.Background(), opts)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return p
}

func mustCompose(t testing.TB, text string) *Project {
	t.Helper()
	p, err := compose(t, text)
	if err != nil {
		t.Fatalf("load: %v\n%s", err, text)
	}
	return p
}

// find returns a service of p.
func find(t testing.TB, p *Project, name string) Service {
	t.Helper()
	for _, s := range p.Services {
		if s.Name.Service == name {
			return s
		}
	}
	t.Fatalf("no service %s", name)
	return Service{}
}

// refused requires that err is a refusal that says want on one line.
func refused(t testing.TB, err error, want string) {
	t.Helper()
	var problems Errors
	if !errors.As(err, &problems) {
		t.Fatalf("got %v, want a refusal that says %q", err, want)
	}
	for _, p := range problems {
		if strings.Contains(p.Error(), want) {
			return
		}
	}
	t.Fatalf("got\n%v\nwant a line with\n%s", err, want)
}

// app puts an x-teal block, in YAML's flow form, into a Compose file.
func app(block string) string {
	return "services:\n  web:\n    image: web:1\n    x-teal: " + block + "\n"
}

func mkfifo(t *testing.T, name string) {
	t.Helper()
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
}
