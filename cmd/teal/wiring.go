package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"teal/cmd/teal/internal/systemd"
	"teal/controller"
	"teal/controller/api"
	"teal/controller/schedule"
	"teal/controller/source"
	"teal/deploy/docker"
	"teal/deploy/proxy/embedded"
	"teal/health"
	"teal/reconcile"
	"teal/spec"
	"teal/store"
)

// Longest times for the parts to stop.
const (
	stopAPI        = 5 * time.Second
	stopController = 20 * time.Second
	stopProber     = 10 * time.Second
	stopNotifier   = 10 * time.Second
)

// wiring ties the rooms together for one run of the controller.
type wiring struct {
	*program
	settings
	resync schedule.Schedule
	log    *slog.Logger
	parts  *services

	db      *store.DB
	dockers dockers
	carrier carrier
	core    *controller.Controller
}

// begin opens and starts everything, in the order of who needs whom.
func (w *wiring) begin(ctx context.Context) (err error) {
	if w.id, err = w.controllerID(w.id); err != nil {
		return err
	}
	if w.db, err = w.openStore(w.rebuild, w.hostKey, w.log); err != nil {
		return err
	}
	w.parts.closing("store", w.db.Close)
	w.parts.start(ctx, "records", stopProber, w.watchStore)
	if w.dockers, err = w.openEngines(); err != nil {
		return err
	}
	w.parts.closing("engine", w.dockers.Close)
	if w.carrier, err = w.openProxy(); err != nil {
		return err
	}
	sources, err := w.sources()
	if err != nil {
		return err
	}
	listener, err := api.Listen(w.socketPath())
	if err != nil {
		return err
	}
	prober := health.New(health.Options{
		Logger: w.log, Docker: w.dockers, Changed: func(app spec.Name) { w.core.Wake(app) },
	})
	registry := prometheus.NewRegistry()
	registry.MustRegister(newRecordsSize(w.db, w.log))
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	notifier, err := w.openNotifier()
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	w.core = controller.New(w.options(prober, sources, registry))
	serving := api.Options{Logger: w.log, Metrics: promhttp.HandlerFor(registry, promhttp.HandlerOpts{})}
	local := serving
	local.Backup = w.db.Backup // the records hold secrets of the apps: not over the network
	handler := api.NewHandler(w.core, local)
	doors, err := w.openDoors()
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	calls, err := w.openHooks()
	if err != nil {
		return errors.Join(err, listener.Close())
	}

	w.parts.start(ctx, "prober", stopProber, prober.Run)
	if w.carrier.run != nil {
		w.parts.start(ctx, "proxy's figures", stopProber, w.carrier.run)
	}
	if notifier != nil {
		w.parts.start(ctx, "notifications", stopNotifier, notifier.Run)
	}
	if reporter := w.openReporter(); reporter != nil {
		w.parts.start(ctx, "commit statuses", stopNotifier, reporter.Run)
	}
	w.parts.start(ctx, "controller", stopController, w.core.Run)
	w.parts.start(ctx, "image updates", stopNotifier, w.openUpdater().Run)
	w.parts.start(ctx, "API", 2*stopAPI, func(ctx context.Context) error {
		return api.Serve(ctx, listener, handler, stopAPI, w.log)
	})
	w.serveDoors(ctx, doors, serving)
	if err := w.serveHooks(ctx, calls, registry); err != nil {
		return err
	}
	manager, err := systemd.New(w.core, w.log)
	if err != nil {
		return err
	}
	if manager != nil {
		w.parts.start(ctx, "service manager", stopAPI, manager.Run)
	}
	w.log.Info("api was opened", "socket", w.socketPath(), "controller_id", w.id, "version", version())
	return nil
}

// options are those of the controller's core.
func (w *wiring) options(prober *health.Prober, sources []controller.Source, registry *prometheus.Registry) controller.Options {
	return controller.Options{
		ID:            w.id,
		Version:       version(),
		Listen:        w.listen.urls(),
		Store:         w.db,
		Engine:        w.dockers,
		Proxy:         w.carrier,
		Prober:        prober,
		Logger:        w.log,
		Parallel:      w.parallel,
		Resync:        w.resync,
		Sources:       sources,
		Supervise:     w.carrier.ensure,
		EngineVersion: w.dockers.Version,
		Records:       w.recordsCondition,
		Hosts:         w.placing.names(),
		HostStatus:    w.dockers.status(),
		Metrics:       registry,
		Images:        w.imageKeeping(),
	}
}

func (w *wiring) openEngines() (dockers, error) {
	reserve, err := w.keeping.space()
	if err != nil {
		return dockers{}, err
	}
	return w.placing.openEngines(docker.Options{
		Host:         w.docker,
		ControllerID: w.id,
		Ingress:      docker.Ingress{Subnet: w.subnet},
		Policy:       w.policyOf,
		Limits:       docker.Limits{}.Scaled(w.engineLimit),
		Logger:       w.log,
		Pulling:      w.db.NotePulled,
		Reserve:      reserve,
		Logins:       w.registries.logins,
		Point:        failpoint,
	}, func(host string, err error) { w.core.HostAnswered(host, err) })
}

// policyOf is the policy for a project, with the folder it was read from.
func (w *wiring) policyOf(project string) spec.Policy {
	out := w.policy
	all, err := w.db.Projects()
	if err != nil {
		w.log.Error("policy was left without the project's folder", "project", project, "error", err)
		return out
	}
	for _, p := range all {
		if p.Name == project {
			out.Dir = p.Source.Dir()
		}
	}
	return out
}

// sources are the watched files, if any were named, and what is pulled.
func (w *wiring) sources() ([]controller.Source, error) {
	w.policy.Hosts = w.placing.names()
	if w.policy.Hosts == nil {
		w.policy.Hosts = []string{""} // none has a name
	}
	pulled, err := w.pulledSources()
	if err != nil || len(w.files) == 0 {
		return pulled, err
	}
	opts, err := w.wish.options()
	if err != nil {
		return nil, err
	}
	file, err := source.NewFile(source.Options{
		Files: opts.Files, Prune: w.prune, Logger: w.log,
		Load: func(ctx context.Context) (*spec.Project, error) { return spec.Load(ctx, opts) },
	})
	if err != nil {
		return nil, err
	}
	return append([]controller.Source{file}, pulled...), nil
}

// driver is the embedded proxy as the controller sees it.
type driver struct {
	*embedded.Client
	log *slog.Logger
}

// Read believes what a proxy says it serves even while its newest table on disk
// is damaged: the next table repairs that.
func (d driver) Read(ctx context.Context) (reconcile.Snapshot, error) {
	s, err := d.Client.Read(ctx)
	if errors.Is(err, embedded.ErrDamaged) {
		d.log.Warn("proxy lost its newest table", "error", err)
		return s, nil
	}
	return s, err
}

// keeper looks after the proxy's container.
type keeper struct {
	engine *docker.Engine
	folder string
	listen listening
	logs   logging
	log    *slog.Logger
	again  time.Time     // when an outdated proxy may be replaced
	pause  time.Duration // before that, after an attempt that failed
}

// newKeeper makes the proxy's folder. The proxy's container runs as its owner.
func (w *wiring) newKeeper() (*keeper, error) {
	state, err := filepath.Abs(w.statePath())
	if err != nil {
		return nil, fmt.Errorf("find the state folder: %w", err)
	}
	folder := filepath.Join(state, proxyFolder)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make the proxy's folder: %w", err)
	}
	return &keeper{engine: w.dockers.proxy, folder: folder, listen: w.listen, logs: w.logs, log: w.log}, nil
}

func (k *keeper) driver() driver {
	client := embedded.NewClient(filepath.Join(k.folder, adminSocket))
	client.Point = failpoint
	return driver{Client: client, log: k.log}
}
