package crash

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
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// openHTTPS gives the proxy a certificate.
func openHTTPS(ctx context.Context, c *cell) error {
	c.secure = freeAddress()
	c.args = append(c.args, "--https", c.secure, "--cert", filepath.Join(c.folder, "cert.pem"), "--key", filepath.Join(c.folder, "key.pem"))
	return renews("first")(ctx, c)
}

// renews replaces certificate and key.
func renews(name string) step {
	return func(_ context.Context, c *cell) error {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
		cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			return err
		}
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return err
		}
		put := func(file, kind string, der []byte) error {
			fresh := filepath.Join(c.folder, file)
			return errors.Join(os.WriteFile(fresh+"~", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600), os.Rename(fresh+"~", fresh))
		}
		return errors.Join(put("key.pem", "PRIVATE KEY", private), put("cert.pem", "CERTIFICATE", cert))
	}
}

// presents waits until the proxy shows a certificate.
func presents(name string) step {
	return func(ctx context.Context, c *cell) error {
		d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // it looks at whatever is shown
		return c.until(ctx, "the "+name+" certificate is shown", func() error {
			conn, err := d.DialContext(ctx, "tcp", c.secure)
			if err != nil {
				return err
			}
			shown := conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName
			if err := conn.Close(); err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			if shown != name {
				return fmt.Errorf("the %s is shown", shown)
			}
			return nil
		})
	}
}
