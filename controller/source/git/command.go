package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// program runs the system's git for one repository, with nothing of this
// machine's or anybody's configuration.
type program struct {
	path        string // of git
	home        string // a folder that holds nothing
	address     Address
	credentials Credentials
	limit       time.Duration // for one command
}

// Find returns the path of the system's git; empty: there is none.
func Find() string {
	path, err := exec.LookPath("git")
	if err != nil {
		return ""
	}
	return path
}

// order is one command.
type order struct {
	args   []string
	env    []string // beside what every command gets
	input  io.Reader
	output io.Writer // nil: it is not needed
}

// run does one command and waits for it. After the limit, the whole group of its
// processes is killed.
func (p *program) run(ctx context.Context, o order) error {
	limited, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	said := &tail{limit: 4 << 10}
	cmd, err := p.command(limited, o, said)
	if err != nil {
		return err
	}
	// The kernel kills the child when the thread that started it ends, as it does
	// when this process is killed.
	runtime.LockOSThread()
	err = cmd.Run()
	runtime.UnlockOSThread()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case limited.Err() != nil:
		return &FollowError{Reason: ReasonUnreachable, Message: fmt.Sprintf("git %s of %s did not end within %s", o.args[0], p.address, p.limit), Err: err}
	}
	return &commandError{verb: o.args[0], said: cleaned(said.String()), err: err}
}

// commandError is a command that failed by itself.
type commandError struct {
	verb, said string
	err        error
}

// Error returns git's last words.
func (c *commandError) Error() string {
	return fmt.Sprintf("git %s: %s (%v)", c.verb, strings.TrimPrefix(c.said, "fatal: "), c.err)
}

// Unwrap returns the process's end.
func (c *commandError) Unwrap() error { return c.err }

// command prepares a process in a group of its own.
func (p *program) command(ctx context.Context, o order, said io.Writer) (*exec.Cmd, error) {
	env, err := p.environment()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, p.path, o.args...)
	cmd.Dir, cmd.Env = p.home, append(env, o.env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = o.input, o.output, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
	cmd.WaitDelay = 2 * time.Second
	return cmd, nil
}

// environment is all that a command finds. Secrets are in it, not in what other
// users can list; it is never logged.
func (p *program) environment() ([]string, error) {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + p.home, "XDG_CONFIG_HOME=" + p.home, "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=/bin/false", "SSH_ASKPASS=/bin/false",
		"GIT_ALLOW_PROTOCOL=" + p.address.Scheme, "GIT_PROTOCOL_FROM_USER=0",
		"GIT_NO_REPLACE_OBJECTS=1", "GIT_OPTIONAL_LOCKS=0", "GIT_LFS_SKIP_SMUDGE=1",
	}
	for _, name := range []string{"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	settings := [][2]string{
		{"core.hooksPath", "/dev/null"},
		{"core.symlinks", "false"},
		{"core.fsmonitor", "false"},
		{"core.askPass", ""},
		{"credential.helper", ""},
		{"protocol.version", "2"},
		{"gc.auto", "0"},
		{"maintenance.auto", "false"},
		{"fetch.fsckObjects", "true"},
		{"submodule.recurse", "false"},
		{"fetch.recurseSubmodules", "false"},
		{"http.followRedirects", "false"},
		{"http.lowSpeedLimit", "1000"},
		{"http.lowSpeedTime", "30"},
	}
	switch p.address.Scheme {
	case "https":
		header, err := p.credentials.header()
		if err != nil {
			return nil, err
		}
		if header != "" {
			settings = append(settings, [2]string{"http.extraHeader", "Authorization: " + header})
		}
		if p.credentials.CA != "" {
			settings = append(settings, [2]string{"http.sslCAInfo", p.credentials.CA})
		}
	case "file":
		// The server's side is a process of this machine: it reads this file.
		env = append(env, "GIT_CONFIG_GLOBAL="+filepath.Join(p.home, localConfig))
	case "ssh":
		env = append(env, "GIT_SSH_VARIANT=ssh", "GIT_SSH_COMMAND="+p.ssh())
	}
	env = append(env, "GIT_CONFIG_COUNT="+strconv.Itoa(len(settings)))
	for i, s := range settings {
		n := strconv.Itoa(i)
		env = append(env, "GIT_CONFIG_KEY_"+n+"="+s[0], "GIT_CONFIG_VALUE_"+n+"="+s[1])
	}
	return env, nil
}

// ssh is the command that git reaches the server with.
func (p *program) ssh() string {
	words := []string{
		"ssh", "-F", "/dev/null", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "PermitLocalCommand=no",
		"-o", "ForwardAgent=no", "-o", "ConnectTimeout=15", "-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3",
		"-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-i", p.credentials.Identity,
	}
	if p.credentials.KnownHosts != "" {
		words = append(words, "-o", "UserKnownHostsFile="+p.credentials.KnownHosts, "-o", "GlobalKnownHostsFile=/dev/null")
	} else {
		words = append(words, "-o", "UserKnownHostsFile="+strings.Join(p.credentials.knownHostsFiles()[:1], " "))
	}
	for i, w := range words {
		words[i] = quoted(w)
	}
	return strings.Join(words, " ")
}

// localConfig lets repositories of this machine be read, whoever owns them, and
// in part.
const (
	localConfig = "gitconfig"
	localText   = "[safe]\n\tdirectory = *\n[uploadpack]\n\tallowFilter = true\n"
)

// tail keeps the end of what is written to it.
type tail struct {
	limit int
	text  []byte
}

// Write never fails.
func (t *tail) Write(b []byte) (int, error) {
	t.text = append(t.text, b...)
	if over := len(t.text) - t.limit; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(b), nil
}

// String returns what was kept.
func (t *tail) String() string { return string(t.text) }
