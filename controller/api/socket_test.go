package api_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"teal/controller/api"
	"teal/controller/api/apitest"
)

func TestSocketIsForItsOwnerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "teal.sock")
	l, err := api.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]fs.FileMode{path: fs.ModeSocket | 0o600, filepath.Dir(path): fs.ModeDir | 0o700} {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s is %v", p, info.Mode())
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "teal.sock")
	old, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	old.SetUnlinkOnClose(false)
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := api.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func TestSocketThatAnswersIsNotTaken(t *testing.T) {
	s := apitest.Serve(t, fake())
	if _, err := api.Listen(s.Socket); !errors.Is(err, api.ErrSocketInUse) {
		t.Fatalf("got %v", err)
	}
	client := api.Dial(s.Socket)
	defer client.Close()
	if _, err := client.Version(t.Context()); err != nil {
		t.Errorf("the first server was disturbed: %v", err)
	}
}

func TestOtherFilesAreLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "teal.sock")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := api.Listen(path); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("got %v", err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "mine" {
		t.Errorf("file is %q, %v", data, err)
	}
}

func TestPathTooLongIsExplained(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("x", 100), "teal.sock")
	if _, err := api.Listen(path); err == nil || !strings.Contains(err.Error(), "--socket") {
		t.Errorf("got %v", err)
	}
}

func TestNobodyThereIsUnreachable(t *testing.T) {
	client := api.Dial(filepath.Join(t.TempDir(), "none.sock"))
	_, err := client.Version(t.Context())
	if !errors.Is(err, api.ErrUnreachable) || !strings.Contains(err.Error(), "none.sock") {
		t.Errorf("got %v", err)
	}
}
