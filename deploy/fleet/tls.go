package fleet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"teal/deploy/docker"
)

// tlsDialler opens connections with mutual TLS. The files are read for each
// connection, so that renewed ones are used without a restart.
func (h Host) tlsDialler(address string) docker.DialFunc {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialTime)
		defer cancel()
		conn, err := h.handshake(ctx, address)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", h.URL, err)
		}
		return conn, nil
	}
}

func (h Host) handshake(ctx context.Context, address string) (net.Conn, error) {
	config, err := h.tlsConfig(address)
	if err != nil {
		return nil, err
	}
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, h.tlsWords(err, config.ServerName)
	}
	return &tlsConn{Conn: conn, words: func(err error) error {
		return fmt.Errorf("%s: %w", h.URL, h.tlsWords(err, config.ServerName))
	}}, nil
}

func (h Host) tlsConfig(address string) (*tls.Config, error) {
	name, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(h.CA)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return nil, fmt.Errorf("ca: %s holds no certificate in PEM form", h.CA)
	}
	ours, err := tls.LoadX509KeyPair(h.Cert, h.Key)
	if err != nil {
		return nil, fmt.Errorf("cert and key: %w", err)
	}
	if now := time.Now(); ours.Leaf != nil && now.After(ours.Leaf.NotAfter) {
		return nil, fmt.Errorf("the client certificate %s expired on %s", h.Cert, day(ours.Leaf.NotAfter))
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: name, RootCAs: roots, Certificates: []tls.Certificate{ours},
	}, nil
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// tlsWords says which of the things that go wrong with certificates did.
func (h Host) tlsWords(err error, name string) error {
	if other, ok := errors.AsType[x509.HostnameError](err); ok {
		return fmt.Errorf("its certificate is for %s, not for %s: %w", subjects(other.Certificate), name, err)
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return fmt.Errorf("its certificate is not signed by the authority in %s: %w", h.CA, err)
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return fmt.Errorf("its certificate is only valid from %s to %s: %w", day(invalid.Cert.NotBefore), day(invalid.Cert.NotAfter), err)
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return fmt.Errorf("no TLS is spoken there: %w", err)
	}
	if said, ok := errors.AsType[*net.OpError](err); ok && said.Op == "remote error" {
		return fmt.Errorf("the client certificate %s was refused: %w", h.Cert, err)
	}
	return err
}

// subjects are the names that a certificate is for.
func subjects(c *x509.Certificate) string {
	names := append([]string{}, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return "no host name"
	}
	return strings.Join(names, ", ")
}

// tlsConn tells a refused client certificate in words: with TLS 1.3 the refusal
// comes after the handshake, with the first answer.
type tlsConn struct {
	*tls.Conn
	words func(error) error
}

// Read implements net.Conn.
func (c *tlsConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if said, ok := errors.AsType[*net.OpError](err); ok && said.Op == "remote error" {
		err = c.words(err)
	}
	return n, err
}
