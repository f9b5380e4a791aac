package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"teal/controller"
	"teal/deploy/proxy/nginx"
)

// The drivers of proxies.
const (
	proxyEmbedded = "embedded"
	proxyNginx    = "nginx"
)

// carrier is the proxy as a run needs it.
type carrier struct {
	controller.Proxy
	// ensure makes it run, where that is for Teal to do, or says why it does not.
	ensure func(ctx context.Context) error
	// run works beside the controller until ctx ends; nil: there is nothing to do.
	run func(ctx context.Context) error
}

// openProxy returns the proxy that the settings name.
func (w *wiring) openProxy() (carrier, error) {
	if w.proxy == proxyNginx {
		return w.openNginx()
	}
	k, err := w.newKeeper()
	if err != nil {
		return carrier{}, err
	}
	return carrier{Proxy: k.driver(), ensure: k.ensure}, nil
}

func (w *wiring) openNginx() (carrier, error) {
	state, err := filepath.Abs(w.statePath())
	if err != nil {
		return carrier{}, fmt.Errorf("find the state folder: %w", err)
	}
	site := nginxSite{
		nginx: w.nginx, placing: &w.placing, dockers: w.dockers, state: state, replace: w.replaceProxy, log: w.log,
		listen: append(append([]string{}, w.listen.http...), w.listen.https...),
	}
	place, shut, err := site.open()
	if err != nil {
		return carrier{}, err
	}
	w.parts.closing("way to nginx", shut)
	driver, err := w.driveNginx(place, w.syslog(), w.log)
	if err != nil {
		return carrier{}, err
	}
	w.parts.closing("nginx's figures", driver.Close)
	return carrier{Proxy: driver, ensure: ensureNginx(place, driver), run: driver.Run}, nil
}

// ensureNginx mends the place, even while its nginx answers, and then what it
// serves.
func ensureNginx(place nginx.Place, driver *nginx.Driver) func(context.Context) error {
	return func(ctx context.Context) error {
		if _, err := place.Ensure(ctx); err != nil {
			return err
		}
		return driver.Prepare(ctx)
	}
}

// driveNginx returns the driver of the nginx at a place.
func (s *settings) driveNginx(place nginx.Place, figures nginx.Syslog, log *slog.Logger) (*nginx.Driver, error) {
	trusted, err := prefixes(s.listen.trusted)
	if err != nil {
		return nil, err
	}
	o := nginx.Options{
		Place: place, Admin: s.nginx.admin, Syslog: figures, Trusted: trusted, Snippets: s.nginx.snippets, Logger: log,
	}
	if !s.nginx.ownServers {
		o.Servers = &nginx.Servers{
			Listen: s.listen.http, ListenTLS: s.listen.https, RedirectHTTPS: s.listen.redirect, Certificate: s.listen.certificate,
		}
	}
	return nginx.New(o)
}

// syslog is where nginx's lines come to: what was said, else a free port where
// nginx is on this machine. Elsewhere there are no figures without it.
func (w *wiring) syslog() nginx.Syslog {
	switch {
	case w.nginx.figures != "":
		return nginx.Syslog{Listen: w.nginx.figures, Advertise: w.nginx.advertise}
	case w.placing.proxyIsLocal():
		return nginx.Syslog{Listen: "127.0.0.1:0"}
	}
	w.log.Warn("figures of requests are not told: nginx cannot send them", "hint", "--nginx-syslog ADDRESS, one of this machine that nginx reaches")
	return nginx.Syslog{}
}

// certificate reads the certificate and its key as they are now.
func (l *listening) certificate() (chain, key []byte, err error) {
	if chain, err = os.ReadFile(l.cert); err != nil {
		return nil, nil, fmt.Errorf("read the certificate: %w", err)
	}
	if key, err = os.ReadFile(l.key); err != nil {
		return nil, nil, fmt.Errorf("read the certificate's key: %w", err)
	}
	return chain, key, nil
}
