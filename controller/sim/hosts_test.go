package sim

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// hostGoes takes a host away: its engine, and by chance what runs there, too.
func (r *run) hostGoes() {
	if len(r.hosts) == 0 || len(r.gone) == len(r.hosts) {
		return
	}
	host := r.hosts[r.rng.IntN(len(r.hosts))]
	dark := r.chance(2)
	r.log("host %s is away, dark=%t", host, dark)
	r.gone[host] = true
	r.engine.AwayHost(host, true)
	r.engine.DarkHost(host, dark)
	if r.chance(4) {
		r.log("controller restarts")
		r.begin()
	}
	if r.chance(3) {
		r.advance(time.Duration(r.rng.IntN(20)) * time.Minute)
	}
}

// hostReturns brings one back, with what it has.
func (r *run) hostReturns() {
	for _, host := range r.hosts {
		if r.gone[host] {
			r.back(host)
			return
		}
	}
}

func (r *run) back(host string) {
	r.log("host %s is back", host)
	delete(r.gone, host)
	r.engine.AwayHost(host, false)
	r.engine.DarkHost(host, false)
	r.ctl.HostAnswered(host, nil)
	if r.chance(2) {
		for _, app := range r.apps() {
			r.due[app] = time.Now()
		}
	}
}

// killAdopted ends what was there before Teal.
func (r *run) killAdopted() {
	for _, name := range r.engine.Names() {
		if strings.HasSuffix(name, "was-web") {
			r.log("by hand: %s", name)
			r.engine.Kill(name, false)
			return
		}
	}
}

// place puts services on other hosts, or in another order.
func (w *wish) place() {
	s := w.some()
	if s == nil || len(w.r.hosts) == 0 {
		return
	}
	w.dirty = true
	w.spread(s)
}

// spread draws the hosts of a service.
func (w *wish) spread(s *spec.Service) {
	hosts := slices.Clone(w.r.hosts)
	w.r.rng.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
	if s.Hosts = hosts[:1+w.r.rng.IntN(len(hosts))]; s.Rollout == nil {
		s.Hosts = hosts[:1]
	}
	for _, a := range s.Adopt {
		if !slices.Contains(s.Hosts, a.Host) {
			s.Hosts = append(s.Hosts, a.Host)
		}
	}
}

// settleIn gives a new service its hosts and what was there before.
func (w *wish) settleIn(s *spec.Service) {
	if w.r.shape.hosts() {
		w.spread(s)
	}
	port := 20000
	if s.Name.Service == "api" {
		port = 21000
	}
	if w.r.shape.hosts() && s.Rollout != nil && w.r.chance(2) {
		s.Container.Publish = &spec.Publish{Blue: spec.PortRange{From: port, To: port + 9}, Green: spec.PortRange{From: port + 10, To: port + 19}}
	}
	name := "was-" + s.Name.Service
	if !w.r.shape.adopts() || s.Name.Service == "api" || slices.ContainsFunc(w.r.engine.Names(), func(n string) bool { return strings.HasSuffix(n, name) }) {
		return
	}
	a := spec.Adopted{Container: name}
	if len(s.Hosts) > 0 {
		a.Host = s.Hosts[w.r.rng.IntN(len(s.Hosts))]
	}
	if s.Rollout != nil {
		a.Colour, a.Address = []spec.Colour{spec.Blue, spec.Green}[w.r.rng.IntN(2)], "10.99.0.1:8080"
	} else if w.r.chance(2) {
		return
	}
	w.r.engine.Before(a.Host, name, a.Address, images["app:good1"].Behaviour)
	s.Adopt = []spec.Adopted{a}
}

// sits: every replica is on its place.
func (r *run) sits(s spec.Service, c reconcile.Container) {
	if len(r.hosts) == 0 {
		return
	}
	if want := s.Hosts[(c.Replica-1)%len(s.Hosts)]; c.Host != want {
		r.fail(L4, "%s is on %s, its place is on %s", c.Name, c.Host, want)
	}
}

// apart lets the world calm down with one host away, and checks that nothing
// hangs for that.
func (r *run) apart() {
	if len(r.hosts) == 0 {
		return
	}
	for _, host := range slices.Sorted(maps.Keys(r.gone)) {
		r.back(host)
	}
	host := r.hosts[r.rng.IntN(len(r.hosts))]
	r.log("calm, without host %s", host)
	r.gone[host] = true
	r.engine.AwayHost(host, true)
	r.engine.DarkHost(host, r.chance(2))
	r.advance(45*time.Minute + r.behind)
	for _, app := range r.apps() {
		state := r.book.state(app)
		if seen, err := r.engine.Observe(context.Background(), app, reconcile.Look{Hosts: state.Desired.Service.Hosts}); err != nil || state.Desired.Service.Rollout == nil {
			continue // nothing at all is seen of it, or nothing is done about it
		} else if len(seen.Away) > 0 && state.Desired.Pruned {
			continue
		}
		rec := state.Record
		r.checked(L5, L6)
		waits := rec.Phase == reconcile.Preparing || rec.Phase == reconcile.Staged && rec.Candidate.Pinned
		if rec.Phase != reconcile.Idle && !waits {
			r.fail(ending(rec.Phase), "%s of %s did not end with host %s away", rec.Phase, app, host)
		}
	}
	r.back(host)
}

// moved puts everything elsewhere, without another change, and wants to see it
// there.
func (r *run) moved() {
	if len(r.hosts) == 0 || r.bad != "" {
		return
	}
	r.log("all move")
	for _, name := range slices.Sorted(maps.Keys(r.wish.services)) {
		r.wish.spread(r.wish.services[name])
	}
	r.wish.dirty = true
	r.wish.offer()
	r.advance(45 * time.Minute)
	r.fulfilled()
}
