package reconcile_test

import (
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

// day is longer than a test waits.
const day = spec.Duration(24 * time.Hour)

func TestGates(t *testing.T) {
	staged := func(s *scenario, e ...edit) {
		s.t.Helper()
		s.runs("app:v1")
		s.wants("app:v2", e...)
		s.settles()
		s.is(Staged)
		s.routedTo(spec.Blue, "app:v1")
	}
	run(t, []row{
		{"a manual gate waits, with a preview of the candidate", func(s *scenario) {
			staged(s, manual(spec.TimeoutAbort))
			s.did("start green-1 app:v2", "route blue×1 preview green×1")
			if p := s.host.route.Preview; p.Colour != spec.Green {
				s.t.Errorf("preview: %+v", p)
			}
			s.passes(23 * time.Hour)
			s.is(Staged)
		}},
		{"promote opens it", func(s *scenario) {
			staged(s, manual(spec.TimeoutAbort))
			s.does(VerbPromote)
			s.settles()
			s.serves(spec.Green, "app:v2")
			if s.host.route.Preview.Colour != "" {
				s.t.Errorf("the preview stayed: %+v", s.host.route)
			}
		}},
		{"nobody came: it is aborted and held", func(s *scenario) {
			staged(s, manual(spec.TimeoutAbort))
			s.passes(24*time.Hour + time.Minute)
			s.holds(ReasonGateTimeout)
			s.serves(spec.Blue, "app:v1")
			s.has("blue-1 app:v1")
		}},
		{"nobody came: it is promoted, where on_timeout says so", func(s *scenario) {
			staged(s, manual(spec.TimeoutPromote))
			s.passes(24*time.Hour + time.Minute)
			s.serves(spec.Green, "app:v2")
		}},
		{"abort closes it for good", func(s *scenario) {
			staged(s, manual(spec.TimeoutAbort))
			s.does(VerbAbort)
			s.settles()
			s.holds(ReasonAborted)
			s.serves(spec.Blue, "app:v1")
			s.didNot("route green")
		}},
		{"after: it opens by itself at its time, and not before", func(s *scenario) {
			staged(s, promotion(spec.Promotion{Mode: spec.PromotionAfter, After: seconds(600)}))
			s.passes(9 * time.Minute)
			s.is(Staged)
			s.passes(time.Minute + time.Second)
			s.serves(spec.Green, "app:v2")
		}},
		{"a preview that was set though the proxy's answer was lost is not waited for at the gate", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2", func(v *spec.Service) {
				v.Rollout.Promotion = spec.Promotion{Mode: spec.PromotionManual, Timeout: seconds(3600), OnTimeout: spec.TimeoutAbort}
			})
			s.reaches(Staged)
			s.passes(time.Second)
			s.record.Backoff = &Backoff{Attempts: 1, Since: s.now, Next: s.now.Add(5 * time.Second), Step: StepRoute, Failure: Failure{Class: Infra, Reason: ReasonProxyUnavailable}}
			s.passes(3 * time.Second)
			if s.record.Backoff == nil {
				s.t.Errorf("the wait was given up before it was over")
			}
			s.passes(time.Minute)
			s.is(Staged)
			if b := s.record.Backoff; b != nil {
				s.t.Errorf("still waits for what was done: %+v", b)
			}
		}},
		{"promote opens an after-gate early", func(s *scenario) {
			staged(s, promotion(spec.Promotion{Mode: spec.PromotionAfter, After: seconds(600)}))
			s.does(VerbPromote)
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"a candidate that breaks at the gate is aborted", func(s *scenario) {
			staged(s, manual(spec.TimeoutAbort))
			s.breaks("app:v2")
			s.settles()
			s.holds(ReasonUnhealthy)
		}},
		{"a gate that opens right after a restart of Teal waits for the probes", func(s *scenario) {
			staged(s, manual(spec.TimeoutAbort))
			s.tealWasAway(time.Hour)
			s.does(VerbPromote)
			s.is(Staged)
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"a first deployment waits at its gate without a route", func(s *scenario) {
			s.wants("app:v1", manual(spec.TimeoutAbort))
			s.settles()
			s.is(Staged)
			s.didNot("route")
			s.does(VerbPromote)
			s.settles()
			s.serves(spec.Blue, "app:v1")
		}},
		{"settings are frozen: an edit of the gate applies to the next rollout", func(s *scenario) {
			staged(s, manual(spec.TimeoutAbort))
			s.edits(promotion(spec.Promotion{Mode: spec.PromotionAuto}))
			s.settles()
			s.is(Staged)
			s.wants("app:v3")
			s.settles()
			s.serves(spec.Green, "app:v3")
		}},
	})
}
