package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"teal/deploy/rig"
)

// Images are the example's images as archives on disk, made from this module's
// sources and this machine's MariaDB and Redis packages.
type Images struct{ was, rdb, cache string }

// Pack makes the archives in the module's cache folder, and returns where they
// are. It is safe for several programs at once.
func Pack(ctx context.Context) (Images, error) {
	root, err := module(ctx)
	if err != nil {
		return Images{}, err
	}
	folder := filepath.Join(root, ".cache", "pennyway")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return Images{}, fmt.Errorf("make the folder of images: %w", err)
	}
	lock, err := os.Create(filepath.Join(folder, "lock"))
	if err != nil {
		return Images{}, fmt.Errorf("lock the images: %w", err)
	}
	defer lock.Close() //nolint:errcheck // closing gives the lock back and loses nothing
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return Images{}, fmt.Errorf("lock the images: %w", err)
	}
	return pack(ctx, folder)
}

func pack(ctx context.Context, folder string) (Images, error) {
	at := func(name string) string { return filepath.Join(folder, name) }
	i := Images{was: at("was.tar"), rdb: at("rdb.tar"), cache: at("cache.tar")}
	return i, errors.Join(
		build(ctx, at("was"), "teal/examples/pennyway/app"),
		build(ctx, at("rdb"), "teal/examples/pennyway/rdb"),
		packOnce(ctx, i.was, at("was"), rig.Files{Copies: map[string]string{"/app": at("was")}}),
		packOnce(ctx, i.rdb, at("rdb"), rig.Files{
			Programs: []string{"/usr/sbin/mariadbd"},
			Trees: []string{
				"/usr/share/mysql/charsets", "/usr/share/mysql/english", "/usr/share/mysql/mysql_system_tables.sql",
				"/usr/share/mysql/mysql_system_tables_data.sql", "/usr/share/mysql/mysql_performance_tables.sql",
			},
			Copies: map[string]string{"/rdb": at("rdb")}, Folders: []string{"/var/lib/mysql"},
		}),
		packOnce(ctx, i.cache, "/usr/bin/redis-server", rig.Files{Programs: []string{"/usr/bin/redis-server", "/usr/bin/redis-cli"}}),
	)
}

// build builds a static program; Go's own cache makes the second time fast, and
// the same program keeps its file.
func build(ctx context.Context, to, pkg string) error {
	fresh := to + "~"
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", fresh, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w: %s", pkg, err, out)
	}
	old, err := os.ReadFile(to)
	if err == nil {
		if made, err := os.ReadFile(fresh); err == nil && string(made) == string(old) {
			return os.Remove(fresh)
		}
	}
	return os.Rename(fresh, to)
}

// packOnce packs unless the archive is newer than the program in it.
func packOnce(ctx context.Context, to, program string, files rig.Files) error {
	is, err := os.Stat(program)
	if err != nil {
		return fmt.Errorf("pack %s: %w", filepath.Base(to), err)
	}
	if was, err := os.Stat(to); err == nil && was.ModTime().After(is.ModTime()) {
		return nil
	}
	if err := rig.Pack(ctx, to+"~", files); err != nil {
		return err
	}
	return os.Rename(to+"~", to)
}

// Was is the API's image of a version, with further environment, for example
// "START_DELAY=3s".
func (i Images) Was(version string, env ...string) rig.Image {
	changes := []string{`CMD ["/app"]`, "EXPOSE 8080", "ENV VERSION=" + version}
	for _, e := range env {
		changes = append(changes, "ENV "+e)
	}
	return rig.Image{Ref: "pennyway/was:" + version, Tar: i.was, Changes: changes}
}

// Database and cache, as the Compose files name them.
func (i Images) services() []rig.Image {
	return []rig.Image{
		{Ref: "pennyway/rdb:10.11", Tar: i.rdb, Changes: []string{`ENTRYPOINT ["/rdb"]`, "CMD []", "EXPOSE 3306", "VOLUME /var/lib/mysql"}},
		{Ref: "pennyway/cache:7.0", Tar: i.cache, Changes: []string{
			`CMD ["/usr/bin/redis-server", "--save", "", "--appendonly", "no", "--protected-mode", "no", "--bind", "0.0.0.0"]`, "EXPOSE 6379",
		}},
	}
}
