package machine

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teal/cmd/load/loadgen"
	"teal/controller/api"
	"teal/deploy/docker/dockertest"
	"teal/deploy/rig"
	"teal/reconcile"
	"teal/spec"
)

var full = flag.Bool("machine.full", false, "also what takes longer: reboots, a full disk, memory that ends")

// limit bounds each wait. It is long: nothing here is about speed.
const limit = 3 * time.Minute

// ground is the host that all tests share, one after the other.
var ground struct {
	rig    *rig.Rig
	host   *rig.Host
	binary string
	tar    string
}

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctx := context.Background()
	ground.rig, err = rig.New(ctx, rig.Options{Name: "machine-" + dockertest.Unique()})
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, ground.rig.Close(context.Background())) }()
	folder := ground.rig.Folder()
	ground.binary, ground.tar = filepath.Join(folder, "teal"), filepath.Join(folder, "app.tar")
	app := filepath.Join(folder, "app")
	for path, of := range map[string]string{ground.binary: "teal/cmd/teal", app: "teal/examples/hello/app"} {
		build := exec.Command("go", "build", "-ldflags=-s -w", "-o", path, of)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return 1, fmt.Errorf("build %s: %w: %s", of, err, out)
		}
	}
	if err := rig.Pack(ctx, ground.tar, rig.Files{Copies: map[string]string{"/app": app}}); err != nil {
		return 1, err
	}
	if ground.host, err = ground.rig.Host(ctx, "one", rig.HostOptions{Docker: true}); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// stand is one controller on the host.
type stand struct {
	t       *testing.T
	folder  string
	state   string
	id      string
	port    int
	flags   []string
	client  *api.Client
	process *exec.Cmd
	cut     context.CancelFunc // kills the process
	log     *os.File
	wish    string
}

var ports = 8000

func newStand(t *testing.T, flags ...string) *stand {
	t.Helper()
	folder, err := os.MkdirTemp(ground.host.Folder(), "t")
	must(t, err)
	log, err := os.Create(filepath.Join(folder, "log"))
	must(t, err)
	ports++
	s := &stand{t: t, folder: folder, state: filepath.Join(folder, "s"), id: "m-" + dockertest.Unique(), port: ports, flags: flags, log: log}
	s.client = api.Dial(filepath.Join(folder, "sock"))
	t.Cleanup(s.end)
	return s
}

// end kills the controller and removes what it ran.
func (s *stand) end() {
	s.client.Close()
	if s.process != nil {
		s.kill()
	}
	ctx, done := context.WithTimeout(context.Background(), limit)
	defer done()
	if _, err := ground.host.Run(ctx, "sh", "-c", "docker ps -aq --filter label=teal.controller="+s.id+" | xargs -r docker rm -f -v"); err != nil {
		s.t.Error(err)
	}
	if s.t.Failed() {
		text, err := os.ReadFile(s.log.Name())
		s.t.Logf("the controller's log (%v):\n%s", err, text)
	}
	if err := s.log.Close(); err != nil {
		s.t.Error(err)
	}
}

// image makes an image of a version that misbehaves in some way, or not.
func (s *stand) image(version, fault string) string {
	s.t.Helper()
	ref := "machine:" + version + "-" + strings.ReplaceAll(fault, "=", "-")
	must(s.t, ground.host.Load(s.t.Context(), rig.Image{
		Ref: ref, Tar: ground.tar, Changes: []string{`ENTRYPOINT ["/app"]`, "ENV VERSION=" + version + " BREAK=" + fault},
	}))
	return ref
}

// wants saves the desired state as editors do; more are further lines of x-teal.
func (s *stand) wants(image, deadline string, more ...string) {
	s.t.Helper()
	s.wish = fmt.Sprintf("name: shop\nservices:\n  web:\n    image: %s\n    pull_policy: never\n    mem_limit: 64m\n    stop_grace_period: 2s\n"+
		"    x-teal:\n      route: {port: 8080}\n      health: {http: /health, deadline: %s}\n      standby: 1h\n      %s\n",
		image, deadline, strings.Join(more, "\n      "))
	file := filepath.Join(s.folder, "compose.yaml")
	must(s.t, errors.Join(os.WriteFile(file+"~", []byte(s.wish), 0o600), os.Rename(file+"~", file)))
}

// command is the program on the host, with this controller's folder.
func (s *stand) command(ctx context.Context, args ...string) *exec.Cmd {
	c := ground.host.Command(ctx, append([]string{
		"env", "TEAL_STATE=" + s.state, "TEAL_SOCKET=" + filepath.Join(s.folder, "sock"), "DOCKER_HOST=unix://" + rig.LocalSocket,
		"USER=ann", ground.binary,
	}, args...)...)
	c.Dir = s.folder
	return c
}

// launch starts the controller and does not wait for anything.
func (s *stand) launch() {
	s.t.Helper()
	ctx, cut := context.WithCancel(context.Background())
	args := append([]string{
		"run", "-f", filepath.Join(s.folder, "compose.yaml"), "--http", fmt.Sprintf("0.0.0.0:%d", s.port),
		"--controller", s.id, "--resync", "2s",
	}, s.flags...)
	c := s.command(ctx, args...)
	c.Stdout, c.Stderr = s.log, s.log
	must(s.t, c.Start())
	s.process, s.cut = c, cut
}

// start starts the controller and returns once it answers.
func (s *stand) start() {
	s.t.Helper()
	s.launch()
	s.until("the controller answers", func() error {
		_, err := s.client.Version(s.t.Context())
		return err
	})
}

// kill gives the controller no time for anything.
func (s *stand) kill() {
	s.t.Helper()
	s.cut()
	if err := s.process.Wait(); err == nil {
		s.t.Error("the killed controller ended well")
	}
	s.process = nil
}

// ends waits until the controller ended by itself, and wants these words of it.
func (s *stand) ends(words ...string) {
	s.t.Helper()
	done := make(chan error, 1)
	go func() { done <- s.process.Wait() }()
	select {
	case err := <-done:
		if err == nil {
			s.t.Error("the controller ended as if all were well")
		}
	case <-time.After(limit):
		s.cut()
		s.t.Fatalf("the controller goes on (%v)", <-done)
	}
	s.process = nil
	s.logged(words...)
}

// logged wants words in the controller's log.
func (s *stand) logged(words ...string) {
	s.t.Helper()
	text, err := os.ReadFile(s.log.Name())
	must(s.t, err)
	for _, w := range words {
		if !strings.Contains(string(text), w) {
			s.t.Errorf("the log does not say %q", w)
		}
	}
}

// teal types a command and wants it to end well.
func (s *stand) teal(args ...string) string {
	s.t.Helper()
	ctx, done := context.WithTimeout(s.t.Context(), limit)
	defer done()
	out, err := s.command(ctx, args...).CombinedOutput()
	if err != nil {
		s.t.Errorf("teal %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// status asks for everything; app waits until the app is as is wanted.
func (s *stand) status() api.StatusList {
	s.t.Helper()
	list, err := s.client.Status(s.t.Context(), spec.Name{})
	must(s.t, err)
	return list
}

func (s *stand) app(what string, met func(reconcile.Status) bool) (out reconcile.Status) {
	s.t.Helper()
	s.until(what, func() error {
		list, err := s.client.Status(s.t.Context(), spec.Name{})
		if err != nil {
			return err
		}
		if len(list.Apps) != 1 {
			return fmt.Errorf("%d apps", len(list.Apps))
		}
		if out = list.Apps[0]; !met(out) {
			return fmt.Errorf("phase %q, serving %s, synced %s", out.Phase.Words(), out.Serving.Message, out.Synced.Message)
		}
		return nil
	})
	return out
}

// settled waits until the wish is reached and version answers.
func (s *stand) settled(version string) {
	s.t.Helper()
	s.app(version+" is settled", func(a reconcile.Status) bool { return a.Serving.OK && a.Synced.OK && a.Phase == reconcile.Idle })
	s.serves(version)
}

// serves waits until the proxy's answers come from a version.
func (s *stand) serves(version string) {
	s.t.Helper()
	s.until(version+" serves", func() error {
		got, err := s.get()
		if err == nil && got != version {
			err = fmt.Errorf("%q serves", got)
		}
		return err
	})
}

func (s *stand) url() string { return fmt.Sprintf("http://%s:%d/", ground.host.Address, s.port) }

func (s *stand) get() (string, error) {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(s.url())
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }() // read to its end
	if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("answer %s: %w", res.Status, err)
	}
	return res.Header.Get(loadgen.VersionHeader), nil
}

// load sends requests until the returned function is called, which wants none
// to have failed.
func (s *stand) load() (stop func()) {
	s.t.Helper()
	g, err := loadgen.New(s.t.Context(), loadgen.Config{URL: s.url(), Rate: 50, Connections: 8, Timeout: time.Minute})
	must(s.t, err)
	g.Start(s.t.Context())
	s.t.Cleanup(func() { g.Stop() })
	return func() {
		s.t.Helper()
		r := g.Stop()
		s.t.Logf("%s", r)
		if r.Failed > 0 || r.OK == 0 {
			s.t.Errorf("%d of %d requests failed", r.Failed, r.Sent)
		}
	}
}

// running are the ids of the controller's containers that run.
func (s *stand) running() string {
	s.t.Helper()
	out, err := ground.host.Run(s.t.Context(), "docker", "ps", "-q", "--no-trunc", "--filter", "label=teal.controller="+s.id)
	must(s.t, err)
	return string(out)
}

// until waits for a condition, with a limit.
func (s *stand) until(what string, met func() error) {
	s.t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := met()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("wait until %s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// long leaves a test to make machine.
func long(t *testing.T) {
	t.Helper()
	if !*full {
		t.Skip("it takes minutes: make machine")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
