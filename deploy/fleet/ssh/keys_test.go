package ssh_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	cryptossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"teal/deploy/fleet/ssh"
	"teal/deploy/fleet/ssh/sshtest"
)

// ecdsaKey writes a private key of another kind than the tests' others.
func ecdsaKey(t *testing.T, file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := cryptossh.MarshalPrivateKey(key, "test")
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, string(pem.EncodeToMemory(block)))
}

func TestHostIsKnownByItsAuthority(t *testing.T) {
	dir := t.TempDir()
	hostFile, caFile := filepath.Join(dir, "host"), filepath.Join(dir, "ca")
	hostKey := sshtest.NewKey(t, hostFile, "")
	sshtest.NewKey(t, caFile, "")
	text, err := os.ReadFile(caFile)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := cryptossh.ParsePrivateKey(text)
	if err != nil {
		t.Fatal(err)
	}
	cert := &cryptossh.Certificate{
		Key: hostKey, CertType: cryptossh.HostCert, ValidPrincipals: []string{"127.0.0.1"}, ValidBefore: cryptossh.CertTimeInfinity,
	}
	if err := cert.SignCert(rand.Reader, ca); err != nil {
		t.Fatal(err)
	}
	write(t, hostFile+"-cert.pub", string(cryptossh.MarshalAuthorizedKey(cert)))
	s := sshtest.Start(t, "HostKey "+hostFile, "HostCertificate "+hostFile+"-cert.pub")
	known := filepath.Join(dir, "known_hosts")
	write(t, known, "@cert-authority "+knownhosts.Line([]string{s.Address}, ca.PublicKey())+"\n")
	if _, _, err := open(t, s, func(o *ssh.Options) { o.KnownHosts = []string{known} }).Run(within(t), "true", nil); err != nil {
		t.Error(err)
	}
}
