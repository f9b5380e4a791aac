package embedded

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// certificate is a TLS certificate that follows its files.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	pair              atomic.Pointer[tls.Certificate]
	seen              [2]time.Time // of the files; touched by the sweeper only
}

func loadCertificate(c Config) (*certificate, error) {
	cert := &certificate{certFile: c.CertFile, keyFile: c.KeyFile, log: c.Logger}
	seen, err := cert.modified()
	if err != nil {
		return nil, err
	}
	cert.seen = seen
	return cert, cert.load()
}

func (c *certificate) load() error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("load certificate: %w", err)
	}
	c.pair.Store(&pair)
	return nil
}

func (c *certificate) modified() (seen [2]time.Time, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return seen, fmt.Errorf("load certificate: %w", err)
		}
		seen[i] = info.ModTime()
	}
	return seen, nil
}

// refresh loads the files again if they changed. The old certificate stays when
// the new one is not good.
func (c *certificate) refresh() {
	seen, err := c.modified()
	if err == nil && seen == c.seen {
		return
	}
	if err == nil {
		if err = c.load(); err == nil {
			c.seen = seen
			c.log.Info("certificate was loaded again", "file", c.certFile)
			return
		}
	}
	c.log.Warn("certificate was not loaded again", "file", c.certFile, "error", err)
}

func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.pair.Load(), nil },
	}
}
