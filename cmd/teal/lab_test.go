package main

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
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"teal/deploy/docker/dockertest"
	"teal/deploy/workbench"
	"teal/spec"
)

// lab is a real controller on the real engine: the built program in a process
// of its own, with its proxy, a work folder and an id of its own.
type lab struct {
	t       testing.TB
	binary  string
	folder  string
	id      string
	project string
	address string // of the proxy
	process *exec.Cmd
	log     *os.File
}

// binaryFolder is removed when all tests have ended.
var binaryFolder string

// binary builds the program once per test program, as static as a release.
var binary = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "teal-bin")
	if err != nil {
		return "", err
	}
	binaryFolder = folder
	path := filepath.Join(folder, "teal")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func newLab(t testing.TB) *lab {
	t.Helper()
	program, err := binary()
	if err != nil {
		t.Fatalf("build teal: %v", err)
	}
	folder, err := os.MkdirTemp("", "teal-lab")
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
	l := &lab{t: t, binary: program, folder: folder, id: id, project: strings.ReplaceAll(id, "-", ""), address: freeAddress(t), log: log}
	t.Cleanup(l.end)
	return l
}

// in is the lab as a subtest uses it.
func (l *lab) in(t testing.TB) *lab {
	out := *l
	out.t = t
	return &out
}

// freeAddress is one that nobody listens on now.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// end stops the controller, removes what it ran, with the proxy's image, and
// shows its log if the test failed.
func (l *lab) end() {
	if l.process != nil {
		l.stop()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if b, err := workbench.Open(ctx); err != nil {
		l.t.Error(err)
	} else if _, err := b.Remove(ctx, spec.LabelController, l.id); errors.Join(err, b.Close()) != nil {
		l.t.Errorf("remove what the controller ran: %v", err)
	}
	if l.t.Failed() {
		data, err := os.ReadFile(l.log.Name())
		l.t.Logf("the controller's log (%v):\n%s", err, data)
	}
	if err := l.log.Close(); err != nil {
		l.t.Error(err)
	}
}

func (l *lab) file() string { return filepath.Join(l.folder, "compose.yaml") }

// command is the program with this lab's folder.
func (l *lab) command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, l.binary, args...)
	c.Env = append(os.Environ(), "TEAL_STATE="+filepath.Join(l.folder, "state"), "USER=ann")
	c.Dir = l.folder
	return c
}

// start runs the controller and returns once it answers.
func (l *lab) start(flags ...string) {
	l.t.Helper()
	l.run(append([]string{"-f", "compose.yaml"}, flags...)...)
}

// run runs the controller with nothing watched but what flags say.
func (l *lab) run(flags ...string) {
	l.t.Helper()
	args := append([]string{"run", "--http", l.address, "--controller", l.id, "--resync", "2s"}, flags...)
	l.process = l.command(context.Background(), args...)
	l.process.Stdout, l.process.Stderr = l.log, l.log
	if err := l.process.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.until("the controller answers", func() error {
		if r := l.teal("version"); !strings.Contains(r.out, l.id) {
			return errors.New(r.out + r.err)
		}
		return nil
	})
}

// stop asks the controller to end and expects that it does so well.
func (l *lab) stop() {
	l.t.Helper()
	if err := l.process.Process.Signal(syscall.SIGTERM); err != nil {
		l.t.Errorf("stop the controller: %v", err)
	}
	if err := l.process.Wait(); err != nil {
		l.t.Errorf("the controller ended with: %v", err)
	}
	l.process = nil
}

// kill gives the controller no time for anything.
func (l *lab) kill() {
	l.t.Helper()
	if err := l.process.Process.Kill(); err != nil {
		l.t.Errorf("kill the controller: %v", err)
	}
	if err := l.process.Wait(); err == nil {
		l.t.Error("the killed controller ended well")
	}
	l.process = nil
}

// teal types a command.
func (l *lab) teal(args ...string) result {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	var out, errs strings.Builder
	c := l.command(ctx, args...)
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil && c.ProcessState == nil {
		l.t.Fatal(err)
	}
	return result{c.ProcessState.ExitCode(), out.String(), errs.String()}
}

// edit saves the desired state as editors do.
func (l *lab) edit(text string) {
	l.t.Helper()
	fresh := l.file() + "~"
	if err := errors.Join(os.WriteFile(fresh, []byte(text), 0o600), os.Rename(fresh, l.file())); err != nil {
		l.t.Fatal(err)
	}
}

// wants is a desired state with one app; more are further lines of x-teal.
func (l *lab) wants(image string, more ...string) string {
	return fmt.Sprintf("name: %s\nservices:\n  web:\n    image: %s\n    pull_policy: never\n    stop_grace_period: 2s\n"+
		"    x-teal:\n      route: {port: 8080}\n      health: {http: /health, deadline: 5s}\n      standby: 1m\n      %s\n",
		l.project, image, strings.Join(more, "\n      "))
}

// until waits for a condition, with a limit.
func (l *lab) until(what string, met func() error) {
	l.t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		err := met()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("wait until %s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// served waits until the proxy's answers come from a version.
func (l *lab) served(version string) {
	l.t.Helper()
	l.until(version+" serves", func() error {
		got, err := l.get()
		if err == nil && got != version {
			err = fmt.Errorf("%s serves", got)
		}
		return err
	})
}

var versionHeader = regexp.MustCompile(`^v[0-9]+$`)

// get asks the proxy which version answers.
func (l *lab) get() (string, error) {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get("http://" + l.address + "/")
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return "", err
	}
	v := res.Header.Get("Version")
	if !versionHeader.MatchString(v) {
		return "", fmt.Errorf("answer %s without a version", res.Status)
	}
	return v, nil
}
