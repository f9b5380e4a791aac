package reconcile_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

// host is the engine, the proxy and the probes of one app, as they would
// behave: stateful, and refusing when told to.
type host struct {
	t        reporter
	boxes    []*box
	test     *box
	runs     map[string]behaviour // by image; the zero one is up at once
	local    map[string]bool      // images on the host
	refusals []*refusal
	deps     map[string]DependencyState

	away      string // a host that does not answer
	forgotten bool   // what it had is not remembered

	route, older *Route
	down         bool // the proxy does not answer
	deaf         int  // so many route steps are said to be done and are not
	traffic      []Traffic

	testExit int // -1: it never ends
	created  int
}

// behaviour is what containers of an image do.
type behaviour struct {
	start  time.Duration // from start to the first good answer, or to the end
	sick   bool          // runs and never answers well
	ends   bool          // ends with code
	loops  bool          // ends and is restarted by the engine, every second
	again  bool          // with loops: it is always seen when it runs again
	code   int
	vanish bool // is gone after start
}

// box is one container.
type box struct {
	Container
	wish      spec.Container
	begun     time.Time // first start, for loops
	good, bad time.Time // since when it answers well; badly, if set
	probed    time.Time // last time; zero: not since it runs
	listed    bool      // by the proxy, at some time
	unlisted  time.Time // since when the proxy does not list it
}

// refusal makes steps of one kind fail.
type refusal struct {
	kind    StepKind
	about   string // part of the step's words
	failure Failure
	times   int
}

func newHost(t reporter) *host {
	return &host{t: t, runs: map[string]behaviour{}, local: map[string]bool{}, deps: map[string]DependencyState{}}
}

// refuse makes the next steps of a kind that are about something fail.
func (h *host) refuse(times int, kind StepKind, about string, f Failure) {
	h.refusals = append(h.refusals, &refusal{kind, about, f, times})
}

// words is a step as the tape tells it: "start blue-1 app:v2".
func (h *host) words(s Step) string {
	switch s.Kind {
	case StepResolve, StepPull:
		return string(s.Kind) + " " + s.Image.Ref
	case StepEnsure:
		return "start " + place(s.Ensure.Colour, s.Ensure.Replica, s.Ensure.Revision.Image.Ref) + at(s.Ensure.Host)
	case StepStop, StepRemove:
		if b := h.find(s.Container); b != nil && b != h.test {
			return string(s.Kind) + " " + place(b.Colour, b.Replica, b.Image) + at(b.Host)
		}
		return string(s.Kind) + " " + s.Label
	case StepRoute:
		live, staged := "", ""
		for _, b := range s.Route.Backends {
			if b.Weight > 0 {
				live += fmt.Sprintf(" %s×%d", b.Colour, len(b.Targets))
			} else {
				staged += fmt.Sprintf(" preview %s×%d", b.Colour, len(b.Targets))
			}
		}
		return "route" + live + staged
	case StepTest:
		return "test " + string(s.Test.Colour)
	case StepUnroute, StepEvidence:
	}
	return string(s.Kind)
}

// place is a replica for people: "blue-1 app:v2", or "1 db:v1".
func place(c spec.Colour, replica int, image string) string {
	if c == "" {
		return fmt.Sprintf("%d %s", replica, image)
	}
	return fmt.Sprintf("%s-%d %s", c, replica, image)
}

// at is where something is, for people.
func at(host string) string {
	if host == "" {
		return ""
	}
	return " at " + host
}

func (h *host) find(id string) *box {
	if h.test != nil && h.test.ID == id {
		return h.test
	}
	for _, b := range h.boxes {
		if b.ID == id {
			return b
		}
	}
	return nil
}

// perform does what a step asks for, or refuses.
func (h *host) perform(s Step, now time.Time) Outcome {
	words := h.words(s)
	h.meets(s)
	for _, r := range h.refusals {
		if r.times > 0 && r.kind == s.Kind && strings.Contains(words, r.about) {
			r.times--
			f := r.failure
			return Outcome{Failure: &f}
		}
	}
	switch s.Kind {
	case StepResolve:
		return Outcome{Image: Image{Ref: s.Image.Ref, Digest: "sha256:" + s.Image.Ref}}
	case StepPull:
		h.local[s.Image.Ref] = true
	case StepEnsure:
		h.ensure(s, now)
	case StepStop:
		if b := h.find(s.Container); b != nil {
			b.State = Exited
		}
	case StepRemove:
		h.remove(s.Container)
	case StepRoute, StepUnroute:
		return h.apply(s.Route)
	case StepTest:
		h.test = &box{Container: Container{ID: "test", Name: "test", Image: "test", Rollout: s.Test.Rollout, State: Running, StartedAt: now}}
	case StepEvidence:
		return Outcome{Evidence: h.evidence(s, now)}
	}
	return Outcome{}
}

func (h *host) apply(r *Route) Outcome {
	switch {
	case h.down:
		return Outcome{Failure: &Failure{Class: Infra, Reason: ReasonProxyUnavailable, Message: "no answer"}}
	case h.deaf > 0:
		h.deaf--
		return Outcome{}
	}
	h.older, h.route = h.route, cloned(r)
	return Outcome{}
}

func cloned(r *Route) *Route {
	var out *Route
	if err := json.Unmarshal([]byte(dump(r)), &out); err != nil {
		panic(err)
	}
	return out
}

func (h *host) evidence(s Step, now time.Time) *Evidence {
	e := &Evidence{At: now}
	for _, id := range s.Containers {
		if b := h.find(id); b != nil && b != h.test {
			e.Containers = append(e.Containers, ContainerEvidence{Name: b.Name, State: string(b.State), ExitCode: b.ExitCode, Logs: []string{"last words"}})
		}
	}
	return e
}

// ensure creates a replica unless it exists and starts it unless it runs.
func (h *host) ensure(s Step, now time.Time) {
	e := s.Ensure
	if !h.local[e.Revision.Image.Ref] {
		h.t.Errorf("%s was started before its image was pulled", e.Revision.Image.Ref)
	}
	name := spec.ContainerName(s.App, e.Colour, e.Revision.ID, e.Replica)
	for _, b := range h.boxes {
		if b.Name == name && b.Host == e.Host {
			if b.State != Running && b.State != Restarting {
				b.start(now)
			}
			b.Address = addressOf(*e)
			return
		}
	}
	h.created++
	b := &box{wish: e.Revision.Container, unlisted: now, Container: Container{
		ID: fmt.Sprintf("c%d", h.created), Name: name, Colour: e.Colour, Replica: e.Replica, Revision: e.Revision.ID,
		Generation: e.Generation, Rollout: e.Rollout, Image: e.Revision.Image.Ref, Host: e.Host,
	}}
	b.Address = addressOf(*e)
	b.start(now)
	h.boxes = append(h.boxes, b)
	slices.SortFunc(h.boxes, func(x, y *box) int { return strings.Compare(x.Name+x.Host, y.Name+y.Host) })
}

// addressOf is where a replica is reached; empty: it is not routed.
func addressOf(e Ensure) string {
	if e.Revision.Port == 0 {
		return ""
	}
	return fmt.Sprintf("10.9%s.%d.%d:%d", e.Host, slices.Index([]spec.Colour{spec.Blue, spec.Green}, e.Colour)+1, e.Replica, e.Revision.Port)
}

// meets checks that a step goes where its container is, and to no host that does
// not answer.
func (h *host) meets(s Step) {
	b := h.find(s.Container)
	switch {
	case s.Ensure != nil && s.Ensure.Host != "" && s.Ensure.Host == h.away, s.Host != "" && s.Host == h.away:
		h.t.Errorf("%s was decided for a host that is away", h.words(s))
	case b == nil:
	case b.Host != s.Host:
		h.t.Errorf("%s goes to host %q", h.words(s), s.Host)
	case b.Foreign != (s.Kind == StepStop && s.Foreign):
		h.t.Errorf("S12: %s", h.words(s))
	}
}

func (b *box) start(now time.Time) {
	b.State, b.StartedAt, b.good, b.bad, b.probed = Running, now, time.Time{}, time.Time{}, time.Time{}
	if b.begun.IsZero() {
		b.begun = now
	}
}

func (h *host) remove(id string) {
	if h.test != nil && h.test.ID == id {
		h.test = nil
	}
	h.boxes = slices.DeleteFunc(h.boxes, func(b *box) bool { return b.ID == id })
}

// all are the containers of an image.
func (h *host) all(image string) (out []*box) {
	for _, b := range h.boxes {
		if b.Image == image {
			out = append(out, b)
		}
	}
	return out
}
