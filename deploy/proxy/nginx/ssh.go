package nginx

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"path"
	"strconv"
	"strings"
	"sync"
)

// Remote is one ssh connection to a host.
type Remote interface {
	// Run runs a command line with the account's shell.
	Run(ctx context.Context, command string, stdin io.Reader) (stdout, stderr []byte, err error)
	// Dial connects to an address as seen from the host.
	Dial(ctx context.Context, network, address string) (net.Conn, error)
}

// SSHOptions say which nginx of a host behind ssh is the place.
type SSHOptions struct {
	Remote Remote
	Host   string // for people
	Folder string // default DefaultFolder
	Binary string // default "nginx", looked for in /usr/sbin, too
	// Config is the main configuration that the nginx was started with. Empty: the
	// one that it was built with.
	Config string
	// Sudo runs every command with "sudo -n", for an account that is not root.
	Sudo bool
	// Start is a command line that starts the nginx when it does not run, such as
	// "systemctl start nginx". Empty: that is for somebody else to do.
	Start string
	Point Point
}

// overSSH is the distribution's service on a host behind ssh.
type overSSH struct {
	o        SSHOptions
	ensuring sync.Mutex // one Ensure at a time: two would start two
}

// OverSSH is the nginx of a host behind ssh that somebody else runs, usually
// the distribution's service. Its main configuration has to include
// FOLDER/teal.conf in the http block. The host needs a shell, tar, mkdir, mv, ln
// and rm.
func OverSSH(o SSHOptions) Place {
	o.Folder = orFolder(o.Folder)
	if o.Binary == "" {
		o.Binary = "nginx"
	}
	return &overSSH{o: o}
}

func (s *overSSH) String() string { return "nginx on " + s.o.Host }

func (s *overSSH) Folder() string { return s.o.Folder }

func (s *overSSH) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return s.o.Remote.Dial(ctx, network, address)
}

func (s *overSSH) Write(ctx context.Context, files ...File) error {
	if err := checkFiles(files); err != nil {
		return err
	}
	return s.shell().write(ctx, files)
}

func (s *overSSH) Rename(ctx context.Context, from, to string) error {
	if err := check(from, to); err != nil {
		return err
	}
	return s.shell().rename(ctx, from, to)
}

func (s *overSSH) Link(ctx context.Context, target, name string) error {
	if err := check(name); err != nil {
		return err
	}
	return s.shell().link(ctx, target, name)
}

func (s *overSSH) relink(ctx context.Context, target, name string) error {
	if err := check(name); err != nil {
		return err
	}
	return s.shell().relink(ctx, target, name)
}

func (s *overSSH) Remove(ctx context.Context, all ...string) error {
	if err := check(all...); err != nil {
		return err
	}
	return s.shell().remove(ctx, all)
}

// missing is the status that a script says "there is none" with.
const missing = 44

func (s *overSSH) Read(ctx context.Context, name string) ([]byte, error) {
	if err := check(name); err != nil {
		return nil, err
	}
	file := quote(path.Join(s.o.Folder, name))
	output, status, err := s.command(ctx, nil, fmt.Sprintf("[ -e %s ] || exit %d\ncat %s", file, missing, file))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", name, err)
	case status == missing:
		return nil, fmt.Errorf("read %s on %s: %w", name, s.o.Host, fs.ErrNotExist)
	case status != 0:
		return nil, fmt.Errorf("read %s: exit status %d: %s", name, status, lastLine(output))
	}
	return []byte(output), nil
}

func (s *overSSH) Nginx(ctx context.Context, args ...string) (string, error) {
	defer s.o.Point.signal(args)()
	words := []string{quote(s.o.Binary)}
	if s.o.Config != "" {
		words = append(words, "-c", quote(s.o.Config))
	}
	for _, arg := range args {
		words = append(words, quote(arg))
	}
	output, status, err := s.command(ctx, nil, strings.Join(words, " "))
	if err == nil && status != 0 {
		err = &ExitError{Status: status, Output: output}
	}
	return output, err
}

func (s *overSSH) shell() shell {
	return shell{folder: s.o.Folder, run: func(ctx context.Context, archive io.Reader, script string) (string, int, error) {
		defer s.o.Point.effect("Script")()
		if archive != nil {
			folder := quote(s.o.Folder)
			script = fmt.Sprintf("mkdir -p %s && tar -xf - -C %s || exit 1\n%s", folder, folder, script)
		}
		return s.command(ctx, archive, script)
	}}
}

// status is what the line begins with that ends the output of every command. It
// tells a command that failed from a connection or an account that did.
const status = "teal-exit-status "

// command runs a script with the host's shell, whatever shell the account has,
// and returns what it wrote to both outputs.
func (s *overSSH) command(ctx context.Context, stdin io.Reader, script string) (output string, exit int, err error) {
	shell := "sh -c "
	if s.o.Sudo {
		shell = "sudo -n sh -c "
	}
	script = "PATH=$PATH:/usr/sbin:/sbin; export PATH; umask 022; (" + script + "\n) 2>&1; printf '\\n" + status + "%d\\n' $?"
	stdout, stderr, err := s.o.Remote.Run(ctx, shell+quote(script), stdin)
	if err != nil {
		return "", 0, fmt.Errorf("%s: %w", s, err)
	}
	at := bytes.LastIndex(stdout, []byte("\n"+status))
	if at < 0 {
		return "", 0, fmt.Errorf("%s: the command was not run: %s", s, lastLine(string(stdout)+string(stderr)))
	}
	exit, err = strconv.Atoi(strings.TrimSpace(string(stdout[at+1+len(status):])))
	if err != nil {
		return "", 0, fmt.Errorf("%s: read the exit status: %w", s, err)
	}
	return string(stdout[:at]), exit, nil
}
