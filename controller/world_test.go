package controller

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"teal/controller/api"
	"teal/controller/fake"
	"teal/reconcile"
	"teal/spec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a controller over fakes, in a bubble of fake time.
type world struct {
	t      *testing.T
	store  *fake.Store
	engine *fake.Engine
	proxy  *fake.Proxy
	prober *fake.Prober
	log    *records
	opts   Options
	c      *Controller
	stop   func()
}

// inWorld runs f in a bubble, with a controller that is not yet running.
func inWorld(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, store: fake.NewStore(), engine: fake.NewEngine(), proxy: fake.NewProxy(), log: &records{}}
		w.prober = fake.NewProber(w.engine)
		w.opts = Options{
			ID: "test", Version: "v0", Store: w.store, Engine: w.engine, Proxy: w.proxy, Prober: w.prober,
			Logger: slog.New(w.log),
		}
		for _, v := range []string{"1", "2", "3"} {
			w.engine.Publish("web:"+v, fake.Image{Digest: "sha256:" + v, Behaviour: fake.Behaviour{Ready: time.Second}})
			w.engine.Publish("db:"+v, fake.Image{Digest: "sha256:db" + v})
		}
		w.engine.Publish("web:bad", fake.Image{Digest: "sha256:bad", Behaviour: fake.Behaviour{Never: true}})
		w.engine.Publish("web:slow", fake.Image{Digest: "sha256:slow", Size: time.Hour})
		defer func() {
			if w.stop != nil {
				w.stop()
			}
		}()
		f(w)
	})
}

// run starts the controller.
func (w *world) run() {
	w.opts.Metrics = prometheus.NewRegistry()
	w.c = New(w.opts)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := w.c.Run(ctx); err != nil {
			w.t.Errorf("Run: %v", err)
		}
	})
	w.stop = func() { cancel(); wg.Wait(); w.stop = nil }
	synctest.Wait()
}

// web is an app with the given image; edit changes it further.
func web(name, image string, edit ...func(*spec.Service)) spec.Service {
	s := spec.Service{
		Name: spec.Name{Project: "p", Service: name}, Replicas: 1, PullPolicy: spec.PullMissing,
		Container: spec.Container{Image: image, Restart: "unless-stopped", StopGracePeriod: spec.Duration(10 * time.Second)},
		Rollout: &spec.Rollout{
			Active: spec.ActiveAuto, Strategy: spec.BlueGreen, Promotion: spec.Promotion{Mode: spec.PromotionAuto},
			Route: spec.Route{Host: "*", Path: "/" + name, Port: 80},
			Health: spec.Health{
				Kind: spec.HealthHTTP, Path: "/", Statuses: []spec.StatusRange{{From: 200, To: 299}}, Port: 80, Interval: spec.Duration(100 * time.Millisecond), Timeout: spec.Duration(time.Second),
				Successes: 2, Failures: 3, Deadline: spec.Duration(30 * time.Second), Restarts: 3,
			},
			Drain: spec.Drain{Requests: spec.Duration(30 * time.Second)},
		},
	}
	for _, e := range edit {
		e(&s)
	}
	return s
}

func manual(s *spec.Service) {
	s.Rollout.Promotion = spec.Promotion{Mode: spec.PromotionManual, Timeout: spec.Duration(time.Hour), OnTimeout: spec.TimeoutAbort}
}

func standby(s *spec.Service) { s.Rollout.Standby = spec.Standby{For: spec.Duration(10 * time.Minute)} }

//nolint:unparam // reads better where it is used
func dependsOn(db string, c spec.Condition) func(*spec.Service) {
	return func(s *spec.Service) { s.DependsOn = []spec.Dependency{{Service: db, Condition: c}} }
}

// db is a dependency.
func db(image string) spec.Service {
	return spec.Service{
		Name: spec.Name{Project: "p", Service: "db"}, Replicas: 1, PullPolicy: spec.PullMissing,
		Container: spec.Container{Image: image, Restart: "unless-stopped", StopGracePeriod: spec.Duration(10 * time.Second)},
	}
}

func project(services ...spec.Service) spec.Project {
	slices.SortFunc(services, func(a, b spec.Service) int { return strings.Compare(a.Name.Service, b.Name.Service) })
	return spec.Project{Name: services[0].Name.Project, Services: services}
}

// apply accepts services as the project's newest wish.
func (w *world) apply(services ...spec.Service) api.ApplyResult {
	w.t.Helper()
	r, err := w.c.Apply(context.Background(), api.ApplyRequest{Project: project(services...), By: "test"})
	if err != nil {
		w.t.Fatalf("Apply: %v", err)
	}
	return r
}

// status returns the status of one app.
func (w *world) status(app string) reconcile.Status {
	w.t.Helper()
	list, err := w.c.Status(context.Background(), named(app))
	if err != nil {
		w.t.Fatalf("Status: %v", err)
	}
	return list.Apps[0]
}

// until waits for ok, for at most limit of fake time.
func (w *world) until(what string, limit time.Duration, ok func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(limit)
	for !ok() {
		if time.Now().After(deadline) {
			w.t.Fatalf("not %s after %s; events:\n%s", what, limit, w.eventLines())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// serves waits until app is settled on image.
func (w *world) serves(app, image string) {
	w.t.Helper()
	w.until(app+" serves "+image, 5*time.Minute, func() bool {
		s := w.status(app)
		return s.Serving.OK && s.Synced.OK && s.Phase == reconcile.Idle && strings.HasPrefix(s.Serving.Message, image)
	})
}

func (w *world) events() []reconcile.Event {
	w.t.Helper()
	page, err := w.c.Events(context.Background(), api.EventQuery{Limit: api.MaxEvents})
	if err != nil {
		w.t.Fatalf("Events: %v", err)
	}
	return page.Events
}

// told counts events of a reason.
func (w *world) told(r reconcile.Reason) int {
	n := 0
	for _, e := range w.events() {
		if e.Reason == r {
			n++
		}
	}
	return n
}

func (w *world) eventLines() string {
	var b strings.Builder
	for _, e := range w.events() {
		fmt.Fprintf(&b, "%s %s %s: %s\n", e.At.Format("15:04:05.000"), e.App, e.Reason, e.Message)
	}
	return b.String()
}

// command sends a command and returns its refusal.
func (w *world) command(app string, verb reconcile.Verb, rollout, token string) (api.CommandResult, error) {
	return w.c.Command(context.Background(), named(app), api.CommandRequest{Token: token, Verb: verb, Rollout: rollout, By: "tester"})
}

// records keeps what was logged.
type records struct {
	mu   sync.Mutex
	msgs []string
}

func (r *records) Enabled(context.Context, slog.Level) bool { return true }
func (r *records) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *records) WithGroup(string) slog.Handler            { return r }
func (r *records) Handle(_ context.Context, rec slog.Record) error {
	line := rec.Level.String() + " " + rec.Message
	rec.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	r.mu.Lock()
	defer r.mu.Unlock()
	r.msgs = append(r.msgs, line)
	return nil
}

func (r *records) has(part string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.msgs, func(m string) bool { return strings.Contains(m, part) })
}
