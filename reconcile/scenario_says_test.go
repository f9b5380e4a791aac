package reconcile_test

import (
	"slices"
	"strings"

	. "teal/reconcile"
	"teal/spec"
)

// did checks that effects happened in this order, whatever else did.
func (s *scenario) did(effects ...string) {
	s.t.Helper()
	rest := s.tape
	for _, e := range effects {
		i := slices.Index(rest, e)
		if i < 0 {
			s.t.Fatalf("%q did not happen, or not in that place; what did: %q", e, s.tape)
		}
		rest = rest[i+1:]
	}
}

// didNot checks that no effect has any of these words in it.
func (s *scenario) didNot(words ...string) {
	s.t.Helper()
	for _, w := range words {
		if i := slices.IndexFunc(s.tape, func(e string) bool { return strings.Contains(e, w) }); i >= 0 {
			s.t.Errorf("%q happened; all: %q", s.tape[i], s.tape)
		}
	}
}

// didNothing checks that there was no effect at all.
func (s *scenario) didNothing() {
	s.t.Helper()
	if len(s.tape) > 0 {
		s.t.Errorf("effects: %q, wanted none", s.tape)
	}
}

// times counts the effects with these words.
func (s *scenario) times(words string) int {
	n := 0
	for _, e := range s.tape {
		if strings.Contains(e, words) {
			n++
		}
	}
	return n
}

// serves checks that all traffic goes to running containers of an image, and
// that this is what the record calls stable.
func (s *scenario) serves(c spec.Colour, image string) {
	s.t.Helper()
	s.routedTo(c, image)
	if p := s.record.Stable; p == nil || p.Colour != c || p.Revision.Image.Ref != image {
		s.t.Errorf("stable is %+v, wanted %s on %s", p, image, c)
	}
}

// routedTo checks where the proxy sends all traffic.
func (s *scenario) routedTo(c spec.Colour, image string) {
	s.t.Helper()
	k := s.host.live()
	if k == nil {
		s.t.Errorf("the proxy serves nothing, wanted %s on %s", image, c)
		return
	}
	for _, b := range s.host.boxes {
		if b.Colour == k.Colour && b.Revision == k.Revision && b.State == Running && b.Image == image && b.Colour == c {
			return
		}
	}
	s.t.Errorf("the proxy serves %s of %s, wanted %s on %s; containers: %q", k.Revision, k.Colour, image, c, s.running())
}

// has checks which containers run, in the order of colour and replica.
func (s *scenario) has(places ...string) {
	s.t.Helper()
	slices.Sort(places)
	if got := s.running(); !slices.Equal(got, places) {
		s.t.Errorf("containers: %q, wanted %q", got, places)
	}
}

func (s *scenario) running() (out []string) {
	for _, b := range s.host.boxes {
		w := place(b.Colour, b.Replica, b.Image) + at(b.Host)
		if b.State != Running {
			w += " " + string(b.State)
		}
		out = append(out, w)
	}
	slices.Sort(out)
	return out
}

// is checks the phase.
func (s *scenario) is(p Phase) {
	s.t.Helper()
	if s.record.Phase != p {
		s.t.Errorf("phase %s, wanted %s", s.record.Phase.Words(), p.Words())
	}
}

// holds checks that the present generation is held for a reason.
func (s *scenario) holds(r Reason) {
	s.t.Helper()
	h := s.record.Hold
	switch {
	case h == nil:
		s.t.Errorf("nothing is held, wanted %s", r)
	case h.Reason != r || h.Generation != s.desired.Generation:
		s.t.Errorf("held: %s for generation %d, wanted %s for %d", h.Reason, h.Generation, r, s.desired.Generation)
	}
}

// holdsNothing checks that the present generation is not held.
func (s *scenario) holdsNothing() {
	s.t.Helper()
	if h := s.record.Hold; h != nil && h.Generation == s.desired.Generation {
		s.t.Errorf("%s is held: %s", h.Image, h.Message)
	}
}

// ended checks how the newest rollout of an image ended.
func (s *scenario) ended(image string, r Result) {
	s.t.Helper()
	for _, h := range slices.Backward(s.history) {
		if h.Revision.Image.Ref == image {
			if h.Result != r {
				s.t.Errorf("the rollout of %s %s, wanted %s", image, h.Result, r)
			}
			return
		}
	}
	s.t.Errorf("history has no rollout of %s, wanted one that %s", image, r)
}

// told checks that an event with these words was written.
func (s *scenario) told(r Reason, words string) {
	s.t.Helper()
	for _, e := range s.events {
		if e.Reason == r && strings.Contains(e.Message, words) {
			return
		}
	}
	s.t.Errorf("no event %s with %q in %+v", r, words, s.events)
}

// status is what an operator is told.
func (s *scenario) status() Status {
	s.host.look(s.now, s.record)
	return Describe(s.input())
}

// picture is the settled world and what is recorded of it, without the numbers
// that count edits and attempts.
func (s *scenario) picture() string {
	out := "phase " + s.record.Phase.Words() + "\ncontainers " + strings.Join(s.running(), ", ")
	if p := s.record.Stable; p != nil {
		out += "\nstable " + string(p.Colour) + " " + p.Revision.Image.Ref
	}
	if p := s.record.Standby; p != nil {
		out += "\nstandby " + string(p.Colour) + " " + p.Revision.Image.Ref
	}
	if h := s.record.Hold; h != nil && h.Generation == s.desired.Generation {
		out += "\nheld " + h.Image + " " + string(h.Reason)
	}
	return out + "\nroute " + dump(s.host.route)
}
