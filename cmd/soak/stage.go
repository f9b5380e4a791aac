package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"teal/deploy/rig"
	"teal/deploy/workbench"
)

// stage is where everything happens: a host of its own with an engine of its
// own, whose containers outlive the engine's process.
type stage struct {
	rig   *rig.Rig
	host  *rig.Host
	bench *workbench.Bench
}

// nginxImage is what -proxy nginx runs.
const nginxImage = "soak-nginx:1"

func openStage(ctx context.Context, s settings) (st *stage, err error) {
	st = &stage{}
	defer func() {
		if err != nil {
			err = errors.Join(err, st.close(ctx))
		}
	}()
	name := fmt.Sprintf("soak-%d-%d", os.Getpid(), s.seed%1000)
	if st.rig, err = rig.New(ctx, rig.Options{Name: name}); err != nil {
		return st, err
	}
	if st.host, err = st.rig.Host(ctx, "one", rig.HostOptions{Docker: true, LiveRestore: true}); err != nil {
		return st, err
	}
	if st.bench, err = workbench.OpenAt(ctx, st.host.URL()); err != nil {
		return st, err
	}
	return st, st.images(ctx, s)
}

// close removes all of it, also when ctx has ended.
func (st *stage) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	var errs []error
	if st.bench != nil {
		errs = append(errs, st.bench.Close())
	}
	if st.rig != nil {
		errs = append(errs, st.rig.Close(ctx))
	}
	return errors.Join(errs...)
}

// images makes what the files name: the same program under several references.
func (st *stage) images(ctx context.Context, s settings) error {
	path := s.app
	if path == "" {
		path = filepath.Join(st.rig.Folder(), "app")
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "teal/examples/hello/app")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build examples/hello/app: %w: %s", err, out)
		}
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the app: %w", err)
	}
	for _, tag := range imageTags {
		img := workbench.Image{Ref: tag, For: "soak", Binary: program, Env: map[string]string{"COLOR": tag}}
		if err := st.bench.Make(ctx, img); err != nil {
			return err
		}
	}
	if s.proxy == "nginx" {
		return st.bench.MakeNginx(ctx, nginxImage, "soak")
	}
	return nil
}

var imageTags = []string{"soak:a", "soak:b", "soak:c"}

// teal is the controller: the real binary on the stage's host.
type teal struct {
	stage  *stage
	binary string
	proxy  string
	folder string
	lives  int
	since  time.Time
	run    *exec.Cmd
	ended  chan struct{}
}

func newTeal(st *stage, s settings) (*teal, error) {
	t := &teal{stage: st, proxy: s.proxy, folder: filepath.Join(st.rig.Folder(), "teal")}
	t.binary = filepath.Join(st.rig.Folder(), "teal-binary") // a copy: the one that was built may be replaced meanwhile
	data, err := os.ReadFile(s.teal)
	if err != nil {
		return nil, fmt.Errorf("read the binary that is tested (make build): %w", err)
	}
	return t, errors.Join(os.WriteFile(t.binary, data, 0o755), os.MkdirAll(t.folder, 0o755))
}

func (t *teal) path(name string) string { return filepath.Join(t.folder, name) }
func (t *teal) socket() string          { return t.path("teal.sock") }
func (t *teal) admin() string           { return filepath.Join(t.folder, "state", "proxy", "admin.sock") }

// command is argv on the host, in the controller's folder. Its process number
// there goes to a file, because nsenter stands between.
func (t *teal) command(ctx context.Context, pidFile string, argv ...string) *exec.Cmd {
	const script = `cd "$0" && echo $$ > "$1" && shift && exec "$@"`
	cmd := t.stage.host.Command(ctx, append([]string{"sh", "-c", script, t.folder, pidFile}, argv...)...)
	cmd.Env = append(os.Environ(), "TEAL_STATE="+t.path("state"), "TEAL_SOCKET="+t.socket(), "DOCKER_HOST=", "USER=soak")
	return cmd
}

// start starts the controller and returns once it answers.
func (t *teal) start(ctx context.Context) error {
	if err := t.begin(ctx); err != nil {
		return err
	}
	return t.answers(ctx)
}

// begin starts the controller.
func (t *teal) begin(ctx context.Context) error {
	log, err := os.OpenFile(t.path("teal.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open the controller's log: %w", err)
	}
	argv := []string{
		t.binary, "run", "-f", t.path("shop.yaml"), "--prune", "--docker", "unix://" + rig.LocalSocket,
		"--controller", controllerID, "--http", fmt.Sprintf(":%d", listenPort), "--proxy", t.proxy,
	}
	if t.proxy == "nginx" {
		argv = append(argv, "--nginx-image", nginxImage)
	}
	cmd := t.command(context.WithoutCancel(ctx), t.path("pid"), argv...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := errors.Join(cmd.Start(), log.Close()); err != nil {
		return fmt.Errorf("start the controller: %w", err)
	}
	t.run, t.ended, t.since = cmd, make(chan struct{}), time.Now()
	t.lives++
	go func(ended chan struct{}) {
		_ = cmd.Wait() // it is ended by signals: its log says the rest
		close(ended)
	}(t.ended)
	return nil
}

const (
	controllerID = "soak"
	listenPort   = 8080
	answerLimit  = 2 * time.Minute
)

// answers waits until the controller does.
func (t *teal) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	for {
		_, err := t.do(ctx, "status")
		if err == nil {
			return nil
		}
		select {
		case <-t.ended:
			return fmt.Errorf("the controller ended by itself: %s", t.lastWords(15))
		case <-ctx.Done():
			return fmt.Errorf("wait until the controller answers: %w (%s)", err, t.lastWords(15))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// end ends the controller with a signal and waits until it is gone.
func (t *teal) end(ctx context.Context, signal string) error {
	if t.run == nil {
		return nil
	}
	pid, err := os.ReadFile(t.path("pid"))
	if err != nil {
		return fmt.Errorf("read the controller's pid: %w", err)
	}
	select {
	case <-t.ended:
		return fmt.Errorf("the controller had ended by itself: %s", t.lastWords(15))
	default:
	}
	if _, err := t.stage.host.Run(ctx, "kill", "-"+signal, strings.TrimSpace(string(pid))); err != nil {
		return fmt.Errorf("end the controller: %w", err)
	}
	select {
	case <-t.ended:
		t.run = nil
		return nil
	case <-time.After(answerLimit):
		return fmt.Errorf("the controller did not end within %s after %s", answerLimit, signal)
	}
}

// over reports that the controller ended without being told to.
func (t *teal) over() bool {
	if t.run == nil {
		return false
	}
	select {
	case <-t.ended:
		return true
	default:
		return false
	}
}

// do runs a verb and returns what it printed. An error is an *exec.ExitError
// where the verb ended by itself.
func (t *teal) do(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, t.binary, args...)
	cmd.Env = append(os.Environ(), "TEAL_STATE="+t.path("state"), "TEAL_SOCKET="+t.socket(), "USER=soak")
	cmd.Dir = t.folder
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// lastWords are the last lines of the controller's log.
func (t *teal) lastWords(lines int) string {
	text, err := os.ReadFile(t.path("teal.log"))
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// write saves a file as editors do: a new one, renamed over the old one.
func (t *teal) write(name, text string) error {
	fresh := t.path(name + "~")
	return errors.Join(os.WriteFile(fresh, []byte(text), 0o644), os.Rename(fresh, t.path(name)))
}
