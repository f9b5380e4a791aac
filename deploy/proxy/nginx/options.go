package nginx

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path"
	"strings"
	"time"
)

// Options say which nginx is driven and what it serves on.
type Options struct {
	Place Place
	// Admin is host:port of the status server inside nginx, as seen at the place.
	// Whoever reaches it can read tables, so it should be a loopback address.
	// Default 127.0.0.1:7831.
	Admin string
	// Servers are Teal's own server blocks. Without, the operator's server blocks
	// include FOLDER/PROJECT.SERVICE.conf in a location.
	Servers *Servers
	// Syslog is how figures of the traffic come back. Without Listen there are
	// none but what is in flight.
	Syslog Syslog
	// Trusted are the peers whose X-Forwarded-* headers are believed: proxies in
	// front of this one.
	Trusted []netip.Prefix
	// Snippets is a folder of the operator, as nginx sees it: http.d, server.d and
	// location.d in it are included, *.conf each. Empty: none.
	Snippets string
	// Close is the longest that clients are told to close their connections before
	// a reload, where the version cannot keep them; default 1.5 s.
	Close time.Duration
	// Settle is the longest that a reload may take; default 3 s.
	Settle time.Duration
	Logger *slog.Logger
}

// Servers are the addresses that Teal's own server blocks listen on. A port
// without a host, such as ":80", is every IPv4 address; "[::]:80" every IPv6 one.
type Servers struct {
	Listen    []string // HTTP/1.1; from nginx 1.25.1 on also HTTP/2 by prior knowledge
	ListenTLS []string // HTTP/1.1 and HTTP/2 with TLS
	ListenH2C []string // HTTP/2 by prior knowledge only, for older versions
	// RedirectHTTPS sends clients of Listen to the first address of ListenTLS.
	RedirectHTTPS bool
	// Certificate returns the chain and the key, PEM. It is asked at every Apply and
	// once a minute while Run runs; what changed is loaded.
	Certificate func() (chain, key []byte, err error)
}

// Syslog is where nginx sends a line per request.
type Syslog struct {
	Listen    string // UDP host:port of this process; port 0: any free one
	Advertise string // the same as seen from nginx; empty: as listened on
}

const (
	defaultAdmin  = "127.0.0.1:7831"
	defaultClose  = 1500 * time.Millisecond
	defaultSettle = 3 * time.Second
)

func (o Options) withDefaults() Options {
	if o.Admin == "" {
		o.Admin = defaultAdmin
	}
	if o.Close == 0 {
		o.Close = defaultClose
	}
	if o.Settle == 0 {
		o.Settle = defaultSettle
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) check() error {
	if o.Place == nil {
		return errors.New("nginx: no place")
	}
	if err := checkAddresses("admin", []string{o.Admin}); err != nil {
		return err
	}
	if !plainPath(o.Place.Folder()) || o.Snippets != "" && !plainPath(o.Snippets) {
		return fmt.Errorf("nginx: folders %q and %q must be absolute paths of letters, digits and /._-", o.Place.Folder(), o.Snippets)
	}
	if o.Syslog.Listen == "" && o.Syslog.Advertise != "" {
		return errors.New("nginx: a syslog address to advertise needs one to listen on")
	}
	if o.Syslog.Advertise != "" {
		if err := checkAddresses("syslog", []string{o.Syslog.Advertise}); err != nil {
			return err
		}
	}
	if o.Servers == nil {
		return nil
	}
	return o.Servers.check()
}

func (s *Servers) check() error {
	for what, addresses := range map[string][]string{"listen": s.Listen, "listen with TLS": s.ListenTLS, "listen for HTTP/2": s.ListenH2C} {
		if err := checkAddresses(what, addresses); err != nil {
			return err
		}
	}
	switch {
	case len(s.Listen)+len(s.ListenTLS)+len(s.ListenH2C) == 0:
		return errors.New("nginx: no address to listen on")
	case len(s.ListenTLS) > 0 && s.Certificate == nil:
		return fmt.Errorf("nginx: listening with TLS on %v needs a certificate and a key", s.ListenTLS)
	case s.RedirectHTTPS && len(s.ListenTLS) == 0:
		return errors.New("nginx: sending clients to HTTPS needs an address that listens with TLS")
	}
	return nil
}

func checkAddresses(what string, addresses []string) error {
	for _, a := range addresses {
		host, port, err := net.SplitHostPort(a)
		if err != nil || port == "" || strings.ContainsAny(host+port, "{};'\"$\\ \t\r\n") {
			return fmt.Errorf("nginx: %s address %q is not host:port", what, a)
		}
	}
	return nil
}

// plainPath reports whether p can stand in a configuration as it is.
func plainPath(p string) bool {
	return path.IsAbs(p) && path.Clean(p) == p && !strings.ContainsFunc(p, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-", r)
	})
}
