package doctor

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// engine is one that answers in a certain way.
func engine(version, api string, err error) func(context.Context) (string, string, error) {
	return func(context.Context) (string, string, error) { return version, api, err }
}

func TestFindings(t *testing.T) {
	folder := t.TempDir()
	open := filepath.Join(folder, "open")
	file := filepath.Join(folder, "file")
	err := errors.Join(os.Chmod(folder, 0o700), os.Mkdir(open, 0o700), os.Chmod(open, 0o755), os.WriteFile(file, nil, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	socket := filepath.Join(folder, "s")
	u, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	nobody := func() (string, error) { return "", errors.New("nobody answers") }
	someone := func() (string, error) { return "controller x", nil }
	closed := filepath.Join(folder, "closed")
	c, err := net.Listen("unix", closed)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := errors.Join(os.Chmod(closed, 0o600), os.Chmod(socket, 0o666)); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for _, c := range []struct {
		name  string
		found Finding
		ok    bool
		words string
	}{
		{"engine", Engine(ctx, "", engine("29.0", "1.52", nil)), true, "29.0, API 1.52"},
		{"oldest engine", Engine(ctx, "", engine("20.10", "1.41", nil)), true, "1.41"},
		{"too old an engine", Engine(ctx, "", engine("19.03", "1.40", nil)), false, "older than 1.41"},
		{"no engine", Engine(ctx, "", engine("", "", errors.New("refused"))), false, "systemctl start docker"},
		{"no engine there", Engine(ctx, "tcp://a:1", engine("", "", errors.New("refused"))), false, "tcp://a:1"},
		{"engine of others", Engine(ctx, "", engine("", "", fs.ErrPermission)), false, "usermod -aG docker"},
		{"folder", Folder(folder), true, folder},
		{"open folder", Folder(open), false, "chmod 700 " + open},
		{"file for a folder", Folder(file), false, "is a file"},
		{"missing folder", Folder(filepath.Join(folder, "a", "b")), true, "will be made"},
		{"space", Space("space", filepath.Join(folder, "a", "b")), true, "GiB free"},
		{"no socket", Socket(filepath.Join(folder, "none"), someone), false, "no controller runs"},
		{"not a socket", Socket(file, someone), false, "is not a socket"},
		{"open socket", Socket(socket, someone), false, "chmod 600"},
		{"silent socket", Socket(closed, nobody), false, "nobody answers"},
		{"controller", Socket(closed, someone), true, "controller x at"},
		{"free address", Port(ctx, "127.0.0.1:0", false), true, "free"},
		{"address of others", Port(ctx, l.Addr().String(), false), false, "ss -ltnp sport = :"},
		{"address of ours", Port(ctx, l.Addr().String(), true), true, "Teal's proxy runs"},
		{"no such address", Port(ctx, "203.0.113.1:80", false), false, "--http"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := Text([]Finding{c.found}, false)
			if c.found.OK != c.ok || !strings.Contains(text, c.words) {
				t.Errorf("got %+v: %s", c.found, text)
			}
			if !c.found.OK && c.found.Hint == "" {
				t.Error("nothing says what to type")
			}
		})
	}
}

func TestProxy(t *testing.T) {
	silent := func(context.Context) error { return errors.New("no answer") }
	answers := func(context.Context) error { return nil }
	for _, c := range []struct {
		name       string
		read       func(context.Context) error
		controlled bool
		answers    bool
		ok         bool
	}{
		{"answers", answers, false, true, true},
		{"not started yet", silent, false, false, true},
		{"silent", silent, true, false, false},
	} {
		if a, f := Proxy(t.Context(), c.read, c.controlled); a != c.answers || f.OK != c.ok {
			t.Errorf("%s: %v %+v", c.name, a, f)
		}
	}
}

func TestOlder(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{{"1.40", "1.41", true}, {"1.41", "1.41", false}, {"1.9", "1.41", true}, {"2.0", "1.41", false}, {"1", "1.41", true}, {"", "1.41", false}} {
		if older(c.a, c.b) != c.want {
			t.Errorf("%s older than %s: %v", c.a, c.b, !c.want)
		}
	}
}
