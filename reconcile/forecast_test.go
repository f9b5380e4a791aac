package reconcile_test

import (
	"slices"
	"testing"

	. "teal/reconcile"
	"teal/spec"
)

// TestForecast compares what is foretold with the sentence; nothing may happen.
func TestForecast(t *testing.T) {
	for _, c := range []struct {
		says string
		come func() *scenario
		want []string
	}{
		{"a first deployment", func() *scenario {
			s := newApp(t)
			s.wants("app:v1")
			return s
		}, []string{"pull app:v1", "start blue-1 app:v1", "route blue×1"}},
		{"an update keeps the old one as standby", func() *scenario {
			s := newApp(t)
			s.runs("app:v1")
			s.wants("app:v2")
			return s
		}, []string{"pull app:v2", "start green-1 app:v2", "route green×1"}},
		{"an update without standby removes the old one", func() *scenario {
			s := newApp(t)
			s.runs("app:v1")
			s.wants("app:v2", standby(spec.Standby{}))
			return s
		}, []string{"pull app:v2", "start green-1 app:v2", "route green×1", "remove blue-1 app:v1"}},
		{"the third version makes the standby give way", func() *scenario {
			s := newApp(t)
			s.runs("app:v1")
			s.runs("app:v2")
			s.wants("app:v3")
			return s
		}, []string{"pull app:v3", "remove blue-1 app:v1", "start blue-1 app:v3", "route blue×1"}},
		{"a pin ends at the preview", func() *scenario {
			s := newApp(t)
			s.runs("app:v1")
			s.wants("app:v2", active(spec.ActiveBlue))
			return s
		}, []string{"pull app:v2", "start green-1 app:v2", "route blue×1 preview green×1"}},
		{"a manual gate ends at the preview", func() *scenario {
			s := newApp(t)
			s.runs("app:v1")
			s.wants("app:v2", manual(spec.TimeoutAbort))
			return s
		}, []string{"pull app:v2", "start green-1 app:v2", "route blue×1 preview green×1"}},
		{"a flip back is one switch", func() *scenario {
			s := newApp(t)
			s.runs("app:v1")
			s.runs("app:v2")
			s.edits(active(spec.ActiveBlue))
			return s
		}, []string{"route blue×1"}},
		{"scaling up", func() *scenario {
			s := newApp(t)
			s.runs("app:v1")
			s.edits(replicas(2))
			return s
		}, []string{"start blue-2 app:v1", "route blue×2"}},
		{"nothing to do", func() *scenario {
			s := newApp(t)
			s.runs("app:v1")
			s.edits()
			return s
		}, nil},
		{"removal", func() *scenario {
			s := newApp(t)
			s.runs("app:v1")
			s.desired.Pruned = true
			return s
		}, []string{"unroute", "remove blue-1 app:v1"}},
		{"a dependency is changed in place", func() *scenario {
			s := newDependency(t)
			s.runs("db:v1")
			s.wants("db:v2")
			return s
		}, []string{"pull db:v2", "stop 1 db:v1", "start 1 db:v2", "remove 1 db:v1"}},
	} {
		t.Run(c.says, func(t *testing.T) {
			s := c.come()
			s.host.look(s.now, s.record)
			in := s.input()
			ref := in.Desired.Service.Container.Image
			in.Record.Image, in.Record.ImageGeneration = Image{Ref: ref, Digest: "sha256:" + ref}, in.Desired.Generation
			before := dump(in)
			var got []string
			for _, step := range Forecast(in, 50) {
				got = append(got, s.host.words(step))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("foretold %q, wanted %q", got, c.want)
			}
			if dump(in) != before {
				t.Errorf("Forecast changed its input")
			}
			s.host.testExit = 0
			s.settles()
			s.did(c.want...)
		})
	}
	t.Run("it ends at its limit", func(t *testing.T) {
		s := newApp(t)
		s.wants("app:v1")
		if got := Forecast(s.input(), 1); len(got) != 1 {
			t.Errorf("%d steps", len(got))
		}
	})
}
