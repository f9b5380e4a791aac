package sim

import (
	"slices"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// slot is one revision on one colour of one app.
type slot struct {
	app    spec.Name
	colour spec.Colour
	rev    string
}

// book is the simulation's own bookkeeping, from which it judges every effect.
type book struct {
	r        *run
	lost     map[string]loss             // when an address last lost its traffic by a table of ours
	tables   int                         // that the proxy took
	read     int                         // of them, when it was last read
	drain    map[spec.Name]time.Duration // the shortest drain ever wished for
	answered map[string]bool
	promoted map[string]bool // app and rollout
}

// loss is when a container lost its traffic, by the clock that is set now and then
// and truly, and by which table.
type loss struct {
	at, truly time.Time
	table     int
}

func newBook(r *run) *book {
	b := &book{r: r, drain: map[spec.Name]time.Duration{}}
	b.forget()
	return b
}

// forget follows a lost store.
func (b *book) forget() {
	b.lost, b.answered, b.promoted = map[string]loss{}, map[string]bool{}, map[string]bool{}
}

func (b *book) drains(app spec.Name, d time.Duration) {
	if had, ok := b.drain[app]; !ok || d < had {
		b.drain[app] = d
	}
}

// record is what is stored of an app now.
func (b *book) state(app spec.Name) reconcile.State {
	state, _, err := b.r.store.Load(app)
	if err != nil {
		b.r.fail(World, "load: %v", err)
	}
	return state
}

// live is the backend with weight in a table.
func live(t reconcile.Table, app spec.Name) (reconcile.Backend, bool) {
	for _, r := range t.Routes {
		for _, x := range r.Backends {
			if r.App == app && x.Weight > 0 {
				return x, true
			}
		}
	}
	return reconcile.Backend{}, false
}

func is(x reconcile.Backend, p *reconcile.Placement) bool {
	return p != nil && x.Colour == p.Colour && x.Revision == p.Revision.ID
}

// did judges an effect of the engine, at the moment it happens.
func (b *book) did(s reconcile.Step, c reconcile.Container) {
	switch s.Kind {
	case reconcile.StepEnsure:
		b.started(s, c)
	case reconcile.StepStop, reconcile.StepRemove:
		b.ended(s, c)
	case reconcile.StepResolve, reconcile.StepPull, reconcile.StepRoute, reconcile.StepUnroute, reconcile.StepTest, reconcile.StepEvidence:
	}
}

// started: S5 no held revision, S8 nothing behind a route that has traffic.
func (b *book) started(s reconcile.Step, c reconcile.Container) {
	state := b.state(s.App)
	b.r.checked(S5, S8)
	hold := state.Record.Hold
	if hold != nil && hold.Generation == state.Desired.Generation && hold.Revision == c.Revision && !excused(state.Record, c) {
		b.r.fail(S5, "held revision %.8s of %s was started", c.Revision, s.App)
	}
	if x, ok := live(b.r.proxy.Look().Table, s.App); ok && c.Colour != "" && x.Colour == c.Colour && x.Revision != c.Revision {
		b.r.fail(S8, "%s was created behind the route of %.8s", c.Name, x.Revision)
	}
}

// excused: stable may be repaired although its generation is held, and undo may
// take a held revision back.
func excused(rec reconcile.Record, c reconcile.Container) bool {
	if rec.Stable != nil && rec.Stable.Revision.ID == c.Revision {
		return true
	}
	return rec.Candidate != nil && rec.Candidate.Revision.ID == c.Revision && rec.Candidate.Trigger == reconcile.TriggerUndo
}

// ended: S1 and S10 nothing that serves or has requests in flight, S7 no
// standby before its time.
func (b *book) ended(s reconcile.Step, c reconcile.Container) {
	if c.Foreign {
		b.stopped(s, c)
	}
	if c.Colour == "" || c.State != reconcile.Running {
		return
	}
	b.r.checked(S1, S7)
	snapshot := b.r.proxy.Look()
	if x, ok := live(snapshot.Table, s.App); ok && slices.Contains(x.Targets, c.Address) {
		b.r.fail(S1, "%s was ended while the proxy sends it requests", c.Name)
	}
	b.r.checked(S10)
	lost := b.lost[c.Address]
	if b.read < lost.table {
		b.r.fail(S10, "%s was ended before the proxy was asked whether it serves it", c.Name)
	}
	for _, t := range snapshot.Served(s.App).Traffic {
		since := max(time.Since(lost.at), time.Since(lost.truly))
		if t.Colour == c.Colour && t.Revision == c.Revision && t.InFlight > 0 && since < b.drain[s.App] {
			b.r.fail(S1, "%s was ended with requests in flight, %s after it lost its traffic", c.Name, since)
		}
	}
	state := b.state(s.App)
	if by := state.Record.Standby; by != nil && c.Colour == by.Colour && c.Revision == by.Revision.ID && c.Replica <= state.Desired.Service.Replicas &&
		!state.Desired.Pruned && !apart(state.Desired.Service, c) && (by.Until.IsZero() || time.Now().Before(by.Until)) {
		b.r.fail(S7, "standby %s was ended before its time", c.Name)
	}
}

// apart reports whether c is not on its place: the one that is may do for it.
func apart(s spec.Service, c reconcile.Container) bool {
	return len(s.Hosts) > 0 && c.Host != s.Hosts[(c.Replica-1)%len(s.Hosts)]
}

// stopped: S12 what was there before Teal is only ever stopped, and of an app,
// and when it stands for nothing any more.
func (b *book) stopped(s reconcile.Step, c reconcile.Container) {
	b.r.checked(S12)
	rec := b.state(s.App).Record
	owns := func(p *reconcile.Placement) bool {
		return p != nil && p.Colour == c.Colour && p.Revision.ID == c.Revision
	}
	switch {
	case s.Kind != reconcile.StepStop || c.Colour == "":
		b.r.fail(S12, "%s %s", s.Kind, c.Name)
	case owns(rec.Stable):
		b.r.fail(S12, "%s was stopped while it is stable", c.Name)
	case rec.Stable == nil && rec.Candidate == nil:
		b.r.fail(S12, "%s was stopped before anything replaced it", c.Name)
	}
}

// applied judges a table, at the moment the proxy takes it.
func (b *book) applied(before, after reconcile.Table) {
	b.tables++
	for _, route := range after.Routes {
		old, had := live(before, route.App)
		now, _ := live(after, route.App)
		b.targets(route, before)
		state := b.state(route.App)
		if !had || old.Colour != now.Colour || old.Revision != now.Revision {
			b.switched(route.App, state, now)
		}
		b.weights(route)
		if p := state.Record.Phase; (p == reconcile.Aborting || p == reconcile.Superseding) && state.Record.Candidate != nil {
			b.r.checked(S15)
			if c := &state.Record.Candidate.Placement; is(now, c) && !is(old, c) {
				b.r.fail(S15, "going back gave %s traffic", now.Colour)
			}
		}
	}
	for _, route := range before.Routes {
		old, _ := live(before, route.App)
		now, _ := live(after, route.App)
		for _, address := range old.Targets {
			if !slices.Contains(now.Targets, address) {
				b.lost[address] = loss{time.Now(), time.Now(), b.tables}
			}
		}
	}
}

// targets: S2 only what passes its probes now; what was there may stay. Probes
// see a break late.
func (b *book) targets(route reconcile.Route, before reconcile.Table) {
	const late = 5 * time.Second
	b.r.checked(S2)
	for _, x := range route.Backends {
		for _, address := range x.Targets {
			if !listed(before, route.App, address) && !b.r.engine.Passed(address, late) {
				b.r.fail(S2, "%s was routed to %s, which is not ready", route.App, address)
			}
		}
	}
}

// weights: S9 they sum to 100, and the candidate's goes up by one step of its
// plan, which blue/green has only one of: from nothing to all.
func (b *book) weights(route reconcile.Route) {
	b.r.checked(S9)
	sum := 0
	for _, x := range route.Backends {
		sum += x.Weight
		if x.Weight != 0 && x.Weight != 100 {
			b.r.fail(S9, "%s of %s has weight %d", x.Colour, route.App, x.Weight)
		}
	}
	if sum != 100 {
		b.r.fail(S9, "the weights of %s sum to %d", route.App, sum)
	}
}

func listed(t reconcile.Table, app spec.Name, address string) bool {
	for _, r := range t.Routes {
		for _, x := range r.Backends {
			if r.App == app && slices.Contains(x.Targets, address) {
				return true
			}
		}
	}
	return false
}

// switched: S6 traffic only for stable, or for a verified candidate in its
// switch.
func (b *book) switched(app spec.Name, state reconcile.State, now reconcile.Backend) {
	rec := state.Record
	b.r.checked(S6)
	if is(now, rec.Stable) {
		return
	}
	c := rec.Candidate
	if c == nil || !is(now, &c.Placement) {
		b.r.fail(S6, "%s %.8s got the traffic of %s and is neither stable nor candidate", now.Colour, now.Revision, app)
		return
	}
	switch {
	case rec.Phase != reconcile.Switching:
		b.r.fail(S6, "the candidate of %s got traffic in %s", app, rec.Phase.Words())
	case c.Verified.IsZero():
		b.r.fail(S6, "the candidate of %s got traffic before it was verified", app)
	case c.Pinned:
		b.r.fail(S6, "the pinned candidate of %s got traffic", app)
	}
}

// begins reports whether a step is about a candidate: a host that is back may
// have brought more revisions, which are removed before one is made.
func (b *book) begins(s reconcile.Step) bool {
	c := b.state(s.App).Record.Candidate
	return s.Kind == reconcile.StepEnsure && c != nil && c.Revision.ID == s.Ensure.Revision.ID && c.Colour == s.Ensure.Colour
}

// crowd: S4 at most two revisions per app, and per colour no more than wished
// for of each; S12 strangers are there.
func (b *book) crowd(s reconcile.Step) {
	app := s.App
	b.r.checked(S4, S12)
	revisions, count := map[string]bool{}, map[slot]int{}
	for _, c := range b.r.engine.Look(app).Containers {
		if c.State == reconcile.Removing {
			continue
		}
		if !b.r.gone[c.Host] {
			revisions[c.Revision] = true
		}
		count[slot{app, c.Colour, c.Revision + c.Host}]++
	}
	if len(revisions) > 2 && (len(b.r.hosts) == 0 || b.begins(s)) {
		b.r.fail(S4, "%d revisions of %s have containers", len(revisions), app)
	}
	for s, n := range count {
		if n > 3 {
			b.r.fail(S4, "%d containers of %s %.8s", n, s.colour, s.rev)
		}
	}
	for _, name := range b.r.strangers {
		if !slices.Contains(b.r.engine.Names(), name) {
			b.r.fail(S12, "a stranger's container %s was touched", name)
		}
	}
}
