package sim

import (
	"slices"
	"strings"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// settle calms the world down and checks that everything comes to an end.
func (r *run) settle() {
	r.calm = true
	r.process.fuse = -1
	r.log("calm")
	r.wish.offer()
	r.apart()
	r.advance(45*time.Minute + r.behind)
	r.ended()
	if r.bad != "" {
		return
	}
	r.log("last wish")
	for name, s := range r.wish.services {
		s.Container.Image = "app:good1"
		s.Container.Environment = map[string]string{"LAST": name}
		if s.Rollout != nil {
			s.Rollout.Active, s.Rollout.Promotion = spec.ActiveAuto, spec.Promotion{Mode: spec.PromotionAuto}
			s.Rollout.Retry += "z"
		}
	}
	r.wish.dirty, r.wish.prune = true, true
	r.wish.offer()
	if r.wish.dirty {
		r.fail(World, "the last wish was refused")
	}
	r.advance(25*time.Minute + r.behind)
	r.fulfilled()
	r.moved()
	r.still()
}

// ended: L2 the newest generation was dealt with, L5 and L6 nothing hangs.
func (r *run) ended() {
	for _, app := range r.apps() {
		state := r.book.state(app)
		rec := state.Record
		r.checked(L2, L5, L6, S14)
		if rec.Generation != state.Desired.Generation && !state.Desired.Pruned {
			r.fail(L2, "generation %d of %s was never dealt with, observed is %d", state.Desired.Generation, app, rec.Generation)
		}
		waits := rec.Phase == reconcile.Staged && rec.Candidate.Pinned || rec.Phase == reconcile.Preparing && len(state.Desired.Service.DependsOn) > 0
		if rec.Phase != reconcile.Idle && !waits {
			r.fail(ending(rec.Phase), "%s of %s did not end", rec.Phase, app)
		}
		if n := len(state.Commands); n > 0 {
			r.fail(S14, "%d commands to %s were never answered", n, app)
		}
		r.servesBest(app, state)
	}
}

// ending is the rule that a phase ends by: L6 is about going back.
func ending(p reconcile.Phase) rule {
	if p == reconcile.Aborting || p == reconcile.Superseding {
		return L6
	}
	return L5
}

// servesBest: L3 if something of stable is healthy, the proxy serves it.
func (r *run) servesBest(app spec.Name, state reconcile.State) {
	rec := state.Record
	if state.Desired.Service.Rollout == nil || rec.Stable == nil || state.Desired.Pruned {
		return
	}
	// A stable that was found by its labels has its digest for a reference.
	if b := images[strings.TrimPrefix(rec.Stable.Revision.Image.Ref, "sha256:")].Behaviour; b.Exits > 0 || b.Breaks > 0 {
		return // well now, ill a moment later
	}
	r.checked(L3)
	x, ok := live(r.proxy.Look().Table, app)
	for _, c := range r.engine.Look(app).Containers {
		if c.Colour == rec.Stable.Colour && c.Revision == rec.Stable.Revision.ID && r.engine.Passed(c.Address, 0) && (!ok || !is(x, rec.Stable)) {
			r.fail(L3, "stable %s of %s is healthy, and the proxy serves %s %.8s", c.Name, app, x.Colour, x.Revision)
		}
	}
}

func (r *run) apps() []spec.Name {
	apps, err := r.store.Apps()
	if err != nil {
		r.fail(World, "list apps: %v", err)
	}
	return apps
}

// fulfilled: L4 and L7, every field of the world is what the last wish says.
func (r *run) fulfilled() {
	for _, app := range r.apps() {
		r.checked(L7)
		s := r.wish.services[app.Service]
		switch {
		case s == nil:
			r.fail(L7, "%s was pruned and is still known", app)
		case s.Rollout == nil && len(s.Adopt) > 0:
			r.untouched(*s)
		default:
			r.compare(*s)
		}
	}
	for _, route := range r.proxy.Look().Table.Routes {
		// What a lost store knew and the file does not name is left alone.
		if r.wish.services[route.App.Service] == nil && !r.lost {
			r.fail(L7, "the route of %s is left over", route.App)
		}
	}
}

// compare looks at one app.
func (r *run) compare(s spec.Service) {
	state := r.book.state(s.Name)
	rec := state.Record
	r.checked(L2, L4, L7)
	switch {
	case rec.Phase != reconcile.Idle || rec.Candidate != nil || rec.Hold != nil || rec.Override != nil || rec.Backoff != nil || rec.Degraded != "":
		r.fail(L4, "%s is not settled: %s, hold %v, override %v, backoff %v, degraded %q", s.Name, rec.Phase.Words(), rec.Hold, rec.Override, rec.Backoff, rec.Degraded)
		return
	case rec.Stable == nil || rec.Stable.Revision.Image.Ref != s.Container.Image || rec.Stable.Revision.Container.Environment["LAST"] != s.Name.Service:
		r.fail(L4, "stable of %s is %+v", s.Name, rec.Stable)
		return
	case rec.Generation != state.Desired.Generation:
		r.fail(L2, "generation %d of %s was never dealt with", state.Desired.Generation, s.Name)
	}
	r.containers(s, rec)
	if s.Rollout != nil {
		r.route(s, rec)
	}
}

// containers: exactly the replicas of stable, and of standby in its window.
func (r *run) containers(s spec.Service, rec reconcile.Record) {
	seen := r.engine.Look(s.Name)
	count := map[spec.Colour]int{}
	for _, c := range seen.Containers {
		count[c.Colour]++
		owned := c.Colour == rec.Stable.Colour && c.Revision == rec.Stable.Revision.ID ||
			rec.Standby != nil && c.Colour == rec.Standby.Colour && c.Revision == rec.Standby.Revision.ID
		if !owned || c.State == reconcile.Removing || c.State == reconcile.Created {
			r.fail(L7, "%s (%s) is left over", c.Name, c.State)
		}
		if c.Colour == rec.Stable.Colour {
			r.sits(s, c)
		}
		if c.Colour == rec.Stable.Colour && c.State != reconcile.Running {
			r.fail(L4, "%s is %s", c.Name, c.State)
		}
	}
	if count[rec.Stable.Colour] != s.Replicas {
		r.fail(L4, "%d replicas of %s, wanted %d", count[rec.Stable.Colour], s.Name, s.Replicas)
	}
	if rec.Standby != nil && !rec.Standby.Until.IsZero() && time.Now().After(rec.Standby.Until) {
		r.fail(L7, "the standby of %s outlived its window", s.Name)
	}
	if seen.Test != nil {
		r.fail(L7, "the test of %s is left over", s.Name)
	}
}

// untouched: S12 of a dependency that was there before Teal.
func (r *run) untouched(s spec.Service) {
	rec := r.book.state(s.Name).Record
	r.checked(S12)
	if rec.Phase != reconcile.Idle || rec.Stable == nil || !rec.Stable.Adopted {
		r.fail(S12, "%s is %s, stable %+v", s.Name, rec.Phase.Words(), rec.Stable)
	}
}

// route: all traffic to all of stable's replicas, and to nothing else.
func (r *run) route(s spec.Service, rec reconcile.Record) {
	r.checked(L3, L4)
	route := r.proxy.Look().Served(s.Name).Route
	if route == nil {
		r.fail(L3, "%s is not served", s.Name)
		return
	}
	x, _ := live(r.proxy.Look().Table, s.Name)
	var addresses []string
	for _, c := range r.engine.Look(s.Name).Containers {
		if c.Colour == rec.Stable.Colour {
			addresses = append(addresses, c.Address)
		}
	}
	slices.Sort(addresses)
	switch want := s.Rollout.Route; {
	case !is(x, rec.Stable) || x.Weight != 100 || len(route.Backends) != 1:
		r.fail(L3, "%s is served by %+v", s.Name, route.Backends)
	case !slices.Equal(x.Targets, addresses):
		r.fail(L3, "%s is served by %v, its replicas are %v", s.Name, x.Targets, addresses)
	case route.Host != want.Host || route.Path != want.Path || route.Drain != s.Rollout.Drain || route.Preview.Colour != "":
		r.fail(L4, "the route of %s is %+v, wanted %+v", s.Name, route, want)
	}
}

// still: S17 and L1, a settled world is left alone.
func (r *run) still() {
	writes, effects, seq := r.store.Writes(), r.effects, r.proxy.Look().Table.Seq
	if !r.lost { // else a new life tells of the orphans anew
		r.begin()
	}
	r.advance(3 * time.Minute)
	r.checked(S17, L1)
	if r.store.Writes() != writes || r.effects != effects || r.proxy.Look().Table.Seq != seq {
		r.fail(S17, "a settled world saw %d writes, %d effects, table %d → %d",
			r.store.Writes()-writes, r.effects-effects, seq, r.proxy.Look().Table.Seq)
	}
}
