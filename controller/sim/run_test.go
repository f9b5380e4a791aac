package sim

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"teal/controller"
	"teal/controller/fake"
	"teal/reconcile"
	"teal/spec"
)

// run is one seed.
type run struct {
	seed    uint64
	shape   shape
	hosts   []string        // names; none where there is one host
	gone    map[string]bool // hosts that are away
	rng     *rand.Rand
	begun   time.Time
	store   *fake.Store
	engine  *fake.Engine
	proxy   *fake.Proxy
	prober  *fake.Prober
	process *process
	ctl     *controller.Controller
	logger  *slog.Logger

	due      map[spec.Name]time.Time
	fullLook time.Time
	calm     bool          // no more faults
	lost     bool          // the store was, once, or an app that a host still has
	behind   time.Duration // how far the clock was set back in all; limits end as much later
	instant  time.Time     // of the last pass
	crowd    int           // passes in that instant
	passes   int
	effects  int
	kills    int

	strangers []string // containers that are not ours
	wish      *wish
	windows   *windows
	book      *book
	trace     []string
	checks    map[rule]int   // how often each rule was checked
	seen      map[string]int // what happened, see coverage
	bad       string         // the first rule that did not hold
	final     string         // how things were at the end, if it is bad
}

const (
	fullLook  = 30 * time.Second
	calmLook  = 10 * time.Minute
	traceKept = 400
)

func newRun(seed uint64, shape shape) *run {
	r := &run{
		seed: seed, shape: shape, gone: map[string]bool{}, rng: rand.New(rand.NewPCG(seed, 0x7ea1)), begun: time.Now(),
		store: fake.NewStore(), engine: fake.NewEngine(), proxy: fake.NewProxy(),
		logger: slog.New(slog.DiscardHandler), due: map[spec.Name]time.Time{},
		checks: map[rule]int{}, seen: map[string]int{},
	}
	r.book = newBook(r)
	r.windows = newWindows(r)
	if shape.hosts() {
		r.hosts = []string{"a", "b", "c"}[:2+r.rng.IntN(2)]
		r.engine.Hosts(r.hosts...)
	}
	r.wish = newWish(r)
	r.engine.Fault, r.proxy.Fault = r.fault, r.fault
	r.store.Fault = func(string) bool { return !r.calm && r.chance(100) }
	r.engine.Done, r.proxy.Applied = r.book.did, r.book.applied
	r.engine.Stopping = []time.Duration{0, time.Second, 4 * time.Second}[r.rng.IntN(3)]
	r.engine.Removing = []time.Duration{0, 0, 3 * time.Second}[r.rng.IntN(3)]
	r.proxy.Lingering = []time.Duration{0, 2 * time.Second, time.Minute}[r.rng.IntN(3)]
	r.engine.Listen(r.heard)
	r.engine.Stranger("somebody-elses")
	r.strangers = r.engine.Names()
	return r
}

func (r *run) newProber() *fake.Prober { return fake.NewProber(r.engine) }

// chance is true once in n times.
func (r *run) chance(n int) bool { return r.rng.IntN(n) == 0 }

// fault plants faults into calls while the world is not calm.
func (r *run) fault(c fake.Call) fake.Fault {
	if r.calm || !r.chance(25) {
		return fake.None
	}
	f := []fake.Fault{fake.Refused, fake.Unanswered, fake.AnswerLost, fake.HalfDone}[r.rng.IntN(4)]
	r.saw("fault", faultWords[f], c.Name)
	r.log("fault %d in %s %s", f, c.Name, c.App)
	return f
}

// heard is an event of the engine. One in four is lost.
func (r *run) heard(app spec.Name) {
	if r.calm || !r.chance(4) {
		r.due[app] = time.Now()
	}
}

// advance lets d pass, with all the passes that become due meanwhile.
func (r *run) advance(d time.Duration) {
	until := time.Now().Add(d)
	for r.bad == "" {
		app, at := r.next()
		if at.After(until) {
			break
		}
		time.Sleep(time.Until(at))
		if app == (spec.Name{}) {
			r.lookAtAll()
			continue
		}
		r.pass(app)
	}
	time.Sleep(time.Until(until))
}

// next returns what is due first: an app, or the full look.
func (r *run) next() (spec.Name, time.Time) {
	app, at := spec.Name{}, r.fullLook
	for name, t := range r.due {
		if t.Before(at) || t.Equal(at) && (app == spec.Name{} || name.String() < app.String()) {
			app, at = name, t
		}
	}
	return app, at
}

// pass runs one pass and starts the controller anew if it died of it.
func (r *run) pass(app spec.Name) {
	delete(r.due, app)
	r.passes++
	if now := time.Now(); now.After(r.instant) {
		r.instant, r.crowd = now, 0
	}
	r.checked(L1)
	if r.crowd++; r.crowd > 300 {
		r.fail(L1, "%s is looked at over and over, and no time passes", app)
	}
	again := r.ctl.Pass(context.Background(), app)
	if _, heard := r.due[app]; !heard && !again.IsZero() {
		r.due[app] = again
	}
	r.revive()
}

// revive starts the controller anew if it died.
func (r *run) revive() {
	if r.process.dead {
		r.kills++
		r.begin()
	}
}

// log adds a line to the trace.
func (r *run) log(format string, args ...any) {
	line := fmt.Sprintf("%10s  ", time.Since(r.begun).Round(time.Millisecond)) + fmt.Sprintf(format, args...)
	r.trace = append(r.trace, line)
	if len(r.trace) > 2*traceKept {
		r.trace = r.trace[traceKept:]
	}
}

// report prints what happened.
func (r *run) report(t *testing.T) {
	t.Errorf("seed %d: %s\n%s\n%s\nagain: go test ./controller/sim -run TestSimulation -sim.from %d -sim.seeds 1 -sim.shape %d",
		r.seed, r.bad, strings.Join(r.trace[max(0, len(r.trace)-traceKept):], "\n"), r.final, r.seed, r.shape)
}

// world prints how things are.
func (r *run) world() string {
	var b strings.Builder
	apps, _ := r.store.Apps()
	for _, app := range apps {
		state, _, _ := r.store.Load(app)
		rec := state.Record
		fmt.Fprintf(&b, "%s gen %d/%d %s wants %s", app, rec.Generation, state.Desired.Generation, rec.Phase.Words(), state.Desired.Service.Container.Image)
		for role, p := range roles(rec) {
			fmt.Fprintf(&b, " %s=%s:%.8s", role, p.Colour, p.Revision.ID)
		}
		if rec.Hold != nil {
			fmt.Fprintf(&b, " hold=%d:%s", rec.Hold.Generation, rec.Hold.Reason)
		}
		if rec.Backoff != nil {
			fmt.Fprintf(&b, " backoff=%s:%s", rec.Backoff.Step, rec.Backoff.Failure.Reason)
		}
		if route := r.proxy.Look().Served(app).Route; route != nil {
			fmt.Fprintf(&b, " route=%+v", route.Backends)
		}
		fmt.Fprintln(&b)
		for _, c := range r.engine.Look(app).Containers {
			fmt.Fprintf(&b, "    %s %s %s %s started %s\n", c.Host, c.Name, c.State, c.Address, c.StartedAt.Sub(r.begun))
		}
	}
	return b.String()
}

func roles(rec reconcile.Record) map[string]reconcile.Placement {
	out := map[string]reconcile.Placement{}
	if rec.Stable != nil {
		out["stable"] = *rec.Stable
	}
	if rec.Candidate != nil {
		out["candidate"] = rec.Candidate.Placement
	}
	if rec.Standby != nil {
		out["standby"] = rec.Standby.Placement
	}
	return out
}

// saved passes a stored decision to the book.
func (r *run) saved(app spec.Name, before reconcile.State, d reconcile.Decision) {
	for _, e := range d.Events {
		r.log("%s %s: %s", e.App, e.Reason, e.Message)
	}
	r.cover(app, before, d)
	if before.Record.Phase != d.Record.Phase {
		r.log("%s is %s", app, d.Record.Phase.Words())
	}
	r.book.saved(app, before, d)
}

// performed logs what came of a step.
func (r *run) performed(s reconcile.Step, out reconcile.Outcome) {
	r.effects++
	r.book.crowd(s)
	r.saw("step", string(s.Kind))
	if out.Failure != nil {
		r.log("%s: %s → %s", s.App, s, out.Failure)
		return
	}
	r.log("%s: %s", s.App, s)
}
