package sim

import (
	"context"
	"errors"
	"io"
	"time"

	"teal/controller"
	"teal/reconcile"
	"teal/spec"
)

// process is one life of the controller. When it is killed, nothing it asks
// for is done any more, as with SIGKILL; what is kept outside stays.
type process struct {
	run  *run
	dead bool
	// fuse counts boundaries of effects down; at 0 the process dies. Negative:
	// it lives on.
	fuse int
}

var errDead = errors.New("the process is dead")

// boundary is a moment before or after an effect: a process may die there.
func (p *process) boundary(where string) bool {
	if p.dead {
		return true
	}
	if p.fuse >= 0 {
		if p.fuse--; p.fuse < 0 {
			p.dead = true
			p.run.saw("killed", where)
			p.run.log("killed %s", where)
		}
	}
	return p.dead
}

// engine, proxy and store are the outside as the process reaches it.
type (
	engine struct {
		controller.Engine
		p *process
	}
	proxy struct {
		controller.Proxy
		p *process
	}
	store struct {
		controller.Store
		p *process
	}
)

func (e engine) Observe(ctx context.Context, app spec.Name, look reconcile.Look) (reconcile.Seen, error) {
	if e.p.dead {
		return reconcile.Seen{}, errDead
	}
	return e.Engine.Observe(ctx, app, look)
}

func (e engine) Perform(ctx context.Context, s reconcile.Step) reconcile.Outcome {
	dead := reconcile.Outcome{Failure: &reconcile.Failure{Class: reconcile.Infra, Message: errDead.Error()}}
	if e.p.boundary("before " + string(s.Kind)) {
		return dead
	}
	out := e.Engine.Perform(ctx, s)
	e.p.run.performed(s, out)
	if e.p.boundary("after " + string(s.Kind)) {
		return dead
	}
	return out
}

func (e engine) Logs(context.Context, string, int, bool, io.Writer) error { return nil }

func (p proxy) Read(ctx context.Context) (reconcile.Snapshot, error) {
	if p.p.dead {
		return reconcile.Snapshot{}, errDead
	}
	snapshot, err := p.Proxy.Read(ctx)
	if err == nil {
		p.p.run.book.read = p.p.run.book.tables
	}
	return snapshot, err
}

func (p proxy) Apply(ctx context.Context, t reconcile.Table) error {
	if p.p.boundary("before apply") {
		return errDead
	}
	err := p.Proxy.Apply(ctx, t)
	p.p.run.log("apply %d: %v", t.Seq, err)
	if p.p.boundary("after apply") {
		return errDead
	}
	return err
}

func (s store) Load(app spec.Name) (reconcile.State, bool, error) {
	if s.p.dead {
		return reconcile.State{}, false, errDead
	}
	return s.Store.Load(app)
}

func (s store) Save(app spec.Name, d reconcile.Decision) error {
	if s.p.boundary("before save") {
		return errDead
	}
	before, _, err := s.Store.Load(app)
	if err != nil {
		return err
	}
	if err := s.Store.Save(app, d); err != nil {
		s.p.run.log("save %s: %v", app, err)
		return err
	}
	s.p.run.saved(app, before, d)
	if s.p.boundary("after save") {
		return errDead
	}
	return nil
}

func (s store) Note(events ...reconcile.Event) error {
	if s.p.dead {
		return errDead
	}
	for _, e := range events {
		s.p.run.log("note %s %s: %s", e.App, e.Reason, e.Message)
	}
	return s.Store.Note(events...)
}

// begin starts a new life of the controller.
func (r *run) begin() {
	if err := r.store.Reopen(); err != nil {
		r.fail(World, "the store cannot be read again: %v", err)
	}
	r.process = &process{run: r, fuse: -1}
	r.prober = r.newProber()
	r.engine.Restart()
	r.ctl = controller.New(controller.Options{
		ID: "sim", Store: store{r.store, r.process}, Engine: engine{r.engine, r.process}, Proxy: proxy{r.proxy, r.process},
		Prober: r.prober, Logger: r.logger, Parallel: 1, Hosts: r.hosts,
	})
	r.lookAtAll()
}

// lookAtAll makes every app due, as a full look does.
func (r *run) lookAtAll() {
	apps, err := r.store.Apps()
	if err != nil {
		r.fail(World, "list apps: %v", err)
	}
	for _, app := range apps {
		r.due[app] = time.Now()
	}
	r.fullLook = time.Now().Add(fullLook)
	if r.calm { // nothing is lost any more
		r.fullLook = r.fullLook.Add(calmLook - fullLook)
	}
	r.ctl.Sweep(context.Background())
	r.revive()
}
