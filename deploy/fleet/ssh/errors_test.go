package ssh_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	cryptossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"teal/deploy/fleet/ssh"
	"teal/deploy/fleet/ssh/sshtest"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func keyPair() (ed25519.PublicKey, *ed25519.PrivateKey, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	return public, &private, err
}

func serveAgent(t *testing.T, ring agent.Agent) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "teal-ssh-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	l, err := net.Listen("unix", filepath.Join(folder, "agent.sock"))
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
			go func() { _ = agent.ServeAgent(ring, c); c.Close() }()
		}
	}()
	return l.Addr().String()
}

// wants fails the test unless err says all of words.
func wants(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one with %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%v\ndoes not say %q", err, w)
		}
	}
}

func TestUnknownHostKeyIsToldWithTheLineToAdd(t *testing.T) {
	s := sshtest.Start(t)
	known := filepath.Join(t.TempDir(), "known_hosts")
	write(t, known, "# nothing yet\n")
	c := open(t, s, func(o *ssh.Options) { o.KnownHosts = []string{known} })
	_, _, err := c.Run(within(t), "true", nil)
	line := knownhosts.Line([]string{s.Address}, s.HostKey)
	wants(t, err, s.URL(), "not known", cryptossh.FingerprintSHA256(s.HostKey), line, known)
	unknown, ok := errors.AsType[*ssh.UnknownHostKeyError](err)
	if !ok {
		t.Fatalf("%T is no UnknownHostKeyError", err)
	}
	write(t, known, unknown.Line+"\n")
	if _, _, err := c.Run(within(t), "true", nil); err != nil {
		t.Errorf("with the line added: %v", err)
	}
}

func TestChangedHostKeyIsLoud(t *testing.T) {
	s := sshtest.Start(t)
	s.NewHostKey(t)
	_, _, err := open(t, s, nil).Run(within(t), "true", nil)
	wants(t, err, s.URL(), "HAS CHANGED", cryptossh.FingerprintSHA256(s.HostKey), s.KnownHosts+":1")
	if _, ok := errors.AsType[*ssh.ChangedHostKeyError](err); !ok {
		t.Errorf("%T is no ChangedHostKeyError", err)
	}
	if s.Connections() != 0 {
		t.Error("a key was shown to a host that is not who it was")
	}
}

func TestRevokedHostKeyIsRefused(t *testing.T) {
	s := sshtest.Start(t)
	line := knownhosts.Line([]string{s.Address}, s.HostKey)
	known := filepath.Join(t.TempDir(), "known_hosts")
	write(t, known, line+"\n@revoked "+line+"\n")
	_, _, err := open(t, s, func(o *ssh.Options) { o.KnownHosts = []string{known} }).Run(within(t), "true", nil)
	wants(t, err, "IS REVOKED", known+":2")
}

func TestHostWithSeveralKeysIsKnownByOne(t *testing.T) {
	other := filepath.Join(t.TempDir(), "ecdsa")
	ecdsaKey(t, other)
	s := sshtest.Start(t, "HostKey "+other)
	// The library would rather see the ECDSA key, which is not in known_hosts.
	if _, _, err := open(t, s, nil).Run(within(t), "true", nil); err != nil {
		t.Error(err)
	}
}

func TestWhatKeepsAConnectionFromBeingMadeIsTold(t *testing.T) {
	s := sshtest.Start(t)
	stranger, loose := filepath.Join(t.TempDir(), "stranger"), filepath.Join(t.TempDir(), "loose")
	sshtest.NewKey(t, stranger, "")
	sshtest.NewKey(t, loose, "")
	if err := os.Chmod(loose, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(*ssh.Options)
		words  []string
	}{
		{"a key that is not let in", func(o *ssh.Options) { o.Identities = []string{stranger} }, []string{s.URL(), "none of the keys was accepted for user " + s.User, "SHA256:", stranger}},
		{"a key that others may read", func(o *ssh.Options) { o.Identities = []string{loose} }, []string{loose, "0644", "chmod 600"}},
		{"a key that is not there", func(o *ssh.Options) { o.Identities = []string{"/nowhere/key"} }, []string{"/nowhere/key"}},
		{"no key at all", func(o *ssh.Options) { o.Identities = nil }, []string{"no identity", "SSH_AUTH_SOCK"}},
		{"an agent that is away", func(o *ssh.Options) { o.Identities, o.Agent = nil, "/nowhere/agent" }, []string{"agent does not answer"}},
		{"known_hosts that are not there", func(o *ssh.Options) { o.KnownHosts = []string{"/nowhere/known"} }, []string{"known_hosts", "/nowhere/known"}},
		{"nobody listens", func(o *ssh.Options) { o.Target.Host = "127.0.0.1:1" }, []string{"127.0.0.1:1", "refused"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := open(t, s, c.change).Run(within(t), "true", nil)
			wants(t, err, c.words...)
		})
	}
}

func TestWhatSSHDRefusesIsTold(t *testing.T) {
	s := sshtest.Start(t, "AllowStreamLocalForwarding no")
	_, err := open(t, s, nil).Dial(within(t), "unix", "/var/run/docker.sock")
	wants(t, err, s.URL(), "AllowStreamLocalForwarding")
	s = sshtest.Start(t)
	_, err = open(t, s, nil).Dial(within(t), "unix", "/nowhere/docker.sock")
	wants(t, err, s.URL(), "/nowhere/docker.sock", "group")
}

func TestManyCallersShareOneFailure(t *testing.T) {
	s := sshtest.Start(t)
	wire := sshtest.NewWire(t, "", func() (net.Conn, error) { return net.Dial("tcp", s.Address) })
	c := open(t, s, func(o *ssh.Options) {
		o.Target.Host = wire.Address // whose key is not known
		o.PauseMin, o.PauseMax = limit, limit
	})
	errs := make(chan error, 20)
	for range cap(errs) {
		go func() {
			_, _, err := c.Run(t.Context(), "true", nil)
			errs <- err
		}()
	}
	for range cap(errs) {
		wants(t, <-errs, "not known")
	}
	if n := wire.Opened(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func TestClosedClientSaysSo(t *testing.T) {
	s := sshtest.Start(t)
	c := open(t, s, nil)
	conn, err := c.Dial(within(t), "tcp", s.Address)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for { // sshd's greeting may have come
		if _, err := conn.Read(make([]byte, 100)); err != nil {
			break
		}
	}
	if _, err := c.DialTCP(within(t), s.Address); !errors.Is(err, ssh.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]string{
		"ssh://deploy@10.0.0.5":                "deploy 10.0.0.5:22 ",
		"ssh://deploy@host:2222/run/d.sock":    "deploy host:2222 /run/d.sock",
		"ssh://deploy@[fe80::1]:22":            "deploy [fe80::1]:22 ",
		"ssh://10.0.0.5":                       "names no user",
		"ssh://deploy:secret@10.0.0.5":         "password",
		"tcp://deploy@10.0.0.5":                "no ssh://",
		"ssh://deploy@10.0.0.5?identity=/file": "more than",
	} {
		a, path, err := ssh.ParseAddress(text)
		got := a.User + " " + a.Host + " " + path
		if err != nil {
			got = err.Error()
		}
		if got != want && (err == nil || !strings.Contains(got, want)) || strings.Contains(got, "secret") {
			t.Errorf("%s: %s; want %s", text, got, want)
		}
	}
}

// docs/hosts.md says so.
func TestRestrictedKeyIsEnough(t *testing.T) {
	s := sshtest.Start(t)
	file := filepath.Join(t.TempDir(), "restricted")
	s.Allow(t, sshtest.NewKey(t, file, ""), "restrict", "port-forwarding")
	c := open(t, s, func(o *ssh.Options) { o.Identities = []string{file} })
	socket, address := echo(t)
	if err := errors.Join(said(within(t), c, "unix", socket, "hello"), said(within(t), c, "tcp", address, "hello")); err != nil {
		t.Error(err)
	}
	if _, _, err := c.Run(within(t), "true", nil); err != nil {
		t.Error(err)
	}
}
