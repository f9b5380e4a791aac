package service

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"teal/cmd/load/loadgen"
)

// certificate makes one for 127.0.0.1 that signs itself.
func (h *house) certificate() (certFile, keyFile string, roots *x509.CertPool) {
	h.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "teal test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	if err != nil {
		h.t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		h.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		h.t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(h.folder, "cert.pem"), filepath.Join(h.folder, "key.pem")
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	err = errors.Join(os.WriteFile(certFile, chain, 0o600), os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	if err != nil {
		h.t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(chain)
	return certFile, keyFile, roots
}

// replaced waits until one proxy runs that none of before is, or until only the
// one that serves is another one.
func (h *house) replaced(before map[string]string) map[string]string {
	h.t.Helper()
	var now map[string]string
	h.until("another proxy runs alone", func() error {
		now = h.proxies()
		for id := range now {
			if _, old := before[id]; old || len(now) != 1 {
				return fmt.Errorf("there are %v", slices.Collect(maps.Values(now)))
			}
		}
		if len(now) == 0 {
			return errors.New("there is none")
		}
		return nil
	})
	return now
}

// joined waits until there is a proxy that none of before is.
func (h *house) joined(before map[string]string) {
	h.t.Helper()
	h.until("another proxy is there", func() error {
		for id := range h.proxies() {
			if _, old := before[id]; !old {
				return nil
			}
		}
		return errors.New("there is none")
	})
}

// Controller and proxy change their version, forth and back, under load, on
// plain connections, TLS and WebSockets and with a request that lasts: nothing
// is lost, whenever the controller is killed.
func TestUpgradeLosesNothing(t *testing.T) {
	v1, v2 := image(t, "v1"), image(t, "v2")
	h := newHouse(t)
	secure := freeAddress(t)
	cert, key, roots := h.certificate()
	h.flags = []string{"--https", secure, "--cert", cert, "--key", key}
	h.edit(h.wants(v1))
	h.start()
	h.synced(v1)
	first := h.proxies()
	if len(first) != 1 {
		t.Fatalf("proxies: %v", first)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	end := h.load(ctx)
	endTLS := overTLS(t, secure, roots)
	sockets, err := loadgen.NewSockets(ctx, loadgen.SocketConfig{URL: "ws://" + h.listen + "/ws", Count: 4, Ping: 100 * time.Millisecond, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	sockets.Start(ctx)
	h.until("the sockets are open", func() error {
		if r := sockets.Snapshot(); len(r.Lives) < 4 {
			return errors.New("not yet")
		}
		return nil
	})
	long := make(chan error, 1)
	go func() { long <- slow("http://" + h.listen + "/slow?for=12s") }()

	h.replace("1.1.0")
	h.stop()
	h.start()
	h.joined(first)
	h.kill() // while the proxies change places, or just after
	h.start()
	if err := <-long; err != nil {
		t.Errorf("the request that lasts: %v", err)
	}
	if r := sockets.Snapshot(); r.Ended > 0 {
		t.Errorf("%d WebSockets were cut by the upgrade: %+v", r.Ended, r.Lives)
	}
	if n := len(h.proxies()); n != 2 {
		t.Errorf("%d proxies run, want the old one with its WebSockets, and the new one", n)
	}
	h.edit(h.wants(v2)) // drains the WebSockets' colour: by then they may be cut
	h.synced(v2)
	sockets.Stop()
	second := h.replaced(first)

	h.replace("1.0.0") // and back
	h.kill()
	h.start()
	h.joined(second)
	h.kill()
	h.start()
	third := h.replaced(second)
	if !slices.Equal(slices.Collect(maps.Values(first)), slices.Collect(maps.Values(third))) {
		t.Errorf("the proxy of the version before is %v, was %v", third, first)
	}
	h.edit(h.wants(v1))
	h.synced(v1)
	endTLS()
	end()
}

// slow waits for an answer that takes long.
func slow(url string) error {
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %w", resp.Status, err)
	}
	return nil
}

// overTLS sends one POST after the other on kept connections, HTTP/2 where the
// proxy speaks it. The returned function ends that and wants no loss.
func overTLS(t *testing.T, address string, roots *x509.CertPool) (end func()) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	client := http.Client{Timeout: 20 * time.Second, Transport: transport}
	stop, ended := make(chan struct{}), make(chan struct{})
	sent := 0
	var lost []error
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			body, w := io.Pipe() // cannot be sent again
			go func() {
				_, err := w.Write([]byte("x"))
				_ = w.CloseWithError(err)
			}()
			resp, err := client.Post("https://"+address+"/", "text/plain", body)
			if sent++; err != nil {
				lost = append(lost, err)
				continue
			}
			_, err = io.Copy(io.Discard, resp.Body)
			if _ = resp.Body.Close(); err != nil || resp.StatusCode >= 300 {
				lost = append(lost, fmt.Errorf("%s: %w", resp.Status, err))
			}
		}
	}()
	return func() {
		t.Helper()
		close(stop)
		<-ended
		transport.CloseIdleConnections()
		t.Logf("over TLS: %d sent, %d lost", sent, len(lost))
		if len(lost) > 0 || sent < 50 {
			t.Errorf("over TLS: %d of %d lost: %v", len(lost), sent, errors.Join(lost...))
		}
	}
}
