package access_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teal/controller/access"
	"teal/controller/access/accesstest"
)

// echo listens, and greets everybody.
func echo(t *testing.T, p access.Place) string {
	t.Helper()
	l, err := access.Listen(p, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		var open []net.Conn
		defer func() {
			for _, c := range open {
				c.Close()
			}
		}()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open = append(open, c)
			if s, ok := c.(*tls.Conn); ok {
				if s.SetDeadline(time.Now().Add(5*time.Second)) != nil || s.Handshake() != nil {
					continue
				}
			}
			_, _ = io.WriteString(c, "hello") // the other side sees it, or has gone
		}
	}()
	return l.Addr().String()
}

func place(t *testing.T) (access.Place, []byte) {
	t.Helper()
	dir := t.TempDir()
	p := access.Place{Address: "127.0.0.1:0", Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key")}
	return p, accesstest.Certificate(t, p.Cert, p.Key, "first")
}

// shown returns whom the certificate at an address is for.
func shown(t *testing.T, address string, config *tls.Config) (string, error) {
	t.Helper()
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", address, config)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName, nil
}

func TestTLSIsOfToday(t *testing.T) {
	p, ca := place(t)
	address := echo(t, p)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	if name, err := shown(t, address, &tls.Config{RootCAs: pool}); err != nil || name != "first" {
		t.Errorf("%s, %v", name, err)
	}
	if _, err := shown(t, address, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 was spoken")
	}
}

func TestCertificateIsReadAgain(t *testing.T) {
	p, _ := place(t)
	address := echo(t, p)
	any := &tls.Config{InsecureSkipVerify: true}
	accesstest.Certificate(t, p.Cert, p.Key, "second")
	if name, err := shown(t, address, any); err != nil || name != "second" {
		t.Errorf("%s, %v", name, err)
	}
	if err := os.WriteFile(p.Key, []byte("half a k"), 0o600); err != nil {
		t.Fatal(err)
	}
	if name, err := shown(t, address, any); err != nil || name != "second" {
		t.Errorf("with a damaged key: %s, %v", name, err)
	}
	if err := os.Remove(p.Cert); err != nil {
		t.Fatal(err)
	}
	if name, err := shown(t, address, any); err != nil || name != "second" {
		t.Errorf("without a certificate: %s, %v", name, err)
	}
	accesstest.Certificate(t, p.Cert, p.Key, "third")
	if name, err := shown(t, address, any); err != nil || name != "third" {
		t.Errorf("%s, %v", name, err)
	}
}

func TestPlacesThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		place access.Place
		words string
	}{
		"no port":                      {access.Place{Address: "127.0.0.1", Plain: true}, "not an address"},
		"plain for all":                {access.Place{Address: ":7443", Plain: true}, "not an address of loopback"},
		"plain for the network":        {access.Place{Address: "10.0.0.1:7443", Plain: true}, "not an address of loopback"},
		"plain for all, by IPv6":       {access.Place{Address: "[::]:7443", Plain: true}, "not an address of loopback"},
		"plain on a name":              {access.Place{Address: "localhost.example.com:7443", Plain: true}, "not an address of loopback"},
		"no certificate":               {access.Place{Address: "127.0.0.1:7443"}, "needs a certificate"},
		"plain with a certificate":     {access.Place{Address: "127.0.0.1:7443", Plain: true, Cert: "c", Key: "k"}, "TLS is left out"},
		"a certificate without a file": {access.Place{Address: "127.0.0.1:0", Cert: "/nowhere/c", Key: "/nowhere/k"}, "/nowhere/c"},
	} {
		l, err := access.Listen(c.place, slog.New(slog.DiscardHandler))
		if err == nil {
			l.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOneAddressCannotTakeAllPlaces(t *testing.T) {
	address := echo(t, access.Place{Address: "127.0.0.1:0", Plain: true})
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	greeted := 0
	for range 80 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
		if err := c.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 5)); err == nil {
			greeted++
		} else if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("a connection is neither served nor closed")
		}
	}
	if greeted != 64 {
		t.Errorf("%d connections of one address are served", greeted)
	}
}
