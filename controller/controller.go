package controller

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"teal/controller/api"
	"teal/controller/schedule"
	"teal/controller/source"
	"teal/reconcile"
	"teal/spec"
)

// Source is a place that desired states come from by themselves.
type Source interface {
	// Files names what is watched, for people.
	Files() []string
	// Looked returns when the source was last compared with what it said before.
	Looked() time.Time
	// Run calls emit for the first reading and for every change, until ctx ends.
	Run(ctx context.Context, emit func(source.Update)) error
}

// Options are what a controller is made of. Store, Engine, Proxy, Prober and
// Logger are needed; the rest has defaults.
type Options struct {
	ID      string   // of this controller, as on its containers' labels
	Version string   // of the binary, for people
	Listen  []string // addresses the proxy serves on, for people

	Store  Store
	Engine Engine
	Proxy  Proxy
	Prober Prober
	Logger *slog.Logger

	// Hosts are the names of the hosts that desired states may name, at most once
	// each; the first is where what names none is placed. Empty: there is one host
	// without a name.
	Hosts []string
	// HostStatus, when set, describes the hosts, in the order of Hosts.
	HostStatus func(ctx context.Context) []api.HostStatus

	// Parallel is how many passes run at once; 0 means 8. With 1, the looks and
	// steps of a pass, too, come one after the other.
	Parallel int
	// Resync is when every app is looked at although nothing was heard; the zero
	// value means every 30 seconds.
	Resync  schedule.Schedule
	Sources []Source
	// Policy says what a desired state may ask of the host. Sources have theirs.
	Policy spec.Policy
	// Supervise, when set, makes sure that the proxy runs. It is called at the
	// start, at each full look and when the proxy does not answer.
	Supervise func(ctx context.Context) error
	// EngineVersion, when set, asks the engine for its version and API version.
	EngineVersion func(ctx context.Context) (version, api string, err error)
	// Records, when set, describes the condition of the records that were opened.
	Records func() reconcile.Condition
	// Metrics, when set, is where the controller's metrics are registered.
	Metrics prometheus.Registerer
	// Images, when set, is how images of earlier versions are removed.
	Images *ImageKeeping
	Limits Limits
}

// ImageKeeping says which images stay, and who knows and removes them.
type ImageKeeping struct {
	Host ImageHost
	Book ImageBook
	Rule reconcile.Retention
}

// Limits bound every wait of the controller. A zero field gets its default.
type Limits struct {
	Observe   time.Duration // for the engine to show one app; default 10 s
	Read      time.Duration // for the proxy to be read or told; default 5 s
	Effect    time.Duration // for a step beyond its own grace; default 2 min
	Pull      time.Duration // for an image to arrive; default 1 h
	Supervise time.Duration // for the proxy to be brought up; default 2 min
	Stop      time.Duration // for running passes when the controller stops; default 10 s
	Images    time.Duration // at least, between two looks at images that nothing asked for; default 10 min
	Retry     time.Duration // first back-off after a side did not answer; default 1 s
	RetryMax  time.Duration // longest back-off; default 30 s
}

// withDefaults fills in what is zero.
func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&l.Observe, 10 * time.Second},
		{&l.Read, 5 * time.Second},
		{&l.Effect, 2 * time.Minute},
		{&l.Pull, time.Hour},
		{&l.Supervise, 2 * time.Minute},
		{&l.Stop, 10 * time.Second},
		{&l.Images, 10 * time.Minute},
		{&l.Retry, time.Second},
		{&l.RetryMax, 30 * time.Second},
	} {
		if *f.field <= 0 {
			*f.field = f.value
		}
	}
	return l
}

const (
	defaultParallel = 8
	defaultResync   = "30s"
)

// Controller converges apps towards their desired states. It implements
// [teal/controller/api.Controller].
type Controller struct {
	opts    Options
	log     *slog.Logger
	queue   *queue
	router  *router
	metrics *metrics
	changes *changes
	vitals  *vitals
	started time.Time
	leap    func() time.Duration // how far the clock was set since then

	health    conditions // of engine, proxy and store
	unkept    unkept     // while the store does not take them
	hosts     hosts      // which of them are away
	memory    memory     // of the passes, lost at a restart
	sources   []*feed
	accepting sync.Mutex // one acceptance at a time
	family    family     // who depends on whom
	orphans   orphans
	book      schedule.Book
	summon    chan struct{} // asks for the proxy to be supervised
	tidy      chan struct{} // asks for images to be looked at
}

// New wires a controller and starts nothing.
func New(opts Options) *Controller {
	if opts.Parallel <= 0 {
		opts.Parallel = defaultParallel
	}
	if opts.Resync.IsZero() {
		opts.Resync = mustInterval(defaultResync)
	}
	opts.Limits = opts.Limits.withDefaults()
	c := &Controller{
		opts:    opts,
		log:     opts.Logger,
		queue:   newQueue(),
		changes: newChanges(),
		vitals:  newVitals(),
		started: time.Now(),
		summon:  make(chan struct{}, 1),
		tidy:    make(chan struct{}, 1),
	}
	c.leap = c.leapt
	c.router = newRouter(opts.Proxy, opts.Limits.Read, c.claim)
	c.metrics = newMetrics(opts.Metrics, c.queue.length)
	if opts.Metrics != nil {
		opts.Metrics.MustRegister(newAppsByCondition(c.conditionCounts))
	}
	for _, s := range opts.Sources {
		c.sources = append(c.sources, newFeed(s))
	}
	return c
}

// mustInterval reads a schedule of this package's own.
func mustInterval(text string) schedule.Schedule {
	s, err := schedule.Parse(text)
	if err != nil {
		panic(err)
	}
	return s
}

// Wake says that something about apps may have changed: a probe, say. It never
// blocks.
func (c *Controller) Wake(apps ...spec.Name) {
	for _, app := range apps {
		c.queue.add(app)
		c.queue.add(c.family.dependents(app)...)
	}
	c.changes.signal()
}

// Run works until ctx ends. Then no new pass begins, running ones get
// [Limits.Stop] before they are cut short, and Run returns when all its
// goroutines have ended. Containers and proxy go on as they are. Run must be
// called once only. Its error says why it could not begin.
func (c *Controller) Run(ctx context.Context) error {
	if err := c.family.read(c.opts.Store); err != nil {
		return err
	}
	defer c.changes.close()
	c.vitals.begin(c.family.all())
	// Effects outlive ctx by a limit, so that a stop does not cut them in two.
	effects, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	defer context.AfterFunc(ctx, func() { c.cutLater(effects, cut) })()

	var running sync.WaitGroup
	running.Go(func() { c.watchEngine(ctx) })
	running.Go(func() { c.resync(ctx) })
	running.Go(func() { c.supervise(ctx) })
	running.Go(func() { c.keepImages(ctx) })
	for _, f := range c.sources {
		running.Go(func() { c.follow(ctx, f) })
	}
	c.log.Info("controller started", "apps", len(c.family.all()), "parallel", c.opts.Parallel, "resync", c.opts.Resync.String())
	c.queue.run(ctx, c.opts.Parallel, func(app spec.Name, release func()) time.Time {
		return c.look(effects, app, release)
	})
	cut()
	running.Wait()
	c.log.Info("controller stopped")
	return nil
}

// cutLater ends effects when they have had their time after the stop.
func (c *Controller) cutLater(effects context.Context, cut func()) {
	timer := time.NewTimer(c.opts.Limits.Stop)
	defer timer.Stop()
	select {
	case <-timer.C:
		cut()
	case <-effects.Done():
	}
}

// Pass looks at app once, as Run does for every app that is due, and returns
// when to look again; zero means only after an event. It is for whoever brings
// a scheduler of their own: at most one pass of an app may run at a time, and
// none while Run does.
func (c *Controller) Pass(ctx context.Context, app spec.Name) time.Time {
	return c.look(ctx, app, func() {})
}

// backoff is the wait after n failures in a row: 1 s, 2 s, 4 s … 30 s by default.
func (l Limits) backoff(n int) time.Duration {
	d := l.Retry
	for range n - 1 {
		if d >= l.RetryMax {
			break
		}
		d *= 2
	}
	return min(d, l.RetryMax)
}

// now is the moment a record may keep: without the monotonic reading, which no
// store keeps.
func now() time.Time { return time.Now().UTC().Round(0) }

// publish tells the log and the subscribers of events that are stored.
func (c *Controller) publish(events ...reconcile.Event) {
	for _, e := range events {
		log := c.log.Info
		if e.Warning {
			log = c.log.Warn
		}
		attrs := []any{"reason", string(e.Reason), "message", e.Message, "rollout", e.Rollout}
		if e.App != (spec.Name{}) {
			attrs = append([]any{"app", e.App.String()}, attrs...)
		}
		log("event happened", attrs...)
	}
	c.changes.signal()
}

// note stores events that no decision made, and publishes them.
func (c *Controller) note(events ...reconcile.Event) {
	if len(events) == 0 {
		return
	}
	err := c.opts.Store.Note(events...)
	if err != nil {
		c.log.Error("events were not stored", "error", err)
	}
	defer c.wrote(err)
	c.publish(events...)
}
