package reconcile_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

// reporter is what a scenario says its findings to: a test or a property.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// scenario is one app, the host it runs on and a clock. Its verbs are what
// operators and the world do; between them it makes passes as the controller
// does, and holds every decision against the rules of safety.
type scenario struct {
	t        reporter
	now      time.Time
	desired  Desired
	record   Record
	host     *host
	commands []Command
	closed   *Closure
	tokens   int
	history  []Rollout
	events   []Event
	tape     []string // effects, in order
	last     Decision
	gone     bool
	// before is called ahead of every pass, with its number.
	before func(pass int)
	passed int
	// trace keeps every decision, for scenarios that are compared.
	trace []Decision
}

// row is a sentence and the scenario that shows it to be true.
type row struct {
	says string
	does func(*scenario)
}

// run shows each sentence for an app of which nothing exists yet.
func run(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.says, func(t *testing.T) { r.does(newApp(t)) })
	}
}

// edit is a change of the desired state.
type edit func(*spec.Service)

func newApp(t reporter) *scenario {
	return &scenario{
		t: t, now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), host: newHost(t),
		desired: Desired{Service: spec.Service{
			Name: spec.Name{Project: "shop", Service: "web"}, Replicas: 1,
			Container: spec.Container{Restart: "unless-stopped", StopGracePeriod: seconds(10)},
			Rollout: &spec.Rollout{
				Active: spec.ActiveAuto, Strategy: spec.BlueGreen,
				Promotion: spec.Promotion{Mode: spec.PromotionAuto},
				Route:     spec.Route{Host: "*", Path: "/", Port: 8080},
				Health: spec.Health{
					Kind: spec.HealthHTTP, Path: "/", Port: 8080, Interval: spec.Duration(100 * time.Millisecond),
					Successes: 3, Failures: 3, Restarts: 3, Deadline: seconds(60),
				},
				Drain:   spec.Drain{Requests: seconds(30), Upgraded: seconds(60)},
				Standby: spec.Standby{For: seconds(600)},
			},
		}},
	}
}

func newDependency(t reporter) *scenario {
	s := newApp(t)
	s.desired.Service.Name.Service, s.desired.Service.Rollout = "db", nil
	return s
}

func seconds(n int) spec.Duration { return spec.Duration(time.Duration(n) * time.Second) }

// wants accepts a new generation with another image and other edits.
func (s *scenario) wants(image string, edits ...edit) {
	s.edits(append([]edit{func(v *spec.Service) { v.Container.Image = image }}, edits...)...)
}

// edits accepts a new generation; without an edit it is the same wish again.
func (s *scenario) edits(edits ...edit) {
	if r := s.desired.Service.Rollout; r != nil {
		c := *r
		s.desired.Service.Rollout = &c
	}
	for _, e := range edits {
		e(&s.desired.Service)
	}
	s.desired.Generation++
	s.desired.Accepted = s.now
}

// runs brings an image to where it is stable and forgets how it came there.
func (s *scenario) runs(image string, edits ...edit) {
	s.t.Helper()
	s.wants(image, edits...)
	s.settles()
	if s.record.Stable == nil || s.record.Stable.Revision.Image.Ref != image {
		s.t.Fatalf("%s did not become stable: %+v", image, s.record)
	}
	s.forget()
}

// forget empties the tape and the list of events.
func (s *scenario) forget() { s.tape, s.events = nil, nil }

// input is what the next pass reads.
func (s *scenario) input() Input {
	return Input{
		Now: s.now, Record: s.record, Desired: s.desired, World: s.host.world(),
		Commands: s.commands, Closed: s.closed, Previous: s.previous(),
	}
}

// previous is the newest stable revision before the present one.
func (s *scenario) previous() *Placement {
	for _, h := range slices.Backward(s.history) {
		if h.Result == Succeeded && s.record.Stable != nil && h.Revision.ID != s.record.Stable.Revision.ID {
			return &Placement{Colour: h.Colour, Revision: h.Revision, Health: h.Health, Generation: h.Generation}
		}
	}
	return nil
}

// pass looks, decides, records and acts once. It reports whether anything moved.
func (s *scenario) pass() bool {
	s.t.Helper()
	if s.before != nil {
		s.before(s.passed)
	}
	s.passed++
	s.host.look(s.now, s.record)
	in := s.input()
	shown := dump(in)
	d := Next(in)
	if dump(in) != shown {
		s.t.Errorf("Next changed its input")
	}
	if !reflect.DeepEqual(d, Next(in)) {
		s.t.Errorf("Next does not give the same answer twice")
	}
	s.checkRules(in, d)
	s.last, s.commands, s.gone = d, nil, d.Gone
	s.trace = append(s.trace, d)
	s.history = append(s.history, d.History...)
	s.events = append(s.events, d.Events...)
	s.record = stored(d.Record)
	for _, step := range d.Steps {
		s.tape = append(s.tape, s.host.words(step))
		out := s.host.perform(step, s.now)
		rec, events := Note(s.record, step, out, s.now)
		s.record = stored(rec)
		s.events = append(s.events, events...)
	}
	s.host.settleRoute(s.now)
	return len(d.Steps) > 0 || dump(s.record) != dump(in.Record)
}

// stored is a record as it comes back from the store.
func stored(r Record) Record {
	var out Record
	if err := json.Unmarshal([]byte(dump(r)), &out); err != nil {
		panic(err)
	}
	return out
}

func dump(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// effectTakes is how long the clock stands for one pass with an effect.
const effectTakes = 10 * time.Millisecond

// settles makes passes until only time far away or an event can change anything.
func (s *scenario) settles() {
	s.t.Helper()
	s.until("all is quiet", func(moved bool) bool {
		at := s.again()
		return s.gone || !moved && (at.IsZero() || at.Sub(s.now) > 15*time.Second && s.record.Backoff == nil)
	})
}

// reaches makes passes until the rollout is in phase p.
func (s *scenario) reaches(p Phase) {
	s.t.Helper()
	s.until("phase "+p.Words(), func(bool) bool { return s.record.Phase == p })
}

func (s *scenario) until(what string, done func(moved bool) bool) {
	s.t.Helper()
	for range 5000 {
		moved := s.pass()
		switch {
		case done(moved):
			return
		case moved:
			s.now = s.now.Add(effectTakes)
		case s.again().IsZero():
			s.t.Fatalf("nothing goes on before %s: phase %s", what, s.record.Phase.Words())
			return
		default:
			s.now = s.again()
		}
	}
	s.t.Fatalf("never came to %s: phase %s, last effects %v", what, s.record.Phase.Words(), s.tape[max(0, len(s.tape)-9):])
}

// again is when the next pass is: when the last one said, or at an event.
func (s *scenario) again() time.Time {
	at := s.last.Again
	if tick := s.now.Add(time.Second); s.host.restless(s.now) && (at.IsZero() || tick.Before(at)) {
		return tick
	}
	return at
}

// passes lets d go by.
func (s *scenario) passes(d time.Duration) {
	s.t.Helper()
	end := s.now.Add(d)
	for s.now.Before(end) && !s.gone {
		if s.pass() {
			s.now = s.now.Add(effectTakes)
			continue
		}
		if at := s.again(); at.IsZero() || at.After(end) {
			s.now = end
		} else {
			s.now = at
		}
	}
	if !s.gone {
		s.pass()
	}
}

// tealWasAway stands for a restart of Teal after d: probing begins anew.
func (s *scenario) tealWasAway(d time.Duration) {
	s.now = s.now.Add(d)
	s.host.forgetProbes()
}

// command gives a command and returns the planner's answer.
func (s *scenario) command(v Verb) string {
	s.t.Helper()
	s.tokens++
	c := Command{Token: fmt.Sprintf("t-%d", s.tokens), Verb: v, By: "ann", At: s.now}
	return s.commandIs(c)
}

func (s *scenario) commandIs(c Command) string {
	s.t.Helper()
	s.commands = append(s.commands, c)
	s.pass()
	answer, ok := s.last.Taken[c.Token]
	if !ok {
		s.t.Errorf("the command %s was not answered", c.Verb)
	}
	return answer
}

// does gives a command that must take effect.
func (s *scenario) does(v Verb) {
	s.t.Helper()
	if why := s.command(v); why != "" {
		s.t.Errorf("%s was refused: %s", v, why)
	}
}

// refuses gives a command that must be refused in these words.
func (s *scenario) refuses(v Verb, words string) {
	s.t.Helper()
	if why := s.command(v); !strings.Contains(why, words) {
		s.t.Errorf("%s was answered %q, wanted words like %q", v, why, words)
	}
}
