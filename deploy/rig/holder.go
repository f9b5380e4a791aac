package rig

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// holderFile names the file in a host's folder with the pid of its holder.
const holderFile = "holder.pid"

// holder is the first process of a host. It owns the namespaces; when it dies,
// the kernel kills every other process of the host. It dies with this program.
type holder struct {
	process *os.Process
	ended   chan struct{} // closed once it was waited for
}

// holderScript prepares the mounts of a host and then only collects ended
// children, as the first process of a process namespace has to. $1 is the host's
// folder; every folder below $1/mounts is seen at the same path below /.
const holderScript = `set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/sshd /run/lock
mount --bind "$1/passwd" /etc/passwd
if [ -d "$1/mounts" ]; then
  (cd "$1/mounts" && find . -mindepth 2 -maxdepth 2 -type d) | while read -r folder; do
    mkdir -p "/$folder"
    mount --bind "$1/mounts/$folder" "/$folder"
  done
fi
echo ready
set +e
trap : TERM INT HUP
while :; do sleep 86400 & wait $!; done
`

// layAccounts gives the host this machine's accounts, but root an empty home and
// a plain shell: a login runs nobody's start-up files.
func (h *Host) layAccounts() error {
	accounts, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return fmt.Errorf("read this machine's accounts: %w", err)
	}
	home := filepath.Join(h.folder, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		return fmt.Errorf("make root's home: %w", err)
	}
	lines := []string{"root:x:0:0:root:" + home + ":/bin/sh"}
	for line := range strings.Lines(string(accounts)) {
		if !strings.HasPrefix(line, "root:") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	text := strings.Join(lines, "\n") + "\n"
	if err := os.WriteFile(filepath.Join(h.folder, "passwd"), []byte(text), 0o644); err != nil {
		return fmt.Errorf("write the host's accounts: %w", err)
	}
	return nil
}

// hold starts the host's holder and waits until its mounts are made.
func (h *Host) hold(ctx context.Context) error {
	if err := h.layAccounts(); err != nil {
		return err
	}
	if h.opts.Nginx {
		if err := h.layNginx(); err != nil {
			return err
		}
	}
	cmd := exec.Command("sh", "-c", holderScript, "teal-rig-host", h.folder)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
		Setpgid:    true, // an interrupt from the terminal is for the program
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	h.holder = &holder{ended: make(chan struct{})}
	if err := h.holder.start(cmd); err != nil {
		h.holder = nil
		return err
	}
	if err := os.WriteFile(filepath.Join(h.folder, holderFile), []byte(strconv.Itoa(h.holder.pid())+"\n"), 0o644); err != nil {
		return fmt.Errorf("note the holder's pid: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = h.holder.process.Kill() }) // it may have ended: then there is nothing to kill
	defer stop()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "ready" {
		killed := h.holder.kill(ctx)
		return errors.Join(fmt.Errorf("prepare mounts: %s", trimmed(said.Bytes())), err, killed)
	}
	return nil
}

// start starts cmd from a thread that lives as long as the process: the kernel
// sends the death signal when the thread that made the process ends.
func (o *holder) start(cmd *exec.Cmd) error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			o.process = cmd.Process
		}
		started <- err
		if err != nil {
			return
		}
		_, _ = cmd.Process.Wait() // it is always killed: how it ended says nothing
		close(o.ended)
	}()
	return <-started
}

func (o *holder) pid() int { return o.process.Pid }

// kill ends the host and waits until all its processes are gone.
func (o *holder) kill(ctx context.Context) error {
	if err := o.process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-o.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// command is argv inside the namespaces. nsenter stays outside and waits for it:
// both are in one process group, which is what is killed.
func (o *holder) command(ctx context.Context, argv ...string) *exec.Cmd {
	args := append([]string{"-t", strconv.Itoa(o.pid()), "-n", "-m", "-p", "-u", "-i", "--"}, argv...)
	cmd := exec.CommandContext(ctx, "nsenter", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

func trimmed(b []byte) string { return string(bytes.TrimSpace(b)) }
