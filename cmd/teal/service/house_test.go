// Package service tests what keeps Teal running for years: its unit for systemd,
// a container, a socket proxy with the least rights, and its upgrade under load.
package service

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"teal/cmd/load/loadgen"
	"teal/controller/api"
	"teal/deploy/docker/dockertest"
	"teal/deploy/workbench"
	"teal/reconcile"
	"teal/spec"
)

// programs are removed when all tests have ended.
var programs string

func TestMain(m *testing.M) {
	code := m.Run()
	if programs != "" && os.RemoveAll(programs) != nil {
		code = 1
	}
	os.Exit(code)
}

// built are the program in two versions, which differ in nothing else. It is
// built once.
var built = sync.OnceValues(func() (map[string]string, error) {
	folder, err := os.MkdirTemp("", "teal-service")
	if err != nil {
		return nil, err
	}
	programs = folder
	out := map[string]string{}
	const mark = "-of-the-test" // tells the version in the program from other text
	first := filepath.Join(folder, "teal-1.0.0")
	build := exec.Command("go", "build", "-ldflags=-s -w -X main.release=1.0.0"+mark, "-o", first, "teal/cmd/teal")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, text)
	}
	data, err := os.ReadFile(first)
	if err != nil {
		return nil, err
	}
	if !bytes.Contains(data, []byte("1.0.0"+mark)) {
		return nil, errors.New("the version is not in the program")
	}
	out["1.0.0"], out["1.1.0"] = first, filepath.Join(folder, "teal-1.1.0")
	data = bytes.ReplaceAll(data, []byte("1.0.0"+mark), []byte("1.1.0"+mark))
	return out, os.WriteFile(out["1.1.0"], data, 0o755)
})

// house is one controller, in a folder of its own, that the test starts.
type house struct {
	t       testing.TB
	folder  string
	id      string
	project string
	listen  string
	env     []string
	flags   []string
	binary  string
	process *exec.Cmd
	log     *os.File
}

func newHouse(t testing.TB) *house {
	t.Helper()
	folder, err := os.MkdirTemp("", "teal-house")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	log, err := os.Create(filepath.Join(folder, "log"))
	if err != nil {
		t.Fatal(err)
	}
	id := dockertest.ControllerID(t)
	h := &house{t: t, folder: folder, id: id, project: strings.ReplaceAll(id, "-", ""), listen: freeAddress(t), log: log}
	h.replace("1.0.0")
	t.Cleanup(h.end)
	return h
}

// replace puts another version in the place of the program, as an upgrade does.
func (h *house) replace(version string) {
	h.t.Helper()
	all, err := built()
	if err != nil {
		h.t.Fatalf("build teal: %v", err)
	}
	h.binary = filepath.Join(h.folder, "teal")
	data, err := os.ReadFile(all[version])
	if err == nil {
		err = os.WriteFile(h.binary+".new", data, 0o755)
	}
	if err := errors.Join(err, os.Rename(h.binary+".new", h.binary)); err != nil {
		h.t.Fatal(err)
	}
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

// end stops what runs, removes what it made, and shows the log of a failure.
func (h *house) end() {
	if h.process != nil {
		h.kill()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if b, err := workbench.Open(ctx); err != nil {
		h.t.Error(err)
	} else if _, err := b.Remove(ctx, spec.LabelController, h.id); errors.Join(err, b.Close()) != nil {
		h.t.Errorf("remove what the controller ran: %v", err)
	}
	if h.t.Failed() {
		data, err := os.ReadFile(h.log.Name())
		h.t.Logf("the controller's log (%v):\n%s", err, data)
	}
	if err := h.log.Close(); err != nil {
		h.t.Error(err)
	}
}

func (h *house) state() string { return filepath.Join(h.folder, "state") }
func (h *house) file() string  { return filepath.Join(h.folder, "compose.yaml") }

func (h *house) command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, h.binary, args...)
	c.Env = append(append(os.Environ(), "TEAL_STATE="+h.state(), "USER=ann"), h.env...)
	c.Dir = h.folder
	return c
}

// runArgs are those of teal run in this house.
func (h *house) runArgs() []string {
	return append([]string{"run", "-f", h.file(), "--http", h.listen, "--controller", h.id, "--resync", "2s"}, h.flags...)
}

// start runs the controller and returns once it answers.
func (h *house) start() {
	h.t.Helper()
	h.process = h.command(context.Background(), h.runArgs()...)
	h.process.Stdout, h.process.Stderr = h.log, h.log
	if err := h.process.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.answers()
}

func (h *house) answers() {
	h.t.Helper()
	h.until("the controller answers", func() error {
		if out, err := h.teal("version"); err != nil || !strings.Contains(out, h.id) {
			return fmt.Errorf("%s %w", out, err)
		}
		return nil
	})
}

// stop asks the controller to end and expects that it does so well.
func (h *house) stop() {
	h.t.Helper()
	if err := errors.Join(h.process.Process.Signal(syscall.SIGTERM), h.process.Wait()); err != nil {
		h.t.Errorf("stop the controller: %v", err)
	}
	h.process = nil
}

func (h *house) kill() {
	h.t.Helper()
	if err := h.process.Process.Kill(); err != nil {
		h.t.Errorf("kill the controller: %v", err)
	}
	_ = h.process.Wait() // says that it was killed
	h.process = nil
}

// teal types a command and returns what it printed.
func (h *house) teal(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	out, err := h.command(ctx, args...).CombinedOutput()
	return string(out), err
}

// well types a command that must end well.
func (h *house) well(args ...string) string {
	h.t.Helper()
	out, err := h.teal(args...)
	if err != nil {
		h.t.Fatalf("teal %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return out
}

// edit saves the desired state as editors do.
func (h *house) edit(text string) {
	h.t.Helper()
	fresh := h.file() + "~"
	if err := errors.Join(os.WriteFile(fresh, []byte(text), 0o600), os.Rename(fresh, h.file())); err != nil {
		h.t.Fatal(err)
	}
}

// wants is a desired state with one app; more are further lines of the service.
func (h *house) wants(image string, more ...string) string {
	return fmt.Sprintf("name: %s\nservices:\n  web:\n    image: %s\n    pull_policy: never\n    stop_grace_period: 5s\n"+
		"    x-teal:\n      route: {port: 8080}\n      health: {http: /health}\n      drain: 20s\n      standby: 1s\n%s\n",
		h.project, image, strings.Join(more, "\n"))
}

func image(t testing.TB, version string) string {
	t.Helper()
	return dockertest.Image(t, version, dockertest.Options{Env: map[string]string{"VERSION": version}})
}

func (h *house) until(what string, met func() error) {
	h.t.Helper()
	deadline := time.Now().Add(5 * time.Minute)
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

// synced waits until an image serves and nothing is under way.
func (h *house) synced(image string) {
	h.t.Helper()
	h.until(image+" serves", func() error {
		out, err := h.teal("status", "-o", "json")
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		var list api.StatusList
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			return err
		}
		for _, s := range list.Apps {
			if s.App.Service == "web" && s.Synced.OK && s.Serving.OK && s.Phase == reconcile.Idle && s.Image == image {
				return nil
			}
		}
		return errors.New(out)
	})
}

// proxies are this controller's proxies, by id, with what tells versions and
// settings apart.
func (h *house) proxies() map[string]string {
	h.t.Helper()
	out, err := exec.Command("docker", "ps", "-a", "--no-trunc", "--format", `{{.ID}} {{.Label "teal.proxy"}}`,
		"--filter", "label="+spec.LabelController+"="+h.id, "--filter", "label="+spec.LabelRole+"="+spec.RoleProxy).Output()
	if err != nil {
		h.t.Fatal(err)
	}
	all := map[string]string{}
	for line := range strings.Lines(string(out)) {
		id, print, _ := strings.Cut(strings.TrimSpace(line), " ")
		all[id] = print
	}
	return all
}

// running are the ids of all that the controller runs.
func (h *house) running() string {
	h.t.Helper()
	out, err := exec.Command("docker", "ps", "-q", "--filter", "label="+spec.LabelController+"="+h.id).Output()
	if err != nil {
		h.t.Fatal(err)
	}
	return string(out)
}

// load sends requests, half of them POSTs, on kept connections, at a constant
// rate, and holds WebSockets; the returned function ends it and wants no loss.
func (h *house) load(ctx context.Context) (end func()) {
	h.t.Helper()
	g, err := loadgen.New(ctx, loadgen.Config{URL: "http://" + h.listen + "/", Rate: 200, Timeout: time.Minute})
	if err != nil {
		h.t.Fatal(err)
	}
	g.Start(ctx)
	return func() {
		h.t.Helper()
		r := g.Stop()
		h.t.Logf("load:\n%s", r)
		if r.Failed > 0 || r.OK < 100 {
			h.t.Errorf("%d of %d requests failed", r.Failed, r.Sent)
		}
	}
}
