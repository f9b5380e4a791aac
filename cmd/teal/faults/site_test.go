package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"teal/cmd/load/loadgen"
	"teal/controller/api"
	"teal/deploy/docker/dockertest"
	"teal/deploy/docker/faulty"
	"teal/reconcile"
	"teal/spec"
)

// site is one controller on a stage with its proxy: a folder, an id and an
// address of its own. Several share a stage.
type site struct {
	*stage
	t       testing.TB
	folder  string
	id      string
	project string
	address string // of the proxy
	engine  string // what --docker says
	host    string // instead, what --host says
	program string
	client  *api.Client
	process *exec.Cmd
	log     *os.File
}

var lastPort atomic.Int32

// newSite makes a work folder; nothing runs yet.
func newSite(t testing.TB, s *stage) *site {
	t.Helper()
	id := "f" + dockertest.Unique()
	x := &site{stage: s, t: t, id: id, project: id, folder: filepath.Join(s.Folder(), id), engine: s.URL(), program: shared.binary}
	x.address = net.JoinHostPort(s.Address.String(), fmt.Sprint(8000+lastPort.Add(1)))
	if err := os.Mkdir(x.folder, 0o700); err != nil {
		t.Fatal(err)
	}
	var err error
	if x.log, err = os.Create(filepath.Join(x.folder, "log")); err != nil {
		t.Fatal(err)
	}
	x.client = api.Dial(x.socket())
	t.Cleanup(x.end)
	return x
}

// ingress has a first controller make the network that all controllers of a
// host share: an engine takes one name twice from two who ask at once, and
// then both are held until somebody chooses.
func (s *stage) ingress(t testing.TB) {
	t.Helper()
	x := newSite(t, s)
	x.edit(x.wants("app:v1"))
	x.start()
	x.settled("v1")
}

func (x *site) socket() string { return filepath.Join(x.folder, "s") }

// faultily puts a faulty proxy between the controller and the engine.
func (x *site) faultily() *faulty.Proxy {
	x.t.Helper()
	socket := filepath.Join(x.folder, "d")
	p, err := faulty.Listen(context.Background(), socket, x.Socket())
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() {
		if err := p.Close(); err != nil {
			x.t.Error(err)
		}
	})
	x.engine = "unix://" + socket
	return p
}

// otherProgram gives the site a program of its own, which no image is made of
// yet.
func (x *site) otherProgram() {
	x.t.Helper()
	x.program = filepath.Join(x.folder, "teal")
	data, err := os.ReadFile(shared.binary)
	if err != nil {
		x.t.Fatal(err)
	}
	if err := os.WriteFile(x.program, append(data, x.id...), 0o755); err != nil {
		x.t.Fatal(err)
	}
}

// end stops the controller and removes what it made: an engine has few networks
// to give. The rig takes the rest away.
func (x *site) end() {
	x.client.Close()
	if x.process != nil {
		x.kill()
	}
	if x.t.Failed() {
		x.t.Logf("the controller's log:\n%s", lastLines(x.log.Name(), 80))
		out, err := x.dockerErr("ps", "-a", "--format", "{{.Names}} {{.Status}}")
		x.t.Logf("containers (%v):\n%s", err, out)
	}
	if err := x.log.Close(); err != nil {
		x.t.Error(err)
	}
	x.clear()
}

// clear removes the controller's containers and its project's network, unless
// the engine is away by now.
func (x *site) clear() {
	ids, err := x.dockerErr("ps", "-aq", "--filter", "label="+spec.LabelController+"="+x.id)
	if err != nil {
		return
	}
	if ids != "" {
		_, err = x.dockerErr(append([]string{"rm", "-f"}, strings.Fields(ids)...)...)
	}
	if _, removing := x.dockerErr("network", "rm", x.project+"_default"); err != nil {
		x.t.Logf("remove what the controller made: %v, %v", err, removing)
	}
}

func (x *site) args(args ...string) []string {
	return append([]string{x.program}, append(args, "--state", filepath.Join(x.folder, "state"), "--socket", x.socket())...)
}

// begin starts the controller and does not wait.
func (x *site) begin(flags ...string) {
	x.t.Helper()
	engine := []string{"--docker", x.engine}
	if x.host != "" {
		engine = []string{"--host", x.host, "--proxy-host", "one"}
	}
	args := x.args(append(append([]string{
		"run", "-f", filepath.Join(x.folder, "compose.yaml"), "--http", x.address, "--controller", x.id, "--resync", "2s",
	}, engine...), flags...)...)
	x.process = x.Command(context.Background(), args...)
	x.process.Stdout, x.process.Stderr = x.log, x.log
	if err := x.process.Start(); err != nil {
		x.t.Fatal(err)
	}
}

// start starts the controller and waits until it answers.
func (x *site) start(flags ...string) {
	x.t.Helper()
	x.begin(flags...)
	until(x.t, "the controller answers", func() error {
		_, err := x.client.Status(context.Background(), spec.Name{})
		return err
	})
}

// kill ends the controller, which can do nothing about it.
func (x *site) kill() {
	x.t.Helper()
	if err := syscall.Kill(-x.process.Process.Pid, syscall.SIGKILL); err != nil {
		x.t.Errorf("kill the controller: %v", err)
	}
	if err := x.process.Wait(); err == nil {
		x.t.Error("the killed controller ended well")
	}
	x.process = nil
}

// teal types a command and returns what it said, and its exit code.
func (x *site) teal(args ...string) (string, int) {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	all := x.args(args...)
	c := x.Command(ctx, all...)
	out, err := c.CombinedOutput()
	if err != nil && c.ProcessState == nil {
		x.t.Fatal(err)
	}
	return string(out), c.ProcessState.ExitCode()
}

// edit saves the desired state.
func (x *site) edit(text string) {
	x.t.Helper()
	file := filepath.Join(x.folder, "compose.yaml")
	if err := errors.Join(os.WriteFile(file+"~", []byte(text), 0o600), os.Rename(file+"~", file)); err != nil {
		x.t.Fatal(err)
	}
}

// wants is a desired state with one app; more are further lines of the service.
func (x *site) wants(image string, more ...string) string {
	return fmt.Sprintf("name: %s\nservices:\n  web:\n    image: %s\n    pull_policy: never\n    stop_grace_period: 2s\n"+
		"    x-teal: {route: {port: 8080}, health: {http: /health, deadline: 30s}, standby: 0s, drain: 2s}\n%s",
		x.project, image, strings.Join(more, "\n"))
}

// status is that of the site's only app.
func (x *site) status() (reconcile.Status, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	list, err := x.client.Status(ctx, spec.Name{})
	if err != nil {
		return reconcile.Status{}, err
	}
	for _, s := range list.Apps {
		if s.App.Service == "web" {
			return s, nil
		}
	}
	return reconcile.Status{}, fmt.Errorf("no app in %+v", list)
}

// settled waits until a version serves, is what is wanted, and nothing is under
// way any more.
func (x *site) settled(version string) {
	x.t.Helper()
	until(x.t, version+" serves and all is settled", func() error {
		s, err := x.status()
		if err != nil {
			return err
		}
		if !s.Serving.OK || !s.Synced.OK || s.Phase != reconcile.Idle {
			return fmt.Errorf("phase %q, serving %+v, synced %+v, backoff %+v", s.Phase, s.Serving, s.Synced, s.Backoff)
		}
		return x.answers(version)
	})
}

// says waits until the status of the app fits.
func (x *site) says(what string, fits func(reconcile.Status) bool) reconcile.Status {
	x.t.Helper()
	var s reconcile.Status
	until(x.t, what, func() error {
		var err error
		if s, err = x.status(); err == nil && !fits(s) {
			err = fmt.Errorf("phase %q, serving %+v, synced %+v, backoff %+v, hold %+v", s.Phase, s.Serving, s.Synced, s.Backoff, s.Hold)
		}
		return err
	})
	return s
}

var fresh = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// answers asks the proxy once.
func (x *site) answers(version string) error {
	res, err := fresh.Get("http://" + x.address + "/")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if got := res.Header.Get("Version"); got != version || res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s, version %q", res.Status, got)
	}
	return nil
}

// load sends requests, half of them POST, until the returned function is called.
func (x *site) load() (stop func() loadgen.Report) {
	x.t.Helper()
	g, err := loadgen.New(context.Background(), loadgen.Config{URL: "http://" + x.address + "/", Rate: 50, Connections: 8, Timeout: 30 * time.Second})
	if err != nil {
		x.t.Fatal(err)
	}
	g.Start(context.Background())
	x.t.Cleanup(func() { g.Stop() })
	return g.Stop
}

// lossless expects that no request was lost.
func lossless(t testing.TB, r loadgen.Report) {
	t.Helper()
	if r.Failed > 0 || r.OK < 10 {
		t.Errorf("requests were lost: %s", r)
	}
	t.Logf("%d requests, %d failed, slowest %s", r.Sent, r.Failed, r.Latency.Max.Round(time.Millisecond))
}

// replicas lists the containers of the app, each with its state.
func (x *site) replicas() []string {
	x.t.Helper()
	out := x.docker(x.t, "ps", "-a", "--filter", "label="+spec.LabelController+"="+x.id, "--filter", "label="+spec.LabelRole+"="+spec.RoleReplica,
		"--format", "{{.Names}} {{.Image}} {{.State}}")
	if out == "" {
		return nil
	}
	return strings.Split(out, "\n")
}

// only waits until one replica is all there is, and it runs.
func (x *site) only() string {
	x.t.Helper()
	var one string
	until(x.t, "one replica is left", func() error {
		list := x.replicas()
		if len(list) != 1 || !strings.HasSuffix(list[0], " running") {
			return fmt.Errorf("%q", list)
		}
		one, _, _ = strings.Cut(list[0], " ")
		return nil
	})
	return one
}
