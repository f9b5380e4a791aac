package trial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Start starts the controller in the background, in a session of its own, so
// that it goes on after this program. It returns once the controller answers.
func (t *Trial) Start(ctx context.Context, flags ...string) error {
	log, err := os.OpenFile(t.Log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open the controller's log: %w", err)
	}
	args := append([]string{
		"run", "-f", t.File(), "--state", filepath.Join(t.Folder, "state"), "--socket", t.Socket(), "--http", t.Listen,
	}, flags...)
	cmd := exec.Command(t.Binary, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	if closeErr := log.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("start the controller: %w", err)
	}
	t.process = cmd.Process
	if err := os.WriteFile(t.pidFile(), []byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0o644); err != nil {
		return fmt.Errorf("note the controller's pid: %w", err)
	}
	return t.Until(ctx, "the controller answers", func() (bool, error) {
		list, err := t.Status(ctx)
		if err != nil {
			return false, err
		}
		return true, os.WriteFile(t.idFile(), []byte(list.Controller.ID+"\n"), 0o644)
	})
}

// PID is the process id of the running controller; 0: none.
func (t *Trial) PID() int {
	if t.process == nil {
		return 0
	}
	return t.process.Pid
}

// Kill ends the controller with SIGKILL: it can do nothing about it.
func (t *Trial) Kill() error {
	if t.process == nil {
		return errors.New("kill the controller: none is running")
	}
	if err := t.process.Kill(); err != nil {
		return fmt.Errorf("kill the controller: %w", err)
	}
	_, err := t.process.Wait()
	t.process = nil
	if err != nil {
		return fmt.Errorf("wait for the killed controller: %w", err)
	}
	return nil
}

// stopLimit bounds how long a controller may take to stop.
const stopLimit = 20 * time.Second

// stopEarlier stops the controller that the pid file names, if it still runs
// and is ours: the process's own command line names the work folder.
func (t *Trial) stopEarlier(ctx context.Context) error {
	text, err := os.ReadFile(t.pidFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the controller's pid: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("read the controller's pid: %w", err)
	}
	if !t.owns(pid) {
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop the controller (pid %d): %w", pid, err)
	}
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for t.owns(pid) && !t.exited() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the controller (pid %d) did not stop within %s", pid, stopLimit)
		case <-tick.C:
		}
	}
	t.process = nil
	return nil
}

// owns reports whether pid is a controller on this work folder.
func (t *Trial) owns(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return false
	}
	for word := range bytes.SplitSeq(line, []byte{0}) {
		if string(word) == t.Socket() {
			return true
		}
	}
	return false
}

// exited reports whether the controller of this run ended by itself.
func (t *Trial) exited() bool {
	if t.process == nil {
		return false
	}
	var status syscall.WaitStatus
	pid, err := syscall.Wait4(t.process.Pid, &status, syscall.WNOHANG, nil)
	return (err == nil && pid == t.process.Pid) || errors.Is(err, syscall.ECHILD)
}

// lastWords are the end of the controller's log.
func (t *Trial) lastWords() string {
	const most = 2000
	text, err := os.ReadFile(t.Log())
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(text[max(0, len(text)-most):]))
}
