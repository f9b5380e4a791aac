package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"
)

// Config says where the proxy listens, where it keeps its table and what it
// allows.
type Config struct {
	Listen    []string // host:port, HTTP/1.1 and HTTP/2 without TLS
	ListenTLS []string // host:port, HTTP/1.1 and HTTP/2 over TLS
	CertFile  string   // PEM chain; read again when it changes
	KeyFile   string   // PEM key
	// RedirectHTTPS sends clients of Listen to the first address of ListenTLS.
	RedirectHTTPS bool
	// AwaitPorts starts the proxy although another program has some of its
	// addresses: each is listened on as soon as it is free.
	AwaitPorts bool
	Admin      string // path of the unix socket the driver talks to; made with mode 0600
	// Instance names this run of a proxy to whoever asks at Admin; may be empty.
	Instance string
	Metrics  string // host:port that serves /metrics as well; empty: only Admin does
	StateDir string // folder of the durable table
	Logger   *slog.Logger
	// Trusted are the peers whose X-Forwarded-* headers are believed: proxies in
	// front of this one.
	Trusted []netip.Prefix
	Limits  Limits
	// Ready is called once, when every address listens or is waited for.
	Ready func(Addresses)
}

// Addresses are what the proxy really listens on, in the order of Config.
type Addresses struct {
	HTTP    []string
	HTTPS   []string
	Metrics string
}

// Limits bound what clients and targets may take. A zero field means its default.
type Limits struct {
	HeaderBytes int           // of a request's head; 64 KiB
	HeaderTime  time.Duration // to send a request's head; 10 s
	IdleTime    time.Duration // between requests of a connection; 2 min
	Stall       time.Duration // without a byte of progress in a body, either way; 1 min
	DialTime    time.Duration // to connect to a target; 2 s
	TargetIdle  time.Duration // a kept connection to a target; 1 min
	Connections int           // of clients at a time; 65536
	Held        int           // requests waiting for a target to come back; 1000
	Announce    time.Duration // at the end: how long clients are told to close; 1 s
	Shutdown    time.Duration // at the end: for what is in flight after that; 30 s
	Linger      time.Duration // after a handover: for what is in flight, upgraded connections too; 1 h
}

func (l Limits) withDefaults() Limits {
	or(&l.HeaderBytes, 64<<10)
	or(&l.HeaderTime, 10*time.Second)
	or(&l.IdleTime, 2*time.Minute)
	or(&l.Stall, time.Minute)
	or(&l.DialTime, 2*time.Second)
	or(&l.TargetIdle, time.Minute)
	or(&l.Connections, 1<<16)
	or(&l.Held, 1000)
	or(&l.Announce, time.Second)
	or(&l.Shutdown, 30*time.Second)
	or(&l.Linger, time.Hour)
	return l
}

func or[T int | time.Duration](field *T, preset T) {
	if *field == 0 {
		*field = preset
	}
}

// CheckAdmin says whether the admin socket, and those that are made beside it,
// can be at path: the kernel takes short ones only.
func CheckAdmin(path string) error {
	if most := maxUnixPath - len(handoverSuffix+temporarySuffix); len(path) > most {
		return fmt.Errorf("proxy: the path of the admin socket %s has %d bytes; the longest that works has %d", path, len(path), most)
	}
	return nil
}

func (c Config) check() error {
	switch {
	case len(c.Listen)+len(c.ListenTLS) == 0:
		return errors.New("proxy: no address to listen on")
	case len(c.ListenTLS) > 0 && (c.CertFile == "" || c.KeyFile == ""):
		return fmt.Errorf("proxy: listening with TLS on %v needs a certificate and a key", c.ListenTLS)
	case c.RedirectHTTPS && len(c.ListenTLS) == 0:
		return errors.New("proxy: clients are to be sent to HTTPS, but no address listens with TLS")
	case c.Admin == "":
		return errors.New("proxy: no path for the admin socket")
	case CheckAdmin(c.Admin) != nil:
		return CheckAdmin(c.Admin)
	case c.StateDir == "":
		return errors.New("proxy: no folder for the table")
	case c.Logger == nil:
		return errors.New("proxy: no logger")
	}
	return nil
}
