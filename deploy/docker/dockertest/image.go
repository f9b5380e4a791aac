package dockertest

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
)

// Options say what an image of the hello app is like. See examples/hello/app
// for the variables it reads.
type Options struct {
	Env        map[string]string
	Labels     map[string]string
	Cmd        []string // default ["/app"]
	Entrypoint []string // default none
	Expose     int      // a port for the image's EXPOSE; 0: none
	Health     []string // the words after HEALTHCHECK; empty: none
	// Ref is the whole reference. Empty: "teal-test-<unique>:<name>".
	Ref string
}

// Image makes an image of the hello app on the engine and returns its
// reference. It is built without a registry and removed when the test ends.
func Image(t testing.TB, name string, opts Options) string {
	t.Helper()
	c := Client(t)
	label := Label(t)
	ref := opts.Ref
	if ref == "" {
		ref = "teal-test-" + label + ":" + name
	}
	changes := append(opts.changes(), fmt.Sprintf("LABEL %s=%s", LabelTest, label))
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	source := image.ImportSource{Source: bytes.NewReader(rootfs(t)), SourceName: "-"}
	stream, err := c.ImageImport(ctx, source, ref, image.ImportOptions{Changes: changes})
	if err != nil {
		t.Fatalf("import %s: %v", ref, err)
	}
	defer stream.Close()
	if err := endOf(stream); err != nil {
		t.Fatalf("import %s: %v", ref, err)
	}
	return ref
}

// changes are opts as lines of a Dockerfile.
func (o Options) changes() []string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(o.Env)) {
		lines = append(lines, fmt.Sprintf("ENV %s=%q", name, o.Env[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(o.Labels)) {
		lines = append(lines, fmt.Sprintf("LABEL %s=%q", name, o.Labels[name]))
	}
	if o.Expose != 0 {
		lines = append(lines, "EXPOSE "+strconv.Itoa(o.Expose))
	}
	if len(o.Health) > 0 {
		lines = append(lines, "HEALTHCHECK "+strings.Join(o.Health, " "))
	}
	if len(o.Entrypoint) > 0 {
		lines = append(lines, "ENTRYPOINT "+list(o.Entrypoint))
	}
	return append(lines, "CMD "+list(o.cmd()))
}

func (o Options) cmd() []string {
	if len(o.Cmd) > 0 {
		return o.Cmd
	}
	return []string{"/app"}
}

func list(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(w)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// rootfs is the file system of every image: the app and nothing else. The same
// binary gives the same bytes, so that the engine keeps one layer for all.
func rootfs(t testing.TB) []byte {
	t.Helper()
	binary, err := os.ReadFile(Binary(t))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	err = errors.Join(
		w.WriteHeader(&tar.Header{Name: "app", Mode: 0o755, Size: int64(len(binary)), Typeflag: tar.TypeReg}),
		writeAll(w, binary),
		w.WriteHeader(&tar.Header{Name: "tmp/", Mode: 0o1777, Typeflag: tar.TypeDir}),
		w.Close(),
	)
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func writeAll(w io.Writer, b []byte) error {
	_, err := w.Write(b)
	return err
}

// endOf reads an engine's progress stream to its end and returns the error it carries.
func endOf(stream io.Reader) error {
	decoder := json.NewDecoder(stream)
	for {
		var line struct{ Error string }
		if err := decoder.Decode(&line); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if line.Error != "" {
			return errors.New(line.Error)
		}
	}
}

var build struct {
	sync.Mutex
	path string
}

// Binary returns the path of a static binary of the hello app. It is built once
// per test program and kept in the repository's cache folder.
func Binary(t testing.TB) string {
	t.Helper()
	build.Lock()
	defer build.Unlock()
	if build.path != "" {
		return build.path
	}
	path, err := buildHello()
	if err != nil {
		t.Fatalf("build the hello app: %v", err)
	}
	build.path = path
	return path
}

// buildHello holds a file lock: the test programs of several packages run at once.
func buildHello() (string, error) {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	folder := filepath.Join(strings.TrimSpace(string(root)), ".cache", "dockertest")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	lock, err := os.Create(filepath.Join(folder, "lock"))
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	path := filepath.Join(folder, "hello")
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", path, "teal/examples/hello/app")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
}

// HasImage reports whether the engine has an image of that reference.
func HasImage(t testing.TB, ref string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	_, err := Client(t).ImageInspect(ctx, ref)
	if err != nil && !errdefs.IsNotFound(err) {
		t.Fatalf("inspect image %s: %v", ref, err)
	}
	return err == nil
}

// DropImage removes an image from the engine as an operator does, by force; a
// container that was made from it goes on.
func DropImage(t testing.TB, ref string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if _, err := Client(t).ImageRemove(ctx, ref, image.RemoveOptions{Force: true, PruneChildren: true}); err != nil && !errdefs.IsNotFound(err) {
		t.Fatalf("remove image %s: %v", ref, err)
	}
}
