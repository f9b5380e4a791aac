package access

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
)

// Connections at a time: all, and of one address. Those beyond are closed at
// once, so that one address cannot take the places of all.
const (
	maxConnections = 512
	maxOfOne       = 64
)

// Place is where the API is spoken to over the network.
type Place struct {
	Address   string // host:port
	Cert, Key string // PEM files, read again when they change
	// Plain leaves TLS out; only for an address of loopback.
	Plain bool
}

// Check refuses a place that must not or cannot be listened on.
func (p Place) Check() error {
	host, _, err := net.SplitHostPort(p.Address)
	switch {
	case err != nil:
		return fmt.Errorf("%q is not an address to listen on: %w", p.Address, err)
	case p.Plain && (p.Cert != "" || p.Key != ""):
		return errors.New("a certificate is given, and TLS is left out")
	case p.Plain && !IsLoopback(host):
		return fmt.Errorf("%s is not an address of loopback: without TLS, tokens could be read on the way", p.Address)
	case !p.Plain && (p.Cert == "" || p.Key == ""):
		return errors.New("it needs a certificate and its key")
	}
	return nil
}

// IsLoopback reports whether host (an address or "localhost") is this machine's
// own.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Listen opens a place: TLS 1.2 or newer, with a bounded number of connections.
func Listen(p Place, log *slog.Logger) (net.Listener, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	var config *tls.Config
	if !p.Plain {
		cert, err := loadCertificate(p.Cert, p.Key, log)
		if err != nil {
			return nil, err
		}
		// HTTP/1.1 alone: the API has no use for the other, and less can go wrong.
		config = &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, GetCertificate: cert.get}
	}
	l, err := net.Listen("tcp", p.Address)
	if err != nil {
		return nil, fmt.Errorf("listen for the API: %w", err)
	}
	l = &bounded{Listener: l, of: map[string]int{}}
	if config != nil {
		l = tls.NewListener(l, config)
	}
	return l, nil
}

// bounded is a listener with a limit of open connections.
type bounded struct {
	net.Listener
	mu  sync.Mutex
	all int
	of  map[string]int
}

// Accept returns the next connection that has a place.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		who := origin(c.RemoteAddr().String())
		if b.enter(who) {
			return &counted{Conn: c, leave: sync.OnceFunc(func() { b.leave(who) })}, nil
		}
		_ = c.Close() // it is given up: what closing says changes nothing
	}
}

func (b *bounded) enter(who string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all >= maxConnections || b.of[who] >= maxOfOne {
		return false
	}
	b.all++
	b.of[who]++
	return true
}

func (b *bounded) leave(who string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all--
	if b.of[who]--; b.of[who] == 0 {
		delete(b.of, who)
	}
}

// counted is a connection that gives its place back once.
type counted struct {
	net.Conn
	leave func()
}

// Close closes the connection.
func (c *counted) Close() error {
	c.leave()
	return c.Conn.Close()
}
