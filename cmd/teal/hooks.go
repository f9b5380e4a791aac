package main

import (
	"context"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"teal/cmd/teal/internal/config"
	"teal/controller/access"
	"teal/controller/api"
	"teal/controller/webhook"
)

// hooking is where git servers may call.
type hooking struct{ address, cert, key string }

func (h *hooking) flags(f *pflag.FlagSet) {
	f.StringVar(&h.address, "hooks", "", "`address` to hear webhooks on, as POST /hooks/SOURCE; with TLS, or of loopback behind a proxy that has it")
	f.StringVar(&h.cert, "hooks-cert", "", "PEM `file` with the certificate chain for --hooks; read again when it changes")
	f.StringVar(&h.key, "hooks-key", "", "PEM `file` with the key of that certificate")
	for _, name := range []string{"hooks-cert", "hooks-key"} {
		mustMark(config.MarkPath(f, name))
	}
}

// place is where to listen; without a certificate, it must be behind a proxy.
func (h *hooking) place() access.Place {
	return access.Place{Address: h.address, Cert: h.cert, Key: h.key, Plain: h.cert == "" && h.key == ""}
}

// check refuses what cannot work.
func (h *hooking) check(sources []pulled) error {
	var called []string
	for _, s := range sources {
		if s.hook != nil {
			called = append(called, s.name)
		}
	}
	const hint = "--hooks 127.0.0.1:9000, or --hooks :9443 --hooks-cert FILE --hooks-key FILE"
	switch {
	case h.address == "" && (h.cert != "" || h.key != ""):
		return badInput(hint, "a certificate for webhooks is given, but no address: --hooks")
	case h.address == "" && len(called) > 0:
		return badInput(hint, "source %s has a webhook, but nothing listens: --hooks", called[0])
	case h.address == "":
		return nil
	case len(called) == 0:
		return badInput("sources: {shop: {url: …, webhook: github, webhook_secret_file: FILE}}", "--hooks: %v", errNoHooks)
	}
	if err := h.place().Check(); err != nil {
		return badInput(hint, "--hooks: %v", err)
	}
	return nil
}

// hookLimit is how long a source that was called for may take to be looked at.
const hookLimit = 10 * time.Minute

// openHooks listens for calls; nil: for none.
func (w *wiring) openHooks() (net.Listener, error) {
	if w.hooking.address == "" {
		return nil, nil
	}
	return access.Listen(w.hooking.place(), w.log)
}

// serveHooks answers calls, and has sources looked at that were called for. Calls
// while that is under way are one more look.
func (w *wiring) serveHooks(ctx context.Context, l net.Listener, registry *prometheus.Registry) error {
	if l == nil {
		return nil
	}
	wanted := map[string]chan struct{}{}
	o := webhook.Options{Logger: w.log, Metrics: registry, Sync: func(source string) {
		select {
		case wanted[source] <- struct{}{}:
		default: // it is going to be looked at
		}
	}}
	for _, s := range w.pulling.sources {
		if s.hook != nil {
			o.Hooks = append(o.Hooks, *s.hook)
			wanted[s.name] = make(chan struct{}, 1)
		}
	}
	handler, err := webhook.New(o)
	if err != nil {
		return badInput("", "%v", err)
	}
	for name, calls := range wanted {
		w.parts.start(ctx, "webhook of "+name, stopAPI, func(ctx context.Context) error { return w.heed(ctx, name, calls) })
	}
	w.parts.start(ctx, "webhooks", 2*stopAPI, func(ctx context.Context) error {
		return api.Serve(ctx, l, handler, stopAPI, w.log)
	})
	w.log.Info("webhooks were opened to the network", "address", l.Addr().String(), "tls", !w.hooking.place().Plain)
	return nil
}

// heed looks at a source whenever it was called for.
func (w *wiring) heed(ctx context.Context, name string, calls <-chan struct{}) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-calls:
		}
		limited, cancel := context.WithTimeout(ctx, hookLimit)
		_, err := w.core.Sync(limited, api.SyncRequest{Source: name})
		cancel()
		if err != nil && ctx.Err() == nil {
			w.log.Error("source was called for and not looked at", "source", name, "error", err)
		}
	}
}
