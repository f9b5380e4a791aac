package docs

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"teal/deploy/docker/dockertest"
)

// limit bounds each command.
const limit = 3 * time.Minute

// TestCommandsRun runs every line of every console block, page by page and in
// order, and wants each to end well. A line that ends with & runs on meanwhile.
func TestCommandsRun(t *testing.T) {
	bin := build(t)
	for _, page := range pages {
		var lines []string
		for _, b := range blocks(read(t, page)) {
			if b.kind == "console" {
				lines = append(lines, commands(t, page, b)...)
			}
		}
		if len(lines) > 0 {
			t.Run(strings.TrimPrefix(page, "../"), func(t *testing.T) {
				p := newPlace(t, bin)
				if page == "../README.md" { // it is read in the repository
					p.dir = ".."
				}
				runAll(t, p, lines)
			})
		}
	}
}

func commands(t *testing.T, page string, b block) []string {
	t.Helper()
	var out []string
	for line := range strings.Lines(b.text) {
		if command, ok := strings.CutPrefix(strings.TrimSpace(line), "$ "); ok {
			out = append(out, command)
		}
	}
	if len(out) == 0 {
		t.Errorf("%s:%d: a console block without a command", page, b.line)
	}
	return out
}

// build returns a folder with the teal binary in it.
func build(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", filepath.Join(bin, "teal"), "teal/cmd/teal")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build teal: %v\n%s", err, out)
	}
	return bin
}

// place is where the commands of a page run: a folder with the example, an
// image for it, a port and a state folder of its own.
type place struct {
	dir   string
	state string
	env   []string
	port  string
}

func newPlace(t *testing.T, bin string) place {
	t.Helper()
	// The paths of sockets must be short, so t.TempDir is too long.
	state, err := os.MkdirTemp("", "teal-docs-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(state); err != nil {
			t.Error(err)
		}
	})
	controller := dockertest.ControllerID(t)
	image := dockertest.Image(t, "v1", dockertest.Options{})
	example := read(t, "../examples/hello/compose.yaml")
	wish := strings.Replace(example, "hello:v1", image, 1)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(wish), 0o600); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	return place{dir: dir, state: state, port: port, env: append(os.Environ(),
		"PATH="+bin+":"+os.Getenv("PATH"), "TEAL_STATE="+state, "TEAL_CONTROLLER="+controller, "TEAL_HTTP=127.0.0.1:"+port,
		"DEMO_PORT="+port, "DEMO_FOLDER=.cache/"+filepath.Base(state),
	)}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

func runAll(t *testing.T, p place, lines []string) {
	for _, line := range lines {
		// The pages speak of port 8000; here it may be somebody else's.
		command := strings.ReplaceAll(line, "127.0.0.1:8000", "127.0.0.1:"+p.port)
		if background, ok := strings.CutSuffix(command, " &"); ok {
			p.background(t, background)
			p.awaitController(t)
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		out, err := p.command(ctx, command).CombinedOutput()
		cancel()
		t.Logf("$ %s\n%s", line, out)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
}

func (p place) command(ctx context.Context, line string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "bash", "-c", line)
	cmd.Dir, cmd.Env = p.dir, p.env
	return cmd
}

// awaitController waits for what a person does not notice: the moment until the
// controller that was started can be spoken to.
func (p place) awaitController(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for {
		out, err := p.command(ctx, "teal status").CombinedOutput()
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("the controller does not answer: %v\n%s", err, out)
		}
	}
}

// background starts a command and stops it with SIGTERM when the page ends.
func (p place) background(t *testing.T, line string) {
	t.Helper()
	var output bytes.Buffer
	cmd := p.command(context.WithoutCancel(t.Context()), "exec "+line)
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if t.Failed() {
			t.Logf("$ %s\n%s", line, &output)
		}
	})
}
