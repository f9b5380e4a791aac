package fleet_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"teal/deploy/fleet"
	"teal/deploy/fleet/ssh/sshtest"
	"teal/deploy/rig"
)

// said is what a fleet says of a host, or "" if it answers.
func said(t *testing.T, text string) string {
	t.Helper()
	f, _ := open(t, fleet.Limits{Answer: limit}, "a="+text)
	s := f.Hosts(t.Context())[0]
	return s.Words
}

func tcp(address string, f rig.TLSFiles) string {
	return fmt.Sprintf("tcp://%s?ca=%s&cert=%s&key=%s", address, f.CA, f.Cert, f.Key)
}

func TestWhatIsWrongWithCertificatesIsTold(t *testing.T) {
	l := newLab(t, "a", "b")
	a, b := l.hosts[0], l.hosts[1]
	right, wrong := a.TLSFiles(), b.TLSFiles()
	address := net.JoinHostPort(a.Address.String(), strconv.Itoa(rig.TLSPort))
	wire := sshtest.NewWire(t, "", func() (net.Conn, error) { return net.Dial("tcp", address) })
	old := expired(t)
	for _, c := range []struct {
		name, text string
		words      []string
	}{
		{"all is right", tcp(address, right), nil},
		{"another authority", tcp(address, rig.TLSFiles{CA: wrong.CA, Cert: right.Cert, Key: right.Key}), []string{"tcp://" + address, "not signed by the authority in " + wrong.CA}},
		{"another name", tcp(wire.Address, right), []string{"tcp://" + wire.Address, "its certificate is for a, " + a.Address.String(), "not for 127.0.0.1"}},
		{"a client of another authority", tcp(address, rig.TLSFiles{CA: right.CA, Cert: wrong.Cert, Key: wrong.Key}), []string{"tcp://" + address, "the client certificate " + wrong.Cert + " was refused"}},
		{"no TLS there", tcp(a.Address.String()+":22", right), []string{"no TLS is spoken there"}},
		{"nobody there", tcp(a.Address.String()+":1", right), []string{a.Address.String() + ":1", "refused"}},
		{"the host's has expired", tcp(old.address, rig.TLSFiles{CA: old.files.CA, Cert: right.Cert, Key: right.Key}), []string{"tcp://" + old.address, "only valid from 2001-01-01", "to 2002-01-01"}},
		{"ours has expired", tcp(address, rig.TLSFiles{CA: right.CA, Cert: old.files.Cert, Key: old.files.Key}), []string{"the client certificate " + old.files.Cert + " expired on 2002-01-01"}},
		{"no such file", tcp(address, rig.TLSFiles{CA: "/nowhere/ca.pem", Cert: right.Cert, Key: right.Key}), []string{"/nowhere/ca.pem"}},
		{"no certificate in the file", tcp(address, rig.TLSFiles{CA: right.Key, Cert: right.Cert, Key: right.Key}), []string{right.Key + " holds no certificate"}},
		{"a key that does not fit", tcp(address, rig.TLSFiles{CA: right.CA, Cert: right.Cert, Key: wrong.Key}), []string{"cert and key"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := said(t, c.text)
			if (got == "") != (len(c.words) == 0) {
				t.Fatalf("%q", got)
			}
			for _, w := range c.words {
				if !strings.Contains(got, w) {
					t.Errorf("%s\ndoes not say %q", got, w)
				}
			}
		})
	}
}

func TestRenewedCertificatesAreUsed(t *testing.T) {
	l := newLab(t, "a", "b")
	right := l.hosts[0].TLSFiles()
	ours := rig.TLSFiles{CA: right.CA, Cert: filepath.Join(t.TempDir(), "cert.pem"), Key: right.Key}
	carry := func(from string) {
		text, err := os.ReadFile(from)
		must(t, err)
		must(t, os.WriteFile(ours.Cert, text, 0o600))
	}
	carry(l.hosts[1].TLSFiles().Cert)
	f, _ := open(t, fleet.Limits{}, "a="+tcp(fmt.Sprintf("%s:%d", l.hosts[0].Address, rig.TLSPort), ours))
	if s := f.Hosts(t.Context())[0]; s.OK {
		t.Fatal("a certificate that does not fit its key was taken")
	}
	carry(right.Cert)
	if s := f.Hosts(t.Context())[0]; !s.OK {
		t.Errorf("the renewed certificate is not used: %s", s.Words)
	}
}

// authority is an in-process TLS server with its own, expired certificate, for
// what a real engine cannot be brought to.
type authority struct {
	address string
	files   rig.TLSFiles
}

func expired(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	certificate := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "old"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2002, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, certificate, certificate, &key.PublicKey, key)
	must(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	dir := t.TempDir()
	a := authority{files: rig.TLSFiles{CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}}
	for file, block := range map[string]*pem.Block{
		a.files.CA: {Type: "CERTIFICATE", Bytes: der}, a.files.Cert: {Type: "CERTIFICATE", Bytes: der}, a.files.Key: {Type: "PRIVATE KEY", Bytes: raw},
	} {
		must(t, os.WriteFile(file, pem.EncodeToMemory(block), 0o600))
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	must(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() { // ends with the listener
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.(*tls.Conn).Handshake() // the client breaks it off
			conn.Close()
		}
	}()
	a.address = listener.Addr().String()
	return a
}
