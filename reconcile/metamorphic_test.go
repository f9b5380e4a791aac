package reconcile_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

// story is a scenario that is told several times, each time with something
// changed that must make no difference.
type story struct {
	name string
	tell func(*scenario)
}

// near and far are the colours that a story names: swapped, it is mirrored.
type sides struct{ near, far spec.Active }

func stories(c sides) []story {
	first := func(s *scenario) { s.wants("app:v1", active(c.near)); s.settles() }
	return []story{
		{"an update", func(s *scenario) {
			first(s)
			s.wants("app:v2", active(spec.ActiveAuto))
			s.settles()
		}},
		{"three versions of two replicas, without standby", func(s *scenario) {
			first(s)
			s.wants("app:v2", active(spec.ActiveAuto), replicas(2), standby(spec.Standby{}))
			s.settles()
			s.wants("app:v3")
			s.settles()
		}},
		{"one that fails, and its fix", func(s *scenario) {
			first(s)
			s.host.runs["app:v2"] = behaviour{sick: true}
			s.wants("app:v2", active(spec.ActiveAuto))
			s.settles()
			s.wants("app:v3")
			s.settles()
		}},
		{"one that is held", func(s *scenario) {
			first(s)
			s.host.runs["app:v2"] = behaviour{ends: true, code: 1, start: time.Second}
			s.wants("app:v2", active(spec.ActiveAuto))
			s.settles()
		}},
		{"a rollover with a slow candidate", func(s *scenario) {
			first(s)
			s.host.runs["app:v2"] = behaviour{start: 30 * time.Second}
			s.wants("app:v2", active(spec.ActiveAuto))
			s.passes(5 * time.Second)
			s.wants("app:v3")
			s.settles()
		}},
		{"a pin", func(s *scenario) {
			first(s)
			s.wants("app:v2")
			s.settles()
		}},
		{"a pin and the flip to it", func(s *scenario) {
			first(s)
			s.wants("app:v2")
			s.settles()
			s.edits(active(c.far))
			s.settles()
		}},
		{"a registry that is slow", func(s *scenario) {
			first(s)
			s.host.refuse(2, StepPull, "app:v2", slowRegistry)
			s.wants("app:v2", active(spec.ActiveAuto), bake(20))
			s.settles()
		}},
		{"a test and a bake", func(s *scenario) {
			first(s)
			s.wants("app:v2", active(spec.ActiveAuto), bake(20), tested(seconds(60)))
			s.settles()
		}},
	}
}

var straight, mirrored = sides{spec.ActiveBlue, spec.ActiveGreen}, sides{spec.ActiveGreen, spec.ActiveBlue}

// TestNothingChangesWhen tells each story with a disturbance before each of its
// passes in turn, and compares the ends.
func TestNothingChangesWhen(t *testing.T) {
	for _, c := range []struct {
		what string
		do   func(*scenario)
	}{
		{"Teal is restarted", func(s *scenario) { s.tealWasAway(0) }},
		{"Teal was away for a minute", func(s *scenario) { s.tealWasAway(time.Minute) }},
		{"a generation is added that changes nothing", func(s *scenario) { s.edits() }},
		{"a generation is added that changes the route only", func(s *scenario) {
			s.edits(func(v *spec.Service) { v.Rollout.Route.Hold = 0 })
		}},
		{"it is looked at once too often", func(s *scenario) { s.before = nil; s.pass() }},
		{"the record was written and the pass killed before its effects", func(s *scenario) {
			s.host.look(s.now, s.record)
			s.record = stored(Next(s.input()).Record)
		}},
	} {
		for _, st := range stories(straight) {
			t.Run(c.what+", in "+st.name, func(t *testing.T) {
				calm := newApp(t)
				st.tell(calm)
				for k := range calm.passed {
					s := newApp(t)
					s.before = func(pass int) {
						if pass == k {
							c.do(s)
						}
					}
					st.tell(s)
					s.settles()
					if got, want := s.picture(), calm.picture(); got != want {
						t.Fatalf("before pass %d of %d it comes to\n%s\nwithout it\n%s", k, calm.passed, got, want)
					}
				}
			})
		}
	}
}

// TestOneEditOrTwo splits the edit of image and bake in two, with every number
// of passes between them.
func TestOneEditOrTwo(t *testing.T) {
	one := newApp(t)
	one.runs("app:v1")
	one.wants("app:v2", bake(20), func(v *spec.Service) { v.Rollout.Route.Path = "/api" })
	one.settles()
	for k := range 30 {
		two := newApp(t)
		two.runs("app:v1")
		two.edits(bake(20), func(v *spec.Service) { v.Rollout.Route.Path = "/api" })
		for range k {
			two.pass()
		}
		two.wants("app:v2")
		two.settles()
		if got, want := two.picture(), one.picture(); got != want {
			t.Errorf("%d passes apart they come to\n%s\ntogether\n%s", k, got, want)
		}
	}
}

// TestMirror tells each story with the colours swapped: every decision is the
// mirror image.
func TestMirror(t *testing.T) {
	there, back := stories(straight), stories(mirrored)
	for i := range there {
		t.Run(there[i].name, func(t *testing.T) {
			a, b := newApp(t), newApp(t)
			there[i].tell(a)
			back[i].tell(b)
			if len(a.trace) != len(b.trace) {
				t.Fatalf("%d decisions, mirrored %d", len(a.trace), len(b.trace))
			}
			for k := range a.trace {
				got, want := mirror(b.trace[k], true), mirror(a.trace[k], false)
				if slices.Equal(got, want) {
					continue
				}
				for i := range min(len(got), len(want)) {
					if got[i] != want[i] {
						t.Fatalf("decision %d:\n%s\nmirrored:\n%s", k, want[i], got[i])
					}
				}
				t.Fatalf("decision %d says %d things, mirrored %d", k, len(want), len(got))
			}
		})
	}
}

// mirror is a decision as text, with the colours swapped if asked. What has no
// order, such as parallel steps and the backends of a route, is sorted.
func mirror(d Decision, swap bool) (out []string) {
	text := dump(d)
	if swap {
		text = strings.NewReplacer("blue-green", "blue-green", "blue", "green", "green", "blue", "10.9.1.", "10.9.2.", "10.9.2.", "10.9.1.").Replace(text)
	}
	var again Decision
	if err := json.Unmarshal([]byte(text), &again); err != nil {
		panic(err)
	}
	for _, s := range again.Steps {
		if s.Route != nil {
			slices.SortFunc(s.Route.Backends, func(a, b Backend) int { return strings.Compare(string(a.Colour), string(b.Colour)) })
		}
		out = append(out, dump(s))
	}
	for _, e := range again.Events {
		out = append(out, dump(e))
	}
	slices.Sort(out)
	again.Steps, again.Events = nil, nil
	return append(out, dump(again))
}
