package gittest

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
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// SSH is an OpenSSH server that lets one key in.
type SSH struct {
	URL        string // ssh://USER@127.0.0.1:PORT
	Identity   string // file with the key
	KnownHosts string // file with the server's key
	Address    string // host:port
}

// StartSSH runs a server until the test ends.
func StartSSH(t testing.TB) *SSH {
	t.Helper()
	program, err := exec.LookPath("sshd")
	if err != nil {
		t.Fatal("this test needs sshd (Debian package openssh-server)")
	}
	who, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	s := &SSH{Identity: at("identity"), KnownHosts: at("known_hosts"), Address: freeAddress(t)}
	s.URL = "ssh://" + who.Username + "@" + s.Address
	host, port, _ := net.SplitHostPort(s.Address)
	write(t, at("authorized_keys"), string(ssh.MarshalAuthorizedKey(NewKey(t, s.Identity))))
	write(t, s.KnownHosts, knownhosts.Line([]string{s.Address}, NewKey(t, at("host_key")))+"\n")
	write(t, at("config"), fmt.Sprintf("ListenAddress %s\nPort %s\nHostKey %s\nAuthorizedKeysFile %s\nPidFile none\nStrictModes no\nUsePAM no\n"+
		"PasswordAuthentication no\nKbdInteractiveAuthentication no\nAcceptEnv GIT_PROTOCOL\n", host, port, at("host_key"), at("authorized_keys")))
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // sshd gives up its rights in there
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-D", "-e", "-f", at("config"))
	log := &book{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Errorf("end sshd: %v", err)
		}
		_ = cmd.Wait() // killed, which is not news
	})
	for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", s.Address)
		if err == nil {
			conn.Close()
			return s
		}
		if time.Since(begun) > 20*time.Second {
			t.Fatalf("sshd does not answer: %v\n%s", err, log.text())
		}
	}
}

// NewKey writes a new private key to file and returns its public half.
func NewKey(t testing.TB, file string) ssh.PublicKey {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
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

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
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
	return l.Addr().String()
}

// book keeps a server's log.
type book struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write never fails.
func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *book) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
