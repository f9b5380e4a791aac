package sim

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"teal/controller/api"
	"teal/reconcile"
	"teal/spec"
)

// chaos is what happens to the world, by weight.
func (r *run) chaos() {
	type act struct {
		weight int
		what   string
		do     func()
	}
	acts := []act{
		{30, "edit", r.wish.edit},
		{10, "command", r.command},
		{20, "a kill is planned", func() { r.process.fuse = r.rng.IntN(14) }},
		{8, "container killed by hand", r.killContainer},
		{5, "proxy restarts", func() { n := 1 + r.rng.IntN(3); r.log("proxy restarts %d changes ago", n); r.proxy.Restart(n) }},
		{5, "proxy away", func() { r.away("proxy", r.proxy.Away) }},
		{5, "engine away", func() { r.away("engine", r.engine.Away) }},
		{4, "controller restarts", func() { r.log("controller restarts"); r.begin() }},
		{3, "controller down", r.down},
		{3, "images pruned", func() { r.log("images pruned"); r.engine.Prune() }},
		{2, "invalid input", r.badApply},
		{3, "clock set", r.setClock},
		{1, "store lost", r.loseStore},
	}
	if r.shape != plain {
		acts = append(acts, act{12, "host away", r.hostGoes}, act{12, "host back", r.hostReturns}, act{6, "placed elsewhere", r.wish.place}, act{3, "adopted killed", r.killAdopted})
	}
	sum := 0
	for _, a := range acts {
		sum += a.weight
	}
	n := r.rng.IntN(sum)
	for _, a := range acts {
		if n -= a.weight; n < 0 {
			r.saw("world:", a.what)
			a.do()
			return
		}
	}
}

// away takes a side away for a while.
func (r *run) away(what string, set func(bool)) {
	d := time.Duration(1+r.rng.IntN(60)) * time.Second
	r.log("%s away for %s", what, d)
	set(true)
	r.advance(d)
	set(false)
	r.log("%s is back", what)
}

// killContainer crashes or removes a container by hand.
func (r *run) killContainer() {
	names := slices.DeleteFunc(r.engine.Names(), func(n string) bool { return !strings.HasPrefix(n[strings.IndexByte(n, '/')+1:], "p-") })
	if len(names) == 0 {
		return
	}
	name, remove := names[r.rng.IntN(len(names))], r.chance(2)
	r.log("by hand: %s removed=%t", name, remove)
	r.engine.Kill(name, remove)
}

// down is a controller that does not run for a while.
func (r *run) down() {
	d := time.Duration(1+r.rng.IntN(90)) * time.Minute
	r.log("controller down for %s", d)
	time.Sleep(d)
	r.begin()
}

// setClock sets the clocks of all machines back or forward, by up to an hour.
func (r *run) setClock() {
	d := time.Duration(r.rng.IntN(7200)-3600) * time.Second
	r.log("clock set back by %s", d)
	if d > 0 {
		r.behind += d
		r.saw("clock set back")
	} else {
		r.saw("clock set forward")
	}
	r.prober.SetClockBack(d)
	r.engine.SetClockBack(d)
	if err := r.store.SetClockBack(d); err != nil {
		r.fail(World, "set the clock: %v", err)
	}
	for address, l := range r.book.lost {
		l.at = l.at.Add(d)
		r.book.lost[address] = l
	}
	for app, at := range r.due {
		r.due[app] = at.Add(d) // a full look comes earlier, if it is late then
	}
}

// badApply offers what must be refused and must change nothing.
func (r *run) badApply() {
	writes, effects := r.store.Writes(), r.effects
	p := r.wish.project()
	switch r.rng.IntN(3) {
	case 0:
		p.Services = nil
	case 1:
		p.Services[0].Replicas = -1
	default:
		p.Services[0].Container.Image = ""
	}
	r.checked(S16)
	_, err := r.ctl.Apply(context.Background(), api.ApplyRequest{Project: p, Prune: true})
	if err == nil {
		r.fail(S16, "invalid input was accepted")
	}
	if r.store.Writes() != writes || r.effects != effects {
		r.fail(S16, "invalid input had an effect")
	}
}

// loseStore deletes the database; the file is read again.
func (r *run) loseStore() {
	r.log("the store is lost")
	r.store.Lose()
	r.lost = true
	r.book.forget()
	r.wish.dirty = true
	r.due = map[spec.Name]time.Time{}
	r.begin()
}

// command sends an operator's word, often about something that is over.
func (r *run) command() {
	s := r.wish.some()
	if s == nil {
		return
	}
	r.windows.admit(s.Name)
	if r.chance(2) {
		r.fitting(s.Name)
		return
	}
	verb := []reconcile.Verb{reconcile.VerbPromote, reconcile.VerbPromote, reconcile.VerbAbort, reconcile.VerbUndo, reconcile.VerbRetry}[r.rng.IntN(5)]
	r.send(s.Name, verb, r.meant(s.Name))
}

// fitting sends what can be done now, and means the present rollout.
func (r *run) fitting(app spec.Name) {
	rec := r.book.state(app).Record
	switch verbs := []reconcile.Verb{reconcile.VerbUndo, reconcile.VerbRetry}; rec.Phase {
	case reconcile.Idle:
		r.send(app, verbs[r.rng.IntN(2)], "")
	case reconcile.Staged:
		verbs[0], verbs[1] = reconcile.VerbPromote, reconcile.VerbAbort
		r.send(app, verbs[r.rng.IntN(2)], rec.Candidate.Rollout)
	case reconcile.Preparing, reconcile.Starting, reconcile.Verifying, reconcile.Switching, reconcile.Confirming,
		reconcile.Aborting, reconcile.Superseding:
		r.send(app, reconcile.VerbAbort, rec.Candidate.Rollout)
	}
}

// meant is the rollout a command names: the present one, none, or another.
func (r *run) meant(app spec.Name) string {
	state, _, err := r.store.Load(app)
	if err != nil || state.Record.Candidate == nil || r.chance(5) {
		return []string{"", "r-1"}[r.rng.IntN(2)]
	}
	return state.Record.Candidate.Rollout
}

func (r *run) send(app spec.Name, verb reconcile.Verb, rollout string) {
	r.wish.tokens++
	req := api.CommandRequest{Token: fmt.Sprint("t", r.wish.tokens), Verb: verb, Rollout: rollout, By: "sim"}
	for range 1 + r.rng.IntN(2) { // an operator's client may repeat itself
		result, err := r.ctl.Command(context.Background(), app, req)
		r.log("command %s %s %s: %v %v", verb, app, rollout, result.State, err)
	}
	r.due[app] = time.Now()
}
