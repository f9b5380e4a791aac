package reconcile_test

import (
	"testing"

	. "teal/reconcile"
	"teal/spec"
)

func TestDatabaseLost(t *testing.T) {
	lost := func(s *scenario) { s.record, s.history = Record{}, nil }
	run(t, []row{
		{"what serves is stable again, and no container is touched", func(s *scenario) {
			s.runs("app:v1", standby(spec.Standby{}))
			s.runs("app:v2")
			lost(s)
			s.settles()
			s.didNot("start", "remove", "route", "pull")
			s.serves(spec.Green, "app:v2")
			s.told(ReasonDegraded, "found serving")
		}},
		{"the file describes it: it is known in full and can be repaired", func(s *scenario) {
			s.runs("app:v1")
			lost(s)
			s.settles()
			s.removes("app:v1")
			s.settles()
			s.did("start blue-1 app:v1")
			s.serves(spec.Blue, "app:v1")
		}},
		{"the file wants another version: that is rolled out beside it", func(s *scenario) {
			s.runs("app:v1")
			lost(s)
			s.wants("app:v2")
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"a standby is not known any more and is removed, after stable was settled", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			lost(s)
			s.settles()
			s.has("green-1 app:v2")
		}},
		{"the proxy's table is lost, too: the running container is taken for the candidate", func(s *scenario) {
			s.runs("app:v1", active(spec.ActiveAuto))
			s.runs("app:v2")
			lost(s)
			s.host.route = nil
			s.settles()
			s.serves(spec.Green, "app:v2")
			s.didNot("start green-1")
		}},
		{"a version known by its labels only cannot be undone to", func(s *scenario) {
			s.runs("app:v1")
			lost(s)
			s.wants("app:v2", standby(spec.Standby{}))
			s.settles()
			s.refuses(VerbUndo, "no earlier revision is known")
		}},
	})
}
