// Package sshtest runs a real OpenSSH server for tests, on a free port of the
// loopback address, with keys and a configuration of its own.
//
// It promises that a test which needs sshd fails when there is none, and that a
// server ends with its test.
package sshtest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// Server is a running sshd that lets one identity in.
type Server struct {
	Address    string // host:port
	User       string // the one that the test runs as
	Identity   string // file with a private key that is let in
	KnownHosts string // file with the server's key
	HostKey    ssh.PublicKey

	folder string
	more   []string
	log    logBook
	stop   func()
}

// Start runs sshd, with more lines of configuration if there are any.
func Start(t testing.TB, more ...string) *Server {
	t.Helper()
	who, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{User: who.Username, folder: t.TempDir(), more: more, Address: freeAddress(t)}
	s.Identity = filepath.Join(s.folder, "identity")
	s.KnownHosts = filepath.Join(s.folder, "known_hosts")
	public := NewKey(t, s.Identity, "")
	write(t, s.path("authorized_keys"), string(ssh.MarshalAuthorizedKey(public)))
	s.HostKey = NewKey(t, s.path("host_key"), "")
	write(t, s.KnownHosts, knownhosts.Line([]string{s.Address}, s.HostKey)+"\n")
	s.Run(t)
	t.Cleanup(func() { s.Stop() })
	return s
}

func (s *Server) path(name string) string { return filepath.Join(s.folder, name) }

// URL is the address of the server, with user and port.
func (s *Server) URL() string { return "ssh://" + s.User + "@" + s.Address }

// Run starts the server, again if it was stopped.
func (s *Server) Run(t testing.TB) {
	t.Helper()
	program, err := exec.LookPath("sshd")
	if err != nil {
		t.Fatal("this test needs sshd (Debian package openssh-server)")
	}
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // sshd gives up its rights in there
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		t.Fatal(err)
	}
	write(t, s.path("sshd_config"), strings.Join(append([]string{
		"ListenAddress 127.0.0.1", "Port " + port, "HostKey " + s.path("host_key"), "PidFile none",
		"AuthorizedKeysFile " + s.path("authorized_keys"), "StrictModes no", "UsePAM no",
		"PasswordAuthentication no", "KbdInteractiveAuthentication no", "PermitRootLogin prohibit-password", "LogLevel VERBOSE",
	}, s.more...), "\n")+"\n")
	cmd := exec.Command(program, "-D", "-e", "-f", s.path("sshd_config"))
	cmd.Stderr = &s.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	cmd.WaitDelay = 5 * time.Second // those who serve a connection outlive it, until that ends
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended
		_ = cmd.Wait()                          // it ends by the signal
	})
	s.await(t)
}

// Stop ends the server, not the connections that it has.
func (s *Server) Stop() { s.stop() }

// NewHostKey gives the server another key, as if it was installed anew.
func (s *Server) NewHostKey(t testing.TB) {
	t.Helper()
	s.Stop()
	s.HostKey = NewKey(t, s.path("host_key"), "")
	s.Run(t)
}

// Connections is how many connections were let in so far.
func (s *Server) Connections() int { return s.log.count("Accepted publickey") }

// Log is what the server wrote.
func (s *Server) Log() string { return s.log.text() }

// Allow lets a key in, too, with options such as "restrict".
func (s *Server) Allow(t testing.TB, key ssh.PublicKey, options ...string) {
	t.Helper()
	have, err := os.ReadFile(s.path("authorized_keys"))
	if err != nil {
		t.Fatal(err)
	}
	line := strings.TrimPrefix(strings.Join(options, ",")+" "+string(ssh.MarshalAuthorizedKey(key)), " ")
	write(t, s.path("authorized_keys"), string(have)+line)
}

func (s *Server) await(t testing.TB) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; {
		conn, err := net.DialTimeout("tcp", s.Address, time.Second)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatalf("sshd does not listen: %v\n%s", err, s.Log())
		}
	}
}

// NewKey writes a fresh private key to file, encrypted if there is a passphrase.
func NewKey(t testing.TB, file, passphrase string) ssh.PublicKey {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var block *pem.Block
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(private, "test")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "test", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, string(pem.EncodeToMemory(block)))
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer.PublicKey()
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprintf("127.0.0.1:%d", l.Addr().(*net.TCPAddr).Port)
}

// logBook keeps what is written to it.
type logBook struct {
	mu   sync.Mutex
	kept bytes.Buffer
}

// Write implements io.Writer.
func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.kept.Write(p)
}

func (l *logBook) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.kept.String()
}

func (l *logBook) count(words string) int { return strings.Count(l.text(), words) }
