package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"teal/controller/api"
	"teal/deploy/rig"
	"teal/reconcile"
	"teal/spec"
)

// Teal is a controller with the example's files in a folder of its own.
type Teal struct {
	Folder string

	stage   *Stage
	binary  string
	on      *rig.Host // where it runs; nil: on this machine
	process *exec.Cmd
	ended   chan struct{}
}

// OneHost prepares the example for one app host: Teal runs on the bastion. The
// bastion's nginx gets the line that includes Teal's files.
func (s *Stage) OneHost(ctx context.Context, binary string) (*Teal, error) {
	t, err := s.teal(ctx, binary, s.Bastion, "compose.yaml", "teal.yaml", ".env")
	if err != nil {
		return nil, err
	}
	return t, s.include(ctx)
}

// Adoption prepares the take-over of [Stage.Legacy]: Teal is to run on the
// bastion, with the old Compose file beside it. nginx is as it was.
func (s *Stage) Adoption(ctx context.Context, binary string) (*Teal, error) {
	return s.teal(ctx, binary, s.Bastion, "legacy/docker-compose.yml", "legacy/teal.yaml", "legacy/.env")
}

// TwoHosts prepares the example for two app hosts: Teal runs on this machine.
func (s *Stage) TwoHosts(ctx context.Context, binary string) (*Teal, error) {
	t, err := s.teal(ctx, binary, nil, "two-hosts/compose.yaml", "two-hosts/teal.yaml", "two-hosts/.env")
	if err != nil {
		return nil, err
	}
	return t, s.include(ctx)
}

func (s *Stage) teal(ctx context.Context, binary string, on *rig.Host, files ...string) (*Teal, error) {
	t := &Teal{Folder: filepath.Join(s.Rig.Folder(), "teal"), stage: s, binary: binary, on: on}
	return t, s.Copy(ctx, t.Folder, files...)
}

// include is what an operator does once for an nginx that is there.
func (s *Stage) include(ctx context.Context) error {
	own := filepath.Join(s.Bastion.NginxFolder(), "teal")
	if err := os.MkdirAll(own, 0o755); err != nil {
		return fmt.Errorf("make nginx's folder for Teal: %w", err)
	}
	for name, text := range map[string]string{
		filepath.Join(own, "teal.conf"):                                       "",
		filepath.Join(s.Bastion.NginxFolder(), "conf.d", "include-teal.conf"): "include /etc/nginx/teal/teal.conf;\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return fmt.Errorf("prepare nginx: %w", err)
		}
	}
	_, err := s.Bastion.Run(ctx, "nginx", "-s", "reload")
	return err
}

// Compose is the path of the desired state.
func (t *Teal) Compose() string { return filepath.Join(t.Folder, "compose.yaml") }

// Log is where the controller's output goes.
func (t *Teal) Log() string { return filepath.Join(t.Folder, "teal.log") }

func (t *Teal) socket() string { return filepath.Join(t.Folder, "teal.sock") }

// command is the binary where the controller runs, in its folder, with its socket.
func (t *Teal) command(ctx context.Context, args ...string) *exec.Cmd {
	args = append(append([]string{t.binary}, args...), "--socket", t.socket())
	var cmd *exec.Cmd
	if t.on != nil {
		cmd = t.on.Command(ctx, append([]string{"sh", "-c", `cd "$0" && exec "$@"`, t.Folder}, args...)...)
	} else {
		cmd = exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir = t.Folder
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	}
	cmd.Env = append(os.Environ(), "TEAL_STATE="+filepath.Join(t.Folder, "state"), "SSH_AUTH_SOCK=")
	return cmd
}

// Start starts the controller and returns once it answers.
func (t *Teal) Start(ctx context.Context, flags ...string) error {
	log, err := os.OpenFile(t.Log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open the controller's log: %w", err)
	}
	cmd := t.command(context.WithoutCancel(ctx), append([]string{"run", "-c", filepath.Join(t.Folder, "teal.yaml")}, flags...)...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := errors.Join(cmd.Start(), log.Close()); err != nil {
		return fmt.Errorf("start the controller: %w", err)
	}
	t.process, t.ended = cmd, make(chan struct{})
	go func(ended chan struct{}) {
		_ = cmd.Wait() // it is ended by signals: its log says the rest
		close(ended)
	}(t.ended)
	return t.until(ctx, "the controller answers", func() error {
		_, err := t.status(ctx)
		return err
	})
}

// Kill ends the controller with SIGKILL.
func (t *Teal) Kill(ctx context.Context) error { return t.signal(ctx, syscall.SIGKILL) }

// Stop asks the controller to end, and waits.
func (t *Teal) Stop(ctx context.Context) error { return t.signal(ctx, syscall.SIGTERM) }

// signal reaches the controller through its process group: on a host, nsenter
// stands between.
func (t *Teal) signal(ctx context.Context, sig syscall.Signal) error {
	if t.process == nil {
		return nil
	}
	if err := syscall.Kill(-t.process.Process.Pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("end the controller: %w", err)
	}
	select {
	case <-t.ended:
		t.process = nil
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the end of the controller: %w", ctx.Err())
	}
}

// Run runs a verb and returns what it printed. An error carries what it said.
func (t *Teal) Run(ctx context.Context, args ...string) (string, error) {
	cmd := t.command(ctx, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("teal %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// Edit replaces text in the desired state, as an editor saves it, and returns
// when that was.
func (t *Teal) Edit(old, fresh string) (time.Time, error) {
	text, err := os.ReadFile(t.Compose())
	if err != nil {
		return time.Time{}, fmt.Errorf("read the desired state: %w", err)
	}
	if !strings.Contains(string(text), old) {
		return time.Time{}, fmt.Errorf("the desired state does not contain %q", old)
	}
	edited := strings.ReplaceAll(string(text), old, fresh)
	if err := os.WriteFile(t.Compose()+"~", []byte(edited), 0o644); err != nil {
		return time.Time{}, fmt.Errorf("write the desired state: %w", err)
	}
	at := time.Now()
	if err := os.Rename(t.Compose()+"~", t.Compose()); err != nil {
		return at, fmt.Errorf("save the desired state: %w", err)
	}
	return at, nil
}

func (t *Teal) status(ctx context.Context) (api.StatusList, error) {
	return api.Dial(t.socket()).Status(ctx, spec.Name{})
}

// App waits until the status of the API meets a condition.
func (t *Teal) App(ctx context.Context, what string, met func(reconcile.Status) bool) (reconcile.Status, error) {
	var last reconcile.Status
	err := t.until(ctx, what, func() error {
		list, err := t.status(ctx)
		if err != nil {
			return err
		}
		for _, a := range list.Apps {
			if a.App.Service == "was" {
				last = a
				if met(a) {
					return nil
				}
			}
		}
		return fmt.Errorf("serving: %s; synced: %s", last.Serving.Message, last.Synced.Message)
	})
	return last, err
}

// until tries until it succeeds, for two minutes at most.
func (t *Teal) until(ctx context.Context, what string, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-t.ended:
			return fmt.Errorf("wait until %s: the controller ended by itself: %s", what, t.LastWords())
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w: %w", what, ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// LastWords are the end of the controller's log.
func (t *Teal) LastWords() string {
	const most = 6000
	text, err := os.ReadFile(t.Log())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-most):])
}
