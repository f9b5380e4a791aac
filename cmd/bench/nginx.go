package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"teal/deploy/docker"
	"teal/deploy/proxy/nginx"
	"teal/reconcile"
	"teal/spec"
)

// nginxImage holds this machine's nginx.
const nginxImage = "tealbench:nginx"

// server is one nginx, in a container of its own with the host's network or a
// process of this machine.
type server struct {
	place   nginx.Place
	address string       // where it listens
	pid     int          // of the process; 0: it is in a container
	stop    func() error // removes all that was made for it, also after an interrupt
}

// startServer makes a container that runs nginx with nothing to serve. Its
// files are in a folder of this host, or with remote set in a volume that is
// reached through the engine, as on any other host.
func startServer(ctx context.Context, name string, remote bool) (*server, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	id := "tealbench-" + name
	engine, err := docker.New(docker.Options{ControllerID: id, Ingress: docker.Ingress{Name: id}})
	if err != nil {
		return nil, err
	}
	s := &server{address: address, stop: func() error { //nolint:contextcheck // what was made is removed after an interrupt, too
		ctx, cancel := context.WithTimeout(context.Background(), cleanLimit)
		defer cancel()
		return errors.Join(engine.RemoveAll(ctx, true), engine.Close())
	}}
	o := nginx.ManagedOptions{Engine: engine, Image: nginxImage, Replace: true}
	if !remote {
		if o.HostFolder, err = filepath.Abs(filepath.Join(folder, name)); err != nil {
			return nil, errors.Join(fmt.Errorf("find the work folder: %w", err), engine.Close())
		}
	}
	if err := engine.RemoveAll(ctx, true); err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	s.place = nginx.Managed(o)
	if _, err := s.place.Ensure(ctx); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// plainSettings are what differs between configurations without Teal.
type plainSettings struct {
	upstream string // more lines of the upstream block
	server   string // more lines of the server block
	headers  string // what kept connections need
}

var (
	// alone is proxy_pass and nothing else, as most people write it: nginx makes a
	// connection to the app for each request.
	alone = plainSettings{server: "access_log off;"}
	// kept keeps connections to the app, like Teal.
	kept = plainSettings{
		upstream: "keepalive 64;", server: "access_log off;",
		headers: "proxy_http_version 1.1; proxy_set_header Connection \"\";",
	}
	// logged is kept with the access log that packages switch on; the file is in
	// nginx' own folder.
	logged = plainSettings{upstream: kept.upstream, headers: kept.headers, server: "access_log access.log;"}
)

const plainNginx = `upstream app { server %s; %s }
server {
    listen %s;
    %s
    keepalive_requests 1000000;
    location / {
        %s
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_pass http://app;
    }
}
`

// plain makes the server a plain reverse proxy.
func (s *server) plain(ctx context.Context, target string, set plainSettings) error {
	text := fmt.Appendf(nil, plainNginx, target, set.upstream, s.address, set.server, set.headers)
	if err := s.place.Write(ctx, nginx.File{Name: "teal.conf", Content: text}); err != nil {
		return err
	}
	if _, err := s.place.Nginx(ctx, "-s", "reload"); err != nil {
		return fmt.Errorf("load a plain configuration: %w", err)
	}
	return answering(ctx, s.address)
}

// driven is a driver of a server, and the number of its table.
type driven struct {
	*nginx.Driver
	seq  uint64
	stop func() error
}

// drive makes Teal's driver drive the server.
func (s *server) drive(ctx context.Context) (*driven, error) {
	admin, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	d, err := nginx.New(nginx.Options{
		Place: s.place, Admin: admin, Servers: &nginx.Servers{Listen: []string{s.address}},
		Syslog: nginx.Syslog{Listen: "127.0.0.1:0"},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return nil, err
	}
	running, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	var ended error
	work.Go(func() { ended = d.Run(running) })
	return &driven{Driver: d, stop: func() error {
		cancel()
		work.Wait()
		if errors.Is(ended, context.Canceled) {
			return nil
		}
		return ended
	}}, nil
}

// benched is the app that the tables are about.
var benched = spec.Name{Project: "tealbench", Service: "web"}

// serve applies a table that gives blue's targets 100-green and green's green of
// 100 requests. A colour without an address is left out.
func (d *driven) serve(ctx context.Context, blue, green string, share int) error {
	d.seq++
	r := reconcile.Route{App: benched, Host: "*", Path: "/"}
	for _, b := range []reconcile.Backend{
		{Colour: spec.Blue, Revision: "blue", Weight: 100 - share, Targets: []string{blue}},
		{Colour: spec.Green, Revision: "green", Weight: share, Targets: []string{green}},
	} {
		if b.Targets[0] != "" {
			r.Backends = append(r.Backends, b)
		}
	}
	if err := d.Apply(ctx, reconcile.Table{Seq: d.seq, Routes: []reconcile.Route{r}}); err != nil {
		return fmt.Errorf("apply table %d: %w", d.seq, err)
	}
	return nil
}
