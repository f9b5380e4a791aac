// Package secure attacks the built program from outside, and looks through all
// that comes out of it.
//
// It promises that what it says of the API over the network, of roles and of
// secrets was seen on the real binary and a real engine.
package secure

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"

	"teal/controller/access/accesstest"
	"teal/deploy/docker/dockertest"
	"teal/deploy/workbench"
	"teal/spec"
)

// limit bounds each wait.
const limit = 2 * time.Minute

var binaryFolder string

func TestMain(m *testing.M) {
	code := m.Run()
	if binaryFolder != "" {
		if err := os.RemoveAll(binaryFolder); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

var binary = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "teal-secure")
	if err != nil {
		return "", err
	}
	binaryFolder = folder
	path := filepath.Join(folder, "teal")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", path, "teal/cmd/teal")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

// house is a controller with a way in from the network.
type house struct {
	t             testing.TB
	binary        string
	folder        string
	id, project   string
	proxy, server string // addresses
	cert, key     string // files
	recipient     *age.X25519Recipient
	env           []string
	process       *exec.Cmd
	log           *os.File
	said          strings.Builder // all that verbs printed
}

func newHouse(t testing.TB) *house {
	t.Helper()
	program, err := binary()
	if err != nil {
		t.Fatalf("build teal: %v", err)
	}
	folder, err := os.MkdirTemp("", "teal-house") // short: a socket's path has a limit
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	id := dockertest.ControllerID(t)
	log, err := os.Create(filepath.Join(folder, "log"))
	if err != nil {
		t.Fatal(err)
	}
	h := &house{
		t: t, binary: program, folder: folder, id: id, project: strings.ReplaceAll(id, "-", ""),
		proxy: freeAddress(t), server: freeAddress(t), log: log,
		cert: filepath.Join(folder, "cert.pem"), key: filepath.Join(folder, "key.pem"),
	}
	accesstest.Certificate(t, h.cert, h.key, "house")
	t.Cleanup(h.end)
	return h
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// end stops the controller and removes what it ran.
func (h *house) end() {
	if h.process != nil {
		if err := errors.Join(h.process.Process.Signal(syscall.SIGTERM), h.process.Wait()); err != nil {
			h.t.Errorf("the controller ended with: %v", err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if b, err := workbench.Open(ctx); err != nil {
		h.t.Error(err)
	} else if _, err := b.Remove(ctx, spec.LabelController, h.id); errors.Join(err, b.Close()) != nil {
		h.t.Errorf("remove what the controller ran: %v", err)
	}
	if h.t.Failed() {
		h.t.Logf("the controller's log:\n%s", h.logged())
	}
	if err := h.log.Close(); err != nil {
		h.t.Error(err)
	}
}

func (h *house) logged() string {
	data, err := os.ReadFile(h.log.Name())
	if err != nil {
		h.t.Error(err)
	}
	return string(data)
}

func (h *house) state() string { return filepath.Join(h.folder, "state") }

// start runs the controller with its door to the network open, at debug level.
func (h *house) start() {
	h.t.Helper()
	h.process = h.command(context.Background(),
		"run", "--http", h.proxy, "--controller", h.id, "--resync", "2s", "--log-level", "debug",
		"--api", h.server, "--api-cert", h.cert, "--api-key", h.key)
	h.process.Stdout, h.process.Stderr = h.log, h.log
	if err := h.process.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.until("the controller answers", func() error {
		if r := h.teal("version"); !strings.Contains(r.out, h.id) {
			return errors.New(r.out + r.err)
		}
		return nil
	})
}

// command is the program with this house's folder.
func (h *house) command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, h.binary, args...)
	c.Env = append(append(os.Environ(), "TEAL_STATE="+h.state(), "USER=ann"), h.env...)
	c.Dir = h.folder
	return c
}

// result is what a verb did.
type result struct {
	code     int
	out, err string
}

// teal types a command.
func (h *house) teal(args ...string) result { h.t.Helper(); return h.with(nil, args...) }

// with types a command with more in the environment.
func (h *house) with(env []string, args ...string) result {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var out, errs strings.Builder
	c := h.command(ctx, args...)
	c.Env = append(c.Env, env...)
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil && c.ProcessState == nil {
		h.t.Fatal(err)
	}
	h.said.WriteString("$ teal " + strings.Join(args, " ") + "\n" + out.String() + errs.String())
	return result{c.ProcessState.ExitCode(), out.String(), errs.String()}
}

// token makes one and returns it.
func (h *house) token(name, role string) string {
	h.t.Helper()
	r := h.teal("token", "create", name, "--role", role)
	token := strings.TrimSpace(r.out)
	if r.code != 0 || !strings.HasPrefix(token, "teal_") {
		h.t.Fatalf("no token was made: %+v", r)
	}
	return token
}

// afar is the environment of who speaks to the house over the network.
func (h *house) afar(token string) []string {
	return []string{"TEAL_STATE=/nonexistent", "TEAL_SERVER=https://" + h.server, "TEAL_CA=" + h.cert, "TEAL_TOKEN=" + token}
}

func (h *house) write(name, text string) {
	h.t.Helper()
	path := filepath.Join(h.folder, name)
	if err := errors.Join(os.WriteFile(path+"~", []byte(text), 0o600), os.Rename(path+"~", path)); err != nil {
		h.t.Fatal(err)
	}
}

// until waits for a condition, with a limit.
func (h *house) until(what string, met func() error) {
	h.t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := met()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("wait until %s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// client speaks to the house's server by hand.
func (h *house) client() *http.Client {
	h.t.Helper()
	return trusting(h.t, h.cert)
}
