package reconcile_test

import (
	"testing"

	. "teal/reconcile"
	"teal/spec"
)

func TestCommands(t *testing.T) {
	staged := func(s *scenario, e ...edit) {
		s.t.Helper()
		s.runs("app:v1")
		s.wants("app:v2", e...)
		s.settles()
	}
	gate := manual(spec.TimeoutAbort)
	run(t, []row{
		{"promote without a rollout is refused", func(s *scenario) {
			s.runs("app:v1")
			s.refuses(VerbPromote, "no rollout is staged; it is Idle")
		}},
		{"promote while it verifies is refused with the phase", func(s *scenario) {
			s.host.runs["app:v1"] = behaviour{sick: true}
			s.wants("app:v1")
			s.reaches(Verifying)
			s.refuses(VerbPromote, "it is Verifying")
		}},
		{"promote against a pin is refused with what to write in the file", func(s *scenario) {
			staged(s, active(spec.ActiveBlue))
			s.refuses(VerbPromote, "active pins blue; set active to green or auto in the file")
		}},
		{"promote twice is refused the second time", func(s *scenario) {
			staged(s, gate)
			s.host.forgetProbes()
			s.commands = append(s.commands, Command{Token: "a", Verb: VerbPromote}, Command{Token: "b", Verb: VerbPromote})
			s.pass()
			if a, b := s.last.Taken["a"], s.last.Taken["b"]; a != "" || b == "" {
				s.t.Errorf("answers %q and %q", a, b)
			}
		}},
		{"abort without a rollout is refused", func(s *scenario) {
			s.runs("app:v1")
			s.refuses(VerbAbort, "no rollout is under way")
		}},
		{"abort of what is being taken back is refused", func(s *scenario) {
			staged(s, gate)
			s.inFlight("app:v2", 1, 0)
			s.does(VerbAbort)
			s.refuses(VerbAbort, "taken back already")
		}},
		{"a command for another rollout is refused by its name", func(s *scenario) {
			staged(s, gate)
			for _, v := range []Verb{VerbPromote, VerbAbort} {
				if why := s.commandIs(Command{Token: string(v), Verb: v, Rollout: "r-1"}); why != "rollout r-1 is not under way any more" {
					s.t.Errorf("%s was answered %q", v, why)
				}
			}
			if why := s.commandIs(Command{Token: "right", Verb: VerbAbort, Rollout: "r-2"}); why != "" {
				s.t.Errorf("the right rollout was refused: %s", why)
			}
		}},
		{"undo during a rollout is refused: abort it", func(s *scenario) {
			staged(s, gate)
			s.refuses(VerbUndo, "abort it instead")
		}},
		{"undo before anything is stable is refused", func(s *scenario) {
			s.host.runs["app:v1"] = behaviour{sick: true}
			s.wants("app:v1")
			s.settles()
			s.refuses(VerbUndo, "nothing is stable yet")
		}},
		{"undo of the first version is refused", func(s *scenario) {
			s.runs("app:v1")
			s.refuses(VerbUndo, "no earlier revision is known")
		}},
		{"undo while a newer generation is not taken in is refused", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			s.wants("app:v3")
			s.refuses(VerbUndo, "generation 3 is newer")
		}},
		{"retry of nothing is refused", func(s *scenario) {
			s.runs("app:v1")
			s.refuses(VerbRetry, "nothing is held, overridden or backing off")
		}},
		{"an unknown word is refused", func(s *scenario) {
			s.runs("app:v1")
			s.refuses("restart", `unknown command "restart"`)
		}},
		{"a repeated token is one command", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			c := Command{Token: "same", Verb: VerbUndo}
			s.commands = []Command{c, c}
			s.pass()
			if len(s.last.Taken) != 1 || s.last.Taken["same"] != "" {
				s.t.Errorf("answers: %v", s.last.Taken)
			}
			s.settles()
			s.serves(spec.Blue, "app:v1")
		}},
		{"a refused command is never kept for later", func(s *scenario) {
			s.runs("app:v1")
			s.refuses(VerbPromote, "no rollout is staged")
			s.wants("app:v2", gate)
			s.settles()
			s.is(Staged)
		}},
		{"who gave a command is told in the events", func(s *scenario) {
			staged(s, gate)
			s.does(VerbPromote)
			s.told(ReasonAwaitPromotion, "promoted by ann")
		}},
	})
}
