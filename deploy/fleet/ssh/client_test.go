package ssh_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	cryptossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"teal/deploy/fleet/ssh"
	"teal/deploy/fleet/ssh/sshtest"
)

// limit is for what has to happen, on however slow a machine.
const limit = time.Minute

// open returns a client of s, without an agent unless change names one.
func open(t *testing.T, s *sshtest.Server, change func(*ssh.Options)) *ssh.Client {
	t.Helper()
	t.Setenv("SSH_AUTH_SOCK", "")
	target, _, err := ssh.ParseAddress(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	opts := ssh.Options{
		Target: target, Identities: []string{s.Identity}, KnownHosts: []string{s.KnownHosts},
		PauseMin: 1, PauseMax: 1, // nanosecond,
	}
	if change != nil {
		change(&opts)
	}
	c := ssh.New(opts)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// echo answers every line with itself, at a socket and a port.
func echo(t *testing.T) (socket, address string) {
	t.Helper()
	folder, err := os.MkdirTemp("", "teal-ssh-") // the paths of sockets must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	socket = filepath.Join(folder, "echo.sock")
	for _, at := range [][2]string{{"unix", socket}, {"tcp", "127.0.0.1:0"}} {
		l, err := net.Listen(at[0], at[1])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() { // ends with the listener
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() { _, _ = io.Copy(c, c); c.Close() }()
			}
		}()
		address = l.Addr().String()
	}
	return socket, address
}

// said sends words over a new connection and wants them back.
func said(ctx context.Context, c *ssh.Client, network, address, words string) error {
	conn, err := c.Dial(ctx, network, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, words); err != nil {
		return err
	}
	got := make([]byte, len(words))
	if _, err := io.ReadFull(conn, got); err != nil {
		return err
	}
	if string(got) != words {
		return fmt.Errorf("got %q", got)
	}
	return nil
}

func TestEverythingGoesOverOneConnection(t *testing.T) {
	s := sshtest.Start(t)
	c := open(t, s, nil)
	socket, address := echo(t)
	ctx := within(t)
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			var err error
			switch i % 3 {
			case 0:
				err = said(ctx, c, "unix", socket, fmt.Sprint("unix ", i))
			case 1:
				err = said(ctx, c, "tcp", address, fmt.Sprint("tcp ", i))
			case 2:
				var out []byte
				out, _, err = c.Run(ctx, "cat; echo bye >&2", strings.NewReader(fmt.Sprint("run ", i)))
				if err == nil && string(out) != fmt.Sprint("run ", i) {
					err = fmt.Errorf("got %q", out)
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := s.Connections(); n != 1 {
		t.Errorf("%d connections, want 1\n%s", n, s.Log())
	}
}

func TestCommandsTellHowTheyEnded(t *testing.T) {
	c := open(t, sshtest.Start(t), nil)
	_, stderr, err := c.Run(within(t), "echo no such luck >&2; exit 3", nil)
	exit, ok := errors.AsType[*ssh.ExitError](err)
	if !ok || exit.Status != 3 || !strings.Contains(err.Error(), "no such luck") || string(stderr) != "no such luck\n" {
		t.Errorf("%v, stderr %q", err, stderr)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, _, err := c.Run(ctx, "sleep 600", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a command that takes too long: %v", err)
	}
}

func TestLostConnectionIsMadeAnewOnce(t *testing.T) {
	s := sshtest.Start(t)
	wire := sshtest.NewWire(t, "", func() (net.Conn, error) { return net.Dial("tcp", s.Address) })
	known := filepath.Join(t.TempDir(), "known_hosts")
	write(t, known, knownhosts.Line([]string{wire.Address}, s.HostKey))
	c := open(t, s, func(o *ssh.Options) {
		o.Target.Host, o.KnownHosts = wire.Address, []string{known}
		o.Keepalive = 20 * time.Millisecond
	})
	socket, _ := echo(t)
	again := func(what string, connections int) {
		t.Helper()
		ctx := within(t)
		for said(ctx, c, "unix", socket, "hello") != nil {
			if ctx.Err() != nil {
				t.Fatalf("%s: no connection any more", what)
			}
		}
		if n := wire.Opened(); n != connections {
			t.Errorf("%s: %d connections, want %d", what, n, connections)
		}
	}
	again("at first", 1)
	held, err := c.Dial(within(t), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	wire.Cut()
	if _, err := held.Read(make([]byte, 1)); err == nil {
		t.Error("a connection outlived what carried it")
	}
	again("after a cut", 2)
	if held, err = c.Dial(within(t), "unix", socket); err != nil {
		t.Fatal(err)
	}
	wire.Freeze()
	if _, err := held.Read(make([]byte, 1)); err == nil { // ends when the keepalive gives up
		t.Error("something came through a frozen wire")
	}
	wire.Cut()
	wire.Thaw()
	ctx := within(t)
	for said(ctx, c, "unix", socket, "hello") != nil && ctx.Err() == nil {
	}
	if ctx.Err() != nil {
		t.Error("a frozen connection is not made anew")
	}
}

func TestAgentHoldsTheKey(t *testing.T) {
	s := sshtest.Start(t)
	_, private, err := keyPair()
	if err != nil {
		t.Fatal(err)
	}
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		t.Fatal(err)
	}
	signers, err := ring.Signers()
	if err != nil {
		t.Fatal(err)
	}
	s.Allow(t, signers[0].PublicKey())
	socket := serveAgent(t, ring)
	c := open(t, s, func(o *ssh.Options) { o.Identities, o.Agent = nil, socket })
	if _, _, err := c.Run(within(t), "true", nil); err != nil {
		t.Error(err)
	}
}

func TestEncryptedIdentityIsUsedThroughTheAgent(t *testing.T) {
	s := sshtest.Start(t)
	file := filepath.Join(t.TempDir(), "encrypted")
	s.Allow(t, sshtest.NewKey(t, file, "secret"))
	encrypted := func(o *ssh.Options) { o.Identities = []string{file} }
	_, _, err := open(t, s, encrypted).Run(within(t), "true", nil)
	wants(t, err, file, "passphrase", "ssh-add")
	ring := agent.NewKeyring()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := cryptossh.ParseRawPrivateKeyWithPassphrase(text, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.Add(agent.AddedKey{PrivateKey: raw}); err != nil {
		t.Fatal(err)
	}
	socket := serveAgent(t, ring)
	c := open(t, s, func(o *ssh.Options) { o.Identities, o.Agent = []string{file}, socket })
	if _, _, err := c.Run(within(t), "true", nil); err != nil {
		t.Error(err)
	}
}

func TestJumpHostIsGoneThroughAndChecked(t *testing.T) {
	jump, s := sshtest.Start(t), sshtest.Start(t)
	both := filepath.Join(t.TempDir(), "known_hosts")
	write(t, both, knownhosts.Line([]string{jump.Address}, jump.HostKey)+"\n"+knownhosts.Line([]string{s.Address}, s.HostKey)+"\n")
	via, _, err := ssh.ParseAddress(jump.URL())
	if err != nil {
		t.Fatal(err)
	}
	through := func(known string) func(*ssh.Options) {
		return func(o *ssh.Options) {
			o.Jumps, o.KnownHosts = []ssh.Address{via}, []string{known}
			o.Identities = []string{jump.Identity, s.Identity}
		}
	}
	c := open(t, s, through(both))
	for range 3 {
		if _, _, err := c.Run(within(t), "true", nil); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := jump.Connections(), s.Connections(); a != 1 || b != 1 {
		t.Errorf("%d connections to the jump host and %d to the host, want 1 and 1", a, b)
	}
	_, _, err = open(t, s, through(s.KnownHosts)).Run(within(t), "true", nil)
	wants(t, err, "through ssh://"+jump.User+"@"+jump.Address, "not known")
	_, _, err = open(t, s, through(jump.KnownHosts)).Run(within(t), "true", nil)
	wants(t, err, s.URL(), "not known")
	if strings.Contains(fmt.Sprint(err), "through") {
		t.Errorf("the jump host is blamed: %v", err)
	}
}
