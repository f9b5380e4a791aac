package reconcile_test

import (
	"slices"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

// look brings containers and probes up to the present time.
func (h *host) look(now time.Time, rec Record) {
	h.boxes = slices.DeleteFunc(h.boxes, func(b *box) bool {
		r := h.runs[b.Image]
		return r.vanish && now.Sub(b.StartedAt) >= r.start
	})
	for _, b := range h.boxes {
		b.live(h.runs[b.Image], now)
	}
	if h.test != nil && h.testExit >= 0 && now.Sub(h.test.StartedAt) >= time.Second {
		h.test.State, h.test.ExitCode = Exited, h.testExit
	}
	targets := map[string]ProbeTarget{}
	for _, p := range Probes(rec, h.world()) {
		targets[p.Container] = p
	}
	for _, b := range h.boxes {
		p, ok := targets[b.ID]
		b.probe(h.runs[b.Image], p, ok, now)
	}
}

// live is what the engine would show of b.
func (b *box) live(r behaviour, now time.Time) {
	if b.State != Running && b.State != Restarting {
		return
	}
	up := now.Sub(b.StartedAt)
	switch {
	case r.ends && up >= r.start:
		b.State, b.ExitCode = Exited, r.code
	case r.loops:
		b.State, b.ExitCode, b.Restarts = Restarting, r.code, int(now.Sub(b.begun)/time.Second)
		if r.again {
			b.State, b.ExitCode = Running, 0
		}
	default:
		b.State = Running
	}
	if b.good.IsZero() {
		b.good = b.StartedAt.Add(r.start)
	}
	if b.wish.Healthcheck == nil {
		return
	}
	switch {
	case r.sick || !b.bad.IsZero():
		b.Health = HealthUnhealthy
	case now.Before(b.good):
		b.Health = HealthStarting
	default:
		b.Health = HealthHealthy
	}
}

// probe counts what probes at p's interval would have found since the last look.
func (b *box) probe(r behaviour, p ProbeTarget, wanted bool, now time.Time) {
	if !wanted {
		b.probed, b.Probe = time.Time{}, Probe{}
		return
	}
	if b.probed.IsZero() {
		b.probed, b.Probe = now, Probe{}
	}
	b.probed = latest(b.probed, now.Add(-100*p.Interval)) // as good as all of them
	for at := b.probed.Add(p.Interval); !at.After(now); at = at.Add(p.Interval) {
		b.probed = at
		b.Probe.Attempts++
		switch word := b.answer(r, at); {
		case word != "200":
			b.Probe.Successes, b.Probe.Since, b.Probe.Failures, b.Probe.Words = 0, time.Time{}, b.Probe.Failures+1, "GET / → "+word
		case b.Probe.Successes == 0:
			b.Probe.Since = at
			fallthrough
		default:
			b.Probe.Successes, b.Probe.Failures, b.Probe.Words = b.Probe.Successes+1, 0, "GET / → 200"
		}
	}
}

// answer is what a probe at the given time gets.
func (b *box) answer(r behaviour, at time.Time) string {
	switch {
	case r.sick:
		return "503"
	case !b.bad.IsZero() && !at.Before(b.bad):
		return "500"
	case at.Before(b.good):
		return "connection refused"
	}
	return "200"
}

// restless reports whether probes are about to turn: their turning is an event.
func (h *host) restless(now time.Time) bool {
	return slices.ContainsFunc(h.boxes, func(b *box) bool {
		r := h.runs[b.Image]
		turns := b.Probe.Failures < 3
		if b.answer(r, now) == "200" {
			turns = b.Probe.Successes < 3
		}
		return b.State == Running && !b.probed.IsZero() && (turns || b.good.After(now) && !r.sick)
	})
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// forgetProbes lets probing begin anew, as after a restart of Teal.
func (h *host) forgetProbes() {
	for _, b := range h.boxes {
		b.probed, b.Probe = time.Time{}, Probe{}
	}
}

// world is what a pass observes.
func (h *host) world() World {
	w := World{Served: Served{Known: !h.down}, Dependencies: h.deps}
	if h.away != "" {
		w.Away = []AwayHost{{Host: h.away, Words: "no route to host"}}
	}
	for _, b := range h.boxes {
		c := b.Container
		if c.Lost = c.Host != "" && c.Host == h.away; !c.Lost || !h.forgotten {
			w.Containers = append(w.Containers, c)
		}
	}
	if h.test != nil {
		c := h.test.Container
		w.Test = &c
	}
	if !h.down {
		w.Served.Route, w.Served.Traffic = cloned(h.route), slices.Clone(h.traffic)
	}
	return w
}

// settleRoute notes which containers the proxy lists.
func (h *host) settleRoute(now time.Time) {
	for _, b := range h.boxes {
		lists := h.route != nil && slices.ContainsFunc(h.route.Backends, func(k Backend) bool {
			return k.Colour == b.Colour && k.Revision == b.Revision && slices.Contains(k.Targets, b.Address)
		})
		if lists {
			b.listed, b.unlisted = true, time.Time{}
		} else if b.unlisted.IsZero() {
			b.unlisted = now
		}
	}
}

// live is the backend that gets all traffic.
func (h *host) live() *Backend {
	if h.route == nil {
		return nil
	}
	for i := range h.route.Backends {
		if h.route.Backends[i].Weight == 100 {
			return &h.route.Backends[i]
		}
	}
	return nil
}

// count sets what the proxy counted for an image.
func (h *host) count(image string, change func(*Traffic)) {
	b := h.all(image)[0]
	for i := range h.traffic {
		if x := &h.traffic[i]; x.Colour == b.Colour && x.Revision == b.Revision {
			change(x)
			return
		}
	}
	x := Traffic{Colour: b.Colour, Revision: b.Revision}
	change(&x)
	h.traffic = append(h.traffic, x)
}

// breaks makes an image's containers answer badly from now on, and the probes
// have noticed.
func (s *scenario) breaks(image string) {
	for _, b := range s.host.all(image) {
		b.breaks(s.now)
	}
}

func (b *box) breaks(now time.Time) {
	b.bad = now
	b.Probe = Probe{Attempts: b.Probe.Attempts + 3, Failures: 3, Words: "GET / → 500"}
}

// heals makes them answer well again.
func (s *scenario) heals(image string) {
	for _, b := range s.host.all(image) {
		b.good, b.bad = s.now, time.Time{}
	}
}

// stops stops them by hand.
func (s *scenario) stops(image string) {
	for _, b := range s.host.all(image) {
		b.State, b.ExitCode = Exited, 137
	}
}

// removes takes them away by hand.
func (s *scenario) removes(image string) {
	for _, b := range s.host.all(image) {
		s.host.remove(b.ID)
	}
}

// inFlight sets the open requests and upgraded connections of an image.
func (s *scenario) inFlight(image string, plain, upgraded int) {
	s.host.count(image, func(x *Traffic) { x.InFlight, x.Upgraded = plain, upgraded })
}

// Edits of the desired state.

func replicas(n int) edit { return func(v *spec.Service) { v.Replicas = n } }

func active(a spec.Active) edit { return func(v *spec.Service) { v.Rollout.Active = a } }

func promotion(p spec.Promotion) edit { return func(v *spec.Service) { v.Rollout.Promotion = p } }

// manual is a gate that waits a day for somebody.
func manual(then spec.OnTimeout) edit {
	return promotion(spec.Promotion{Mode: spec.PromotionManual, Timeout: day, OnTimeout: then})
}

func bake(n int) edit {
	return func(v *spec.Service) {
		v.Rollout.Bake = spec.Bake{For: seconds(n), MaxFailed: 0.05, MinRequests: 20}
	}
}

func standby(st spec.Standby) edit { return func(v *spec.Service) { v.Rollout.Standby = st } }

func tested(limit spec.Duration) edit {
	return func(v *spec.Service) {
		v.Rollout.Test = &spec.Test{Command: []string{"/app", "smoke"}, Timeout: limit}
	}
}
