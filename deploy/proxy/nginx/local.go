package nginx

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// LocalOptions say which nginx of this host is driven.
type LocalOptions struct {
	Folder string // default DefaultFolder; made if it is not there
	Binary string // default /usr/sbin/nginx
	Config string // main configuration; empty: the one that is compiled in
	Prefix string // empty: the one that is compiled in
	Point  Point
}

// local is an nginx of this host that somebody else runs: the distribution's
// service, mostly.
type local struct{ o LocalOptions }

// NewLocal is the nginx of this host. Its main configuration has to include
// FOLDER/teal.conf in the http block; Teal starts and stops nothing.
func NewLocal(o LocalOptions) Place {
	o.Folder = orFolder(o.Folder)
	if o.Binary == "" {
		o.Binary = "/usr/sbin/nginx"
	}
	return &local{o: o}
}

func (l *local) Folder() string { return l.o.Folder }

func (l *local) String() string { return "this host (" + l.o.Folder + ")" }

// at is the path of an entry, which never leaves the folder.
func (l *local) at(name string) (string, error) {
	if !filepath.IsLocal(name) {
		return "", fmt.Errorf("%q is not inside the folder", name)
	}
	return filepath.Join(l.o.Folder, name), nil
}

func (l *local) Write(ctx context.Context, files ...File) error {
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.write(f); err != nil {
			return fmt.Errorf("write %s: %w", f.Name, err)
		}
	}
	return nil
}

func (l *local) write(f File) error {
	defer l.o.Point.effect("Write")()
	path, err := l.at(f.Name)
	if err != nil {
		return err
	}
	if strings.HasSuffix(f.Name, "/") {
		return os.MkdirAll(path, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if len(f.Content) == 0 {
		return touch(path)
	}
	mode := fs.FileMode(0o644)
	if f.Private {
		mode = 0o600
	}
	fresh, err := anew(path, mode)
	if err != nil {
		return err
	}
	_, err = fresh.Write(f.Content)
	if err := errors.Join(err, fresh.Chmod(mode), fresh.Sync(), fresh.Close()); err != nil {
		return errors.Join(err, os.Remove(fresh.Name()))
	}
	l.o.Point.reach("Write/commit")
	return os.Rename(fresh.Name(), path)
}

// anew makes the file that is to be renamed to path. What a killed process left
// in its place goes: the name is always the same, so that nothing piles up.
func anew(path string, mode fs.FileMode) (*os.File, error) {
	name := filepath.Join(filepath.Dir(path), ".new."+filepath.Base(path))
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
}

// touch makes an empty file, which is complete as soon as it is there.
func touch(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

func (l *local) Rename(_ context.Context, from, to string) error {
	defer l.o.Point.effect("Rename")()
	a, err := l.at(from)
	if err != nil {
		return err
	}
	b, err := l.at(to)
	if err != nil {
		return err
	}
	return os.Rename(a, b)
}

func (l *local) Link(_ context.Context, target, name string) error {
	defer l.o.Point.effect("Link")()
	path, err := l.at(name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.Symlink(target, path)
}

func (l *local) Read(_ context.Context, name string) ([]byte, error) {
	path, err := l.at(name)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

func (l *local) Remove(_ context.Context, names ...string) error {
	defer l.o.Point.effect("Remove")()
	for _, name := range names {
		path, err := l.at(name)
		if err != nil {
			return err
		}
		if path == l.o.Folder {
			return errors.New("the folder itself stays")
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

func (l *local) Nginx(ctx context.Context, args ...string) (string, error) {
	defer l.o.Point.signal(args)()
	if l.o.Prefix != "" {
		args = append([]string{"-p", l.o.Prefix}, args...)
	}
	if l.o.Config != "" {
		args = append([]string{"-c", l.o.Config}, args...)
	}
	out, err := exec.CommandContext(ctx, l.o.Binary, args...).CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Exited() {
		return string(out), &ExitError{Status: exit.ExitCode(), Output: string(out)}
	}
	if err != nil {
		return string(out), fmt.Errorf("run %s: %w", l.o.Binary, err)
	}
	return string(out), nil
}

func (l *local) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

// Ensure looks whether the program is there; whoever runs it starts it.
func (l *local) Ensure(context.Context) (bool, error) {
	if _, err := os.Stat(l.o.Binary); err != nil {
		return false, fmt.Errorf("look for nginx: %w", err)
	}
	return false, nil
}
