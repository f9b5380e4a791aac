package main

import (
	"context"
	"errors"
	"net"

	"github.com/spf13/pflag"

	"teal/cmd/teal/internal/config"
	"teal/controller/access"
	"teal/controller/api"
)

// network is where the API is spoken to beside its socket.
type network struct {
	addresses []string
	cert, key string
	plain     bool
}

func (n *network) flags(f *pflag.FlagSet) {
	f.StringSliceVar(&n.addresses, "api", nil, "`addresses` to serve the API on for those with a token, beside the socket; needs --api-cert and --api-key")
	f.StringVar(&n.cert, "api-cert", "", "PEM `file` with the API's certificate chain; read again when it changes")
	f.StringVar(&n.key, "api-key", "", "PEM `file` with the key of the API's certificate")
	f.BoolVar(&n.plain, "api-plain", false, "serve the API without TLS, on addresses of loopback only")
	for _, name := range []string{"api-cert", "api-key"} {
		mustMark(config.MarkPath(f, name))
	}
}

// places are where to listen.
func (n *network) places() []access.Place {
	var out []access.Place
	for _, a := range n.addresses {
		if a != "" {
			out = append(out, access.Place{Address: a, Cert: n.cert, Key: n.key, Plain: n.plain})
		}
	}
	return out
}

// check refuses what must not be listened on.
func (n *network) check() error {
	places := n.places()
	if len(places) == 0 && (n.plain || n.cert != "" || n.key != "") {
		return badInput("--api :7443", "a setting of the API's listener is given, but no address: --api")
	}
	for _, p := range places {
		if err := p.Check(); err != nil {
			return badInput("--api :7443 --api-cert FILE --api-key FILE, or --api 127.0.0.1:7443 --api-plain", "--api %s: %v", p.Address, err)
		}
	}
	return nil
}

// openDoors listens for those who come over the network.
func (w *wiring) openDoors() ([]net.Listener, error) {
	var out []net.Listener
	for _, place := range w.network.places() {
		l, err := access.Listen(place, w.log)
		if err != nil {
			for _, opened := range out {
				err = errors.Join(err, opened.Close())
			}
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

// serveDoors answers there, with a gate before everything.
func (w *wiring) serveDoors(ctx context.Context, doors []net.Listener, o api.Options) {
	if len(doors) == 0 {
		return
	}
	o.Gate = access.NewGate(access.In(w.statePath()), w.log)
	handler := api.NewHandler(w.core, o)
	for _, l := range doors {
		w.parts.start(ctx, "API on "+l.Addr().String(), 2*stopAPI, func(ctx context.Context) error {
			return api.Serve(ctx, l, handler, stopAPI, w.log)
		})
		w.log.Info("api was opened to the network", "address", l.Addr().String(), "tls", !w.network.plain)
	}
}
