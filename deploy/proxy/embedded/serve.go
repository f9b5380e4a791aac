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
	s := newServer(c)
	defer s.proxy.registry.close()
	defer s.background.Wait()
	open, stopWaiting := context.WithCancel(ctx)
	defer stopWaiting()
	addresses, err := s.open(open, c)
	if err != nil {
		s.closeAll()
		return err
	}
	defer close(s.over)
	defer func() { _ = s.control.before.close() }() // it notices, and hurries
	s.background.Go(s.sweepUntilOver)
	c.Logger.Info("proxy was started", "http", addresses.HTTP, "https", addresses.HTTPS)
	if c.Ready != nil {
		c.Ready(addresses)
	}
	select {
	case <-ctx.Done():
		return s.end(context.WithoutCancel(ctx))
	case <-s.handedOver:
		stopWaiting()
		err := s.fade(context.WithoutCancel(ctx))
		<-ctx.Done() // whoever started it would start it again
		return err
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
	ready      []func()       // begin to serve clients
	data       []*http.Server // for clients
	admin      admin
	slots      chan struct{} // one entry per client
	background sync.WaitGroup
	failed     chan error
	handedOver chan struct{} // closed when a successor serves
	orphaned   chan struct{} // closed when that successor is gone
	over       chan struct{} // closed when Serve returns
}

func newServer(c Config) *server {
	p := newProxy(c)
	return &server{
		proxy: p, log: c.Logger, slots: make(chan struct{}, p.limits.Connections), failed: make(chan error, 1),
		handedOver: make(chan struct{}), orphaned: make(chan struct{}), over: make(chan struct{}),
	}
}

// open listens everywhere and then begins to serve. A proxy that runs already
// goes on until that is done, and goes on for good if it fails.
func (s *server) open(ctx context.Context, c Config) (out Addresses, err error) {
	in, err := inherit(ctx, c.Admin)
	if err != nil {
		return out, err
	}
	before := newForerunner(in.line)
	defer func() {
		if err != nil {
			err = errors.Join(err, before.close())
		}
	}()
	if s.control, err = openControl(s.proxy, c.StateDir, c.Logger); err != nil {
		return out, errors.Join(err, in.close())
	}
	if s.control.fault != nil && before != nil {
		return out, errors.Join(fmt.Errorf("the proxy before goes on: its table cannot be taken over: %w", s.control.fault), in.close())
	}
	s.control.before, s.control.instance = before, c.Instance
	place := places{inherited: in, slots: s.slots, await: c.AwaitPorts}
	if err := s.openEdges(ctx, c, place, &out); err != nil {
		return out, errors.Join(err, in.close())
	}
	if err := s.openAdmin(ctx, c, place, &out); err != nil {
		return out, errors.Join(err, in.close())
	}
	if err := in.close(); err != nil {
		return out, fmt.Errorf("close listeners that are not configured: %w", err)
	}
	for _, begin := range s.ready {
		begin()
	}
	if err := before.succeeded(); err != nil {
		s.log.Warn("proxy before was gone when its successor was ready", "error", err)
	}
	return out, nil
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
	e, err := s.listenEdge(ctx, addr, from)
	if err == nil && !s.edges.add(e) {
		return nil, errors.Join(net.ErrClosed, e.Close())
	}
	return e, err
}

// listenEdge listens on an address, or goes on with the listener of the proxy
// before.
func (s *server) listenEdge(ctx context.Context, addr string, from places) (*edge, error) {
	ln := from.inherited.take(addr)
	if ln == nil {
		var err error
		if ln, err = listen(ctx, addr); err != nil {
			return nil, err
		}
	}
	return newEdge(ln, addr, from.slots, s.proxy.limits), nil
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

// sweepUntilOver enforces time limits.
func (s *server) sweepUntilOver() {
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
		case <-s.over:
			return
		}
	}
}
