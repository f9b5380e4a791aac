package access

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificate follows its files: each handshake looks whether they changed. What
// cannot be loaded leaves the old one in use.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu   sync.Mutex
	seen [2]stamp // of the files that were tried last
	pair *tls.Certificate
}

// stamp is what tells that a file changed.
type stamp struct {
	modified time.Time
	size     int64
}

func loadCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	seen, err := c.stamps()
	if err != nil {
		return nil, err
	}
	c.seen = seen
	return c, c.load()
}

func (c *certificate) load() error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("load the API's certificate: %w", err)
	}
	c.pair = &pair
	return nil
}

func (c *certificate) stamps() (out [2]stamp, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return out, fmt.Errorf("load the API's certificate: %w", err)
		}
		out[i] = stamp{info.ModTime(), info.Size()}
	}
	return out, nil
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen, err := c.stamps()
	if err == nil && seen == c.seen {
		return c.pair, nil
	}
	changed := seen != c.seen
	c.seen = seen
	if err == nil {
		err = c.load()
	}
	switch {
	case err == nil:
		c.log.Info("api certificate was loaded again", "file", c.certFile)
	case changed:
		c.log.Warn("api certificate was not loaded again, the one before is used", "file", c.certFile, "error", err)
	}
	return c.pair, nil
}
