package embedded

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"teal/deploy/proxy/contract"
)

func TestContract(t *testing.T) {
	contract.Run(t, func(t *testing.T) *contract.Driver {
		p := startProxy(t, Config{})
		d := &contract.Driver{
			Proxy: p.client, Address: p.addresses.HTTP[0], TLSAddress: p.addresses.HTTPS[0], Roots: p.roots,
			Features: contract.All,
			Restart:  func(t *testing.T) { p.stop(t); p.start(t) },
		}
		if testing.Short() {
			d.Switches = 15
		}
		d.Damage = func(t *testing.T, all bool) {
			p.stop(t)
			cutInHalf(t, filepath.Join(p.config.StateDir, tableFile))
			if all {
				cutInHalf(t, filepath.Join(p.config.StateDir, previousFile))
			}
			p.start(t)
		}
		return d
	})
}

func cutInHalf(t *testing.T, name string) {
	t.Helper()
	info, err := os.Stat(name)
	must(t, err)
	must(t, os.Truncate(name, info.Size()/2))
}

// running is a proxy under test.
type running struct {
	config    Config
	client    *Client
	addresses Addresses
	roots     *x509.CertPool
	cancel    context.CancelFunc
	ended     chan error
}

// startProxy runs a proxy on addresses of its own until the test ends. What c
// leaves out is filled in.
func startProxy(t *testing.T, c Config) *running {
	t.Helper()
	p := &running{config: c}
	dir := t.TempDir()
	p.config.Admin, p.config.StateDir = filepath.Join(dir, "proxy.sock"), filepath.Join(dir, "state")
	p.config.Logger = slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if p.config.Limits.Announce == 0 {
		p.config.Limits.Announce = 30 * time.Millisecond
	}
	if p.config.Limits.Shutdown == 0 {
		p.config.Limits.Shutdown = 200 * time.Millisecond
	}
	p.config.Listen, p.config.ListenTLS = []string{"127.0.0.1:0"}, []string{"127.0.0.1:0"}
	p.config.CertFile, p.config.KeyFile, p.roots = newCertificate(t, dir)
	p.client = NewClient(p.config.Admin)
	p.start(t)
	t.Cleanup(func() { p.stop(t) })
	return p
}

func (p *running) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan Addresses, 1)
	p.cancel, p.ended = cancel, make(chan error, 1)
	p.config.Ready = func(a Addresses) { ready <- a }
	go func() { p.ended <- Serve(ctx, p.config) }()
	select {
	case p.addresses = <-ready:
		p.config.Listen, p.config.ListenTLS = p.addresses.HTTP, p.addresses.HTTPS
	case err := <-p.ended:
		t.Fatalf("the proxy did not start: %v", err)
	}
}

func (p *running) stop(t *testing.T) {
	t.Helper()
	p.cancel()
	if err := <-p.ended; err != nil {
		t.Errorf("the proxy ended with: %v", err)
	}
	p.ended <- nil
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", p)
	return len(p), nil
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newCertificate makes a certificate for 127.0.0.1 that signs itself.
func newCertificate(t *testing.T, dir string) (certFile, keyFile string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "teal test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	must(t, os.WriteFile(certFile, chain, 0o600))
	must(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(chain)
	return certFile, keyFile, roots
}
