package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	sweepEvery = 200 * time.Millisecond
	certEvery  = 10 * time.Second
)

// Serve is the proxy. It returns nil after ctx ended and what was in flight has
// ended too, within the limits; otherwise why it could not serve.
func Serve(ctx context.Context, c Config) error {
	if err := c.check(); err != nil {
		return err
	}
	s := &server{proxy: newProxy(c), log: c.Logger, failed: make(chan error, 1)}
	defer s.proxy.registry.close()
	var err error
	if s.control, err = openControl(s.proxy, c.StateDir, c.Logger); err != nil {
		return err
	}
	defer s.background.Wait()
	open, stopWaiting := context.WithCancel(ctx)
	defer stopWaiting()
	addresses, err := s.open(open, c)
	if err != nil {
		s.closeAll()
		return err
	}
	stop := s.sweepUntil()
	defer stop()
	c.Logger.Info("proxy was started", "http", addresses.HTTP, "https", addresses.HTTPS)
	if c.Ready != nil {
		c.Ready(addresses)
	}
	select {
	case <-ctx.Done():
		return s.end(context.WithoutCancel(ctx))
	case err := <-s.failed:
		s.closeAll()
		return err
	}
}

// server is the proxy with its listeners.
type server struct {
	proxy   *Proxy
	control *control
	cert    *certificate
	log     *slog.Logger

	edges      edges
	data       []*http.Server // for clients
	admin      []*http.Server
	handover   net.Listener // successors take the listeners here
	background sync.WaitGroup
	failed     chan error
}

// open listens everywhere.
func (s *server) open(ctx context.Context, c Config) (Addresses, error) {
	var out Addresses
	in, err := inherit(ctx, c.Admin)
	if err != nil {
		return out, err
	}
	place := places{inherited: in, slots: make(chan struct{}, s.proxy.limits.Connections), await: c.AwaitPorts}
	if err := s.openEdges(ctx, c, place, &out); err != nil {
		return out, errors.Join(err, in.close())
	}
	if err := in.close(); err != nil {
		return out, fmt.Errorf("close listeners that are not configured: %w", err)
	}
	return out, s.openAdmin(ctx, c, &out)
}

// places is where listeners come from and how many clients they take together.
type places struct {
	inherited *inherited
	slots     chan struct{}
	await     bool // for addresses that another program has
}

func (s *server) openEdges(ctx context.Context, c Config, from places, out *Addresses) error {
	plain := s.httpServer(c)
	plain.Protocols.SetUnencryptedHTTP2(true)
	if c.RedirectHTTPS {
		plain.Handler = newRedirect(s.proxy, c.ListenTLS)
	}
	for _, addr := range c.Listen {
		at, err := s.listenAt(ctx, addr, from, func(e *edge) error { return plain.Serve(e) })
		if err != nil {
			return err
		}
		out.HTTP = append(out.HTTP, at)
	}
	s.data = append(s.data, plain)
	if len(c.ListenTLS) == 0 {
		return nil
	}
	var err error
	if s.cert, err = loadCertificate(c); err != nil {
		return err
	}
	secure := s.httpServer(c)
	secure.TLSConfig = s.cert.config()
	s.data = append(s.data, secure)
	for _, addr := range c.ListenTLS {
		at, err := s.listenAt(ctx, addr, from, func(e *edge) error {
			e.shakes = 1
			return secure.ServeTLS(e, "", "")
		})
		if err != nil {
			return err
		}
		out.HTTPS = append(out.HTTPS, at)
	}
	return nil
}

func (s *server) openEdge(ctx context.Context, addr string, from places) (*edge, error) {
	ln := from.inherited.take(addr)
	if ln == nil {
		var err error
		if ln, err = listen(ctx, addr); err != nil {
			return nil, err
		}
	}
	e := newEdge(ln, addr, from.slots, s.proxy.limits)
	if !s.edges.add(e) {
		return nil, errors.Join(net.ErrClosed, ln.Close())
	}
	return e, nil
}

func (s *server) httpServer(c Config) *http.Server {
	limits := s.proxy.limits
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	return &http.Server{
		Handler:           s.proxy,
		Protocols:         protocols,
		ReadHeaderTimeout: limits.HeaderTime,
		IdleTimeout:       limits.IdleTime,
		MaxHeaderBytes:    limits.HeaderBytes,
		HTTP2:             &http.HTTP2Config{SendPingTimeout: limits.Stall, WriteByteTimeout: limits.Stall},
		ErrorLog:          slog.NewLogLogger(c.Logger.Handler(), slog.LevelDebug),
	}
}

// run serves in the background; a listener that breaks ends the proxy.
func (s *server) run(serve func() error) {
	s.background.Go(func() {
		err := serve()
		if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
			return
		}
		select {
		case s.failed <- fmt.Errorf("serve: %w", err):
		default: // another one was first
		}
	})
}

// sweepUntil enforces time limits in the background until it is told to stop.
func (s *server) sweepUntil() (stop func()) {
	done := make(chan struct{})
	s.background.Go(func() {
		sweep, cert := time.NewTicker(sweepEvery), time.NewTicker(certEvery)
		defer sweep.Stop()
		defer cert.Stop()
		for {
			select {
			case now := <-sweep.C:
				s.proxy.registry.sweep(now)
			case <-cert.C:
				if s.cert != nil {
					s.cert.refresh()
				}
			case <-done:
				return
			}
		}
	})
	return func() { close(done) }
}
