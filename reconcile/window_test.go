package reconcile_test

import (
	"strings"
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

// closes lets no rollout begin for so long.
func (s *scenario) closes(d time.Duration) {
	s.closed = &Closure{Reason: ReasonOutsideWindow, Message: "outside of its windows: daily 09:00-17:00", Next: s.now.Add(d)}
}

// opens lets rollouts begin, at the time that was told.
func (s *scenario) opens() {
	s.t.Helper()
	s.passes(s.closed.Next.Sub(s.now) - time.Second)
	s.now, s.closed = s.closed.Next, nil
}

// waits fails unless a wish waits for its window, and says so.
func (s *scenario) waits() {
	s.t.Helper()
	st := s.status()
	if st.Closed == nil || !st.Closed.Waits || st.Synced.OK || st.Synced.Reason != ReasonOutsideWindow || !strings.Contains(st.Synced.Message, "next allowed") {
		s.t.Errorf("it does not say that it waits: %+v, %+v", st.Synced, st.Closed)
	}
	if st.Closed != nil && !st.Closed.Next.Equal(s.closed.Next) {
		s.t.Errorf("next allowed is %s, wanted %s", st.Closed.Next, s.closed.Next)
	}
}

func TestWindows(t *testing.T) {
	run(t, []row{
		{"outside of its windows a new version waits in Idle, and is looked at again when they open", func(s *scenario) {
			s.runs("app:v1")
			s.closes(5 * time.Hour)
			s.wants("app:v2")
			s.settles()
			s.is(Idle)
			s.waits()
			s.didNot("pull", "start", "route")
			if !s.last.Again.Equal(s.closed.Next) {
				s.t.Errorf("looks again at %s, wanted %s", s.last.Again, s.closed.Next)
			}
			s.opens()
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"of several versions only the newest is rolled out when they open", func(s *scenario) {
			s.runs("app:v1")
			s.closes(5 * time.Hour)
			for _, image := range []string{"app:v2", "app:v3", "app:v4"} {
				s.wants(image)
				s.passes(10 * time.Minute)
			}
			s.opens()
			s.settles()
			s.serves(spec.Green, "app:v4")
			s.didNot("pull app:v2", "pull app:v3", "start green-1 app:v2", "start green-1 app:v3")
		}},
		{"a wish that is what serves waits for nothing", func(s *scenario) {
			s.runs("app:v1")
			s.closes(5 * time.Hour)
			s.wants("app:v2")
			s.passes(time.Minute)
			s.wants("app:v1")
			s.settles()
			if st := s.status(); !st.Synced.OK || st.Closed == nil || st.Closed.Waits {
				s.t.Errorf("%+v, %+v", st.Synced, st.Closed)
			}
		}},
		{"what begins where nothing serves yet is not held up", func(s *scenario) {
			s.closes(5 * time.Hour)
			s.wants("app:v1")
			s.settles()
			s.serves(spec.Blue, "app:v1")
		}},
		{"a rollout that began goes on when they close", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2", bake(600))
			s.reaches(Starting)
			s.closes(5 * time.Hour)
			s.settles()
			s.passes(time.Hour)
			s.serves(spec.Green, "app:v2")
		}},
		{"a rollout that failed while they are closed goes back and is held", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2", bake(600))
			s.reaches(Confirming)
			s.closes(5 * time.Hour)
			s.breaks("app:v2")
			s.settles()
			s.serves(spec.Blue, "app:v1")
			if s.record.Hold == nil {
				s.t.Errorf("it is not held")
			}
		}},
		{"a newer version takes a rollout back that has not switched, and waits", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2", manual(spec.TimeoutAbort))
			s.reaches(Staged)
			s.closes(5 * time.Hour)
			s.wants("app:v3", promotion(spec.Promotion{Mode: spec.PromotionAuto}))
			s.settles()
			s.is(Idle)
			s.waits()
			s.has("blue-1 app:v1")
			s.opens()
			s.settles()
			s.serves(spec.Green, "app:v3")
		}},
		{"a rollout of which nothing was made waits for its registry no longer than the window", func(s *scenario) {
			s.runs("app:v1")
			s.host.refuse(2, StepPull, "app:v2", Failure{Class: Infra, Reason: ReasonRegistryUnavailable, Message: "503"})
			s.wants("app:v2")
			s.until("a back-off", func(bool) bool { return s.record.Backoff != nil && s.record.Phase == Preparing })
			s.closes(5 * time.Hour)
			s.settles()
			s.is(Idle)
			s.waits()
			s.opens()
			s.passes(time.Hour)
			s.serves(spec.Green, "app:v2")
		}},
	})
}

func TestWindowsLetGoBack(t *testing.T) {
	noStandby := standby(spec.Standby{})
	run(t, []row{
		{"undo goes back to the standby", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			s.closes(5 * time.Hour)
			s.does(VerbUndo)
			s.settles()
			s.serves(spec.Blue, "app:v1")
		}},
		{"undo without a standby is a rollout of the version before, with its gate skipped", func(s *scenario) {
			s.runs("app:v1", noStandby)
			s.runs("app:v2", promotion(spec.Promotion{Mode: spec.PromotionAfter, After: seconds(10)}))
			s.closes(5 * time.Hour)
			s.does(VerbUndo)
			s.settles()
			s.serves(spec.Blue, "app:v1")
		}},
		{"active names the standby: it serves at once", func(s *scenario) {
			s.runs("app:v1")
			s.runs("app:v2")
			s.closes(5 * time.Hour)
			s.edits(active(spec.ActiveBlue))
			s.settles()
			s.serves(spec.Blue, "app:v1")
		}},
		{"a revert to what served before is a way back, standby or not", func(s *scenario) {
			s.runs("app:v1", noStandby)
			s.runs("app:v2", promotion(spec.Promotion{Mode: spec.PromotionAfter, After: seconds(10)}))
			s.closes(5 * time.Hour)
			s.wants("app:v1")
			s.passes(5 * time.Minute)
			s.serves(spec.Blue, "app:v1")
		}},
		{"an older version is none", func(s *scenario) {
			s.runs("app:v1", noStandby)
			s.runs("app:v2")
			s.runs("app:v3")
			s.closes(5 * time.Hour)
			s.wants("app:v1")
			s.settles()
			s.waits()
			s.serves(spec.Blue, "app:v3")
		}},
		{"an abort goes back", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2", manual(spec.TimeoutAbort))
			s.reaches(Staged)
			s.closes(5 * time.Hour)
			s.does(VerbAbort)
			s.settles()
			s.holds(ReasonAborted)
			s.has("blue-1 app:v1")
		}},
		{"what is missing of stable is made again, and more replicas, too", func(s *scenario) {
			s.runs("app:v1")
			s.closes(5 * time.Hour)
			s.wants("app:v2", replicas(2))
			s.settles()
			s.removes("app:v1")
			s.settles()
			s.has("blue-1 app:v1", "blue-2 app:v1")
			s.waits()
		}},
	})
}

func TestWindowsAndGates(t *testing.T) {
	after := promotion(spec.Promotion{Mode: spec.PromotionAfter, After: seconds(600)})
	run(t, []row{
		{"a gate that opens by itself does so inside of the windows", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2", after)
			s.reaches(Staged)
			s.closes(5 * time.Hour)
			s.passes(time.Hour)
			s.is(Staged)
			s.waits()
			s.routedTo(spec.Blue, "app:v1")
			s.opens()
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"so does one that opens when nobody came", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2", manual(spec.TimeoutPromote))
			s.reaches(Staged)
			s.closes(50 * time.Hour)
			s.passes(30 * time.Hour)
			s.is(Staged)
			s.waits()
			s.opens()
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"one that nobody opened is given up all the same", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2", manual(spec.TimeoutAbort))
			s.reaches(Staged)
			s.closes(50 * time.Hour)
			s.passes(25 * time.Hour)
			s.holds(ReasonGateTimeout)
		}},
		{"a person opens it at any time", func(s *scenario) {
			s.runs("app:v1")
			s.wants("app:v2", after)
			s.reaches(Staged)
			s.closes(5 * time.Hour)
			s.passes(time.Hour)
			s.does(VerbPromote)
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
		{"promote begins what waits, gate and all", func(s *scenario) {
			s.runs("app:v1")
			s.closes(5 * time.Hour)
			s.wants("app:v2", after)
			s.settles()
			s.waits()
			if why := s.commandIs(Command{Token: "a", Verb: VerbPromote, Rollout: Waiting(s.desired.Generation), By: "ann"}); why != "" {
				s.t.Errorf("refused: %s", why)
			}
			s.told(ReasonOutsideWindow, "is let begin by ann")
			s.reaches(Staged)
			s.passes(time.Hour)
			s.serves(spec.Green, "app:v2")
		}},
		{"promote is for one generation", func(s *scenario) {
			s.runs("app:v1")
			s.closes(5 * time.Hour)
			s.wants("app:v2")
			s.settles()
			if why := s.commandIs(Command{Token: "a", Verb: VerbPromote, Rollout: Waiting(s.desired.Generation - 1)}); !strings.Contains(why, "not under way") {
				s.t.Errorf("answered %q", why)
			}
			s.commandIs(Command{Token: "b", Verb: VerbPromote, Rollout: Waiting(s.desired.Generation)})
			s.wants("app:v3")
			s.settles()
			s.is(Idle)
			s.waits()
		}},
		{"promote without anything that waits is refused", func(s *scenario) {
			s.runs("app:v1")
			s.closes(5 * time.Hour)
			s.settles()
			s.refuses(VerbPromote, "no rollout is staged")
		}},
		{"a hold that is released waits for the window as well", func(s *scenario) {
			s.runs("app:v1")
			s.host.runs["app:v2"] = behaviour{sick: true}
			s.wants("app:v2")
			s.settles()
			s.holds(ReasonUnhealthy)
			s.closes(5 * time.Hour)
			s.host.runs["app:v2"] = behaviour{}
			s.does(VerbRetry)
			s.settles()
			s.waits()
			s.opens()
			s.settles()
			s.serves(spec.Green, "app:v2")
		}},
	})
}

func TestWindowsOfDependencies(t *testing.T) {
	s := newDependency(t)
	s.runs("db:v1")
	s.closes(5 * time.Hour)
	s.wants("db:v2")
	s.settles()
	s.is(Idle)
	s.waits()
	s.stops("db:v1")
	s.settles()
	s.has("1 db:v1")
	s.opens()
	s.settles()
	s.has("1 db:v2")
}
