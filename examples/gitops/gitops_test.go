package gitops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"teal/cmd/load/loadgen"
	"teal/controller/api"
	"teal/controller/source/git/gittest"
	"teal/deploy/docker/dockertest"
	"teal/deploy/workbench"
	"teal/reconcile"
	"teal/spec"
)

// host is a controller with the example's settings.
type host struct {
	t       *testing.T
	binary  string
	folder  string
	id      string
	project string
	address string
	client  *api.Client
	process *exec.Cmd
}

// build makes the program.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "teal")
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", path, "teal/cmd/teal")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build teal: %v: %s", err, out)
	}
	return path
}

// newHost makes a host with edited settings of the example. Its own folder may
// not be one of the test's: the path of its socket would be too long.
func newHost(t *testing.T, binary string, settings string) *host {
	t.Helper()
	folder, err := os.MkdirTemp("", "gitops")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	id := dockertest.ControllerID(t)
	h := &host{t: t, binary: binary, folder: folder, id: id, project: strings.ReplaceAll(id, "-", ""), address: l.Addr().String()}
	h.client = api.Dial(filepath.Join(folder, "state", "teal.sock"))
	if err := errors.Join(l.Close(), os.WriteFile(filepath.Join(folder, "teal.yaml"), []byte(settings), 0o600)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.end)
	return h
}

func (h *host) command(args ...string) *exec.Cmd {
	cmd := exec.Command(h.binary, args...)
	cmd.Dir = h.folder
	cmd.Env = append(os.Environ(), "TEAL_STATE="+filepath.Join(h.folder, "state"))
	return cmd
}

func (h *host) start() {
	h.t.Helper()
	log, err := os.OpenFile(filepath.Join(h.folder, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		h.t.Fatal(err)
	}
	h.process = h.command("run", "-c", "teal.yaml", "--http", h.address, "--controller", h.id)
	h.process.Stdout, h.process.Stderr = log, log
	h.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := errors.Join(h.process.Start(), log.Close()); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) kill() {
	h.t.Helper()
	if err := h.process.Process.Kill(); err != nil {
		h.t.Error(err)
	}
	_ = h.process.Wait() // killed, which is not news
	h.process = nil
}

// end stops the controller and removes all that it made.
func (h *host) end() {
	if h.process != nil {
		if err := h.process.Process.Signal(syscall.SIGTERM); err != nil {
			h.t.Error(err)
		}
		if err := h.process.Wait(); err != nil {
			h.t.Errorf("the controller ended with: %v", err)
		}
	}
	h.client.Close()
	if h.t.Failed() {
		log, err := os.ReadFile(filepath.Join(h.folder, "log"))
		h.t.Logf("the controller's log (%v):\n%s", err, log)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	bench, err := workbench.Open(ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	_, err = bench.Remove(ctx, spec.LabelController, h.id)
	if err := errors.Join(err, bench.Close(), os.RemoveAll(h.folder)); err != nil {
		h.t.Error(err)
	}
}

// teal types a command that has to end well.
func (h *host) teal(args ...string) string {
	h.t.Helper()
	out, err := h.command(args...).CombinedOutput()
	if err != nil {
		h.t.Fatalf("teal %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// until waits for a state of the app.
func (h *host) until(what string, met func(reconcile.Status) bool) {
	h.t.Helper()
	var last string
	for begun := time.Now(); time.Since(begun) < 2*time.Minute; time.Sleep(10 * time.Millisecond) {
		list, err := h.client.Status(context.Background(), spec.Name{})
		if err != nil || len(list.Apps) == 0 {
			last = fmt.Sprint(err)
			continue
		}
		if met(list.Apps[0]) {
			return
		}
		text, err := json.Marshal(list.Apps[0])
		last = fmt.Sprint(string(text), err)
	}
	h.t.Fatalf("not seen: %s; last: %s", what, last)
}

// serves waits until one version alone has the traffic, on a colour.
func (h *host) serves(image string, on spec.Colour) {
	h.t.Helper()
	h.until(image+" serves on "+string(on), func(s reconcile.Status) bool {
		for _, c := range s.Colours {
			if c.Colour == on && c.Weight == 100 && strings.HasSuffix(c.Image, image) {
				return s.Serving.OK
			}
		}
		return false
	})
}

// example reads a file of the example, edited.
func example(t *testing.T, name string, edits ...string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(edits); i += 2 {
		if !strings.Contains(string(text), edits[i]) {
			t.Fatalf("%s does not say %q", name, edits[i])
		}
	}
	return strings.NewReplacer(edits...).Replace(string(text))
}

func TestTheWalkOverHTTPS(t *testing.T) {
	server := gittest.StartHTTPS(t)
	server.User, server.Password = "git", "a-token-that-may-read"
	repo := server.Repository(t, "shop")
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(server.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	walk(t, repo, example(t, "teal.yaml", "https://git.example.com/ops", server.URL, "keys/token", token, "keys/ca.pem", server.CA))
}

func TestTheWalkOverSSH(t *testing.T) {
	server := gittest.StartSSH(t)
	repo := gittest.New(t, t.TempDir(), "shop")
	walk(t, repo, example(t, "teal.yaml", "https://git.example.com/ops/shop.git", server.URL+repo.Bare,
		"token_file: keys/token", "identity: "+server.Identity, "ca: keys/ca.pem", "known_hosts: "+server.KnownHosts))
}

// walk is the day's work of README.md, with a kill in the middle.
func walk(t *testing.T, repo *gittest.Repository, settings string) {
	h := newHost(t, build(t), settings)
	one := dockertest.Image(t, "v1", dockertest.Options{Env: map[string]string{"VERSION": "v1"}})
	two := dockertest.Image(t, "v2", dockertest.Options{Env: map[string]string{"VERSION": "v2"}})
	text := example(t, "shop/compose.yaml", "name: shop", "name: "+h.project, "hello:v1", one)
	repo.Save("shop/compose.yaml", text, "Begin with v1")
	h.start()
	h.serves(one, spec.Blue)

	client, err := loadgen.New(t.Context(), loadgen.Config{URL: "http://" + h.address + "/", Rate: 50, Connections: 8})
	if err != nil {
		t.Fatal(err)
	}
	client.Start(t.Context())
	t.Cleanup(func() { client.Stop() })

	text = strings.Replace(text, one, two, 1)
	staged := repo.Save("shop/compose.yaml", text, "Try v2")
	if out := h.teal("sync", "shop"); !strings.Contains(out, staged[:8]) || !strings.Contains(out, "accepted from shop/compose.yaml") {
		t.Errorf("teal sync says\n%s", out)
	}
	h.until("v2 is staged", func(s reconcile.Status) bool { return s.Phase == reconcile.Staged })

	h.kill() // what was pulled is on the disk
	h.start()
	h.until("v2 is staged, after a restart", func(s reconcile.Status) bool { return s.Phase == reconcile.Staged })
	if n := client.SinceLap()["v2"].Count; n != 0 {
		t.Errorf("v2 answered %d requests before it was made live", n)
	}

	client.Lap()
	live := repo.Save("shop/compose.yaml", strings.Replace(text, "active: blue", "active: green", 1), "Make v2 live")
	h.moved(client, "v2")
	h.serves(two, spec.Green)

	client.Lap()
	repo.Do("revert", "--no-edit", live)
	repo.Push()
	h.moved(client, "v1")
	h.serves(one, spec.Blue)

	report := client.Stop()
	t.Logf("%s", report)
	if report.Failed > 0 || report.OK == 0 {
		t.Errorf("%d of %d requests failed: %v", report.Failed, report.Sent, report.Errors)
	}
	if out := h.teal("status"); !strings.Contains(out, "Revert \"Make v2 live\" (Ada)") {
		t.Errorf("teal status says\n%s", out)
	}
	history, err := h.client.History(t.Context(), spec.Name{Project: h.project, Service: "web"}, 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(history.Rollouts) == 0 || history.Rollouts[0].Origin == nil || !strings.HasPrefix(history.Rollouts[0].Origin.Subject, "Revert") {
		t.Errorf("the newest of the history is %+v", history.Rollouts)
	}
}

// moved has the controller pull, as a hook would, and tells how long it took from
// there until a version had the traffic alone.
func (h *host) moved(client *loadgen.Generator, version string) {
	h.t.Helper()
	begun := time.Now()
	if _, err := h.client.Sync(h.t.Context(), api.SyncRequest{}); err != nil {
		h.t.Fatal(err)
	}
	accepted := time.Since(begun)
	for since := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		seen := client.SinceLap()
		mine := seen[version]
		other := time.Time{}
		for v, s := range seen {
			if v != version && s.LastSent.After(other) {
				other = s.LastSent
			}
		}
		if mine.Count > 20 && mine.LastSent.Sub(other) > 200*time.Millisecond {
			h.t.Logf("told → accepted %s, told → %s has the traffic %s", accepted.Round(time.Millisecond), version, mine.First.Sub(begun).Round(time.Millisecond))
			return
		}
		if time.Since(since) > time.Minute {
			h.t.Fatalf("%s does not have the traffic: %+v", version, seen)
		}
	}
}
