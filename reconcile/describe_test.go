package reconcile_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

// reading is what an operator must be able to read off a status.
type reading struct {
	serving, synced             bool
	servingReason, syncedReason Reason
	words                       []string // in the two messages
	roles                       []string // "blue stable 100 1/1"
	next                        []string // verbs of the hints
}

func (r reading) check(t *testing.T, s *scenario) {
	t.Helper()
	st := s.status()
	if st.Serving.OK != r.serving || st.Serving.Reason != r.servingReason {
		t.Errorf("serving: %+v, wanted %v %s", st.Serving, r.serving, r.servingReason)
	}
	if st.Synced.OK != r.synced || st.Synced.Reason != r.syncedReason {
		t.Errorf("synced: %+v, wanted %v %s", st.Synced, r.synced, r.syncedReason)
	}
	for _, w := range r.words {
		if !strings.Contains(st.Serving.Message+"\n"+st.Synced.Message, w) {
			t.Errorf("neither %q nor %q says %q", st.Serving.Message, st.Synced.Message, w)
		}
	}
	if got := roles(st); r.roles != nil && !slices.Equal(got, r.roles) {
		t.Errorf("colours: %q, wanted %q", got, r.roles)
	}
	var next []string
	for _, h := range st.Next {
		f := strings.Fields(h)
		if len(f) < 3 || f[0] != "teal" || f[2] != st.App.String() {
			t.Errorf("hint %q is not a command for the app", h)
			continue
		}
		next = append(next, f[1])
	}
	if !slices.Equal(next, r.next) {
		t.Errorf("hints: %q, wanted %q", st.Next, r.next)
	}
}

func roles(st Status) (out []string) {
	for _, c := range st.Colours {
		out = append(out, strings.TrimSpace(string(c.Colour)+" "+c.Role+" "+c.Image)+" "+dump(c.Weight)+" "+dump(c.Ready)+"/"+dump(c.Replicas))
	}
	return out
}

func TestDescribe(t *testing.T) {
	v1 := func(s *scenario) { s.runs("app:v1") }
	for _, c := range []struct {
		says string
		come func(*scenario)
		want reading
	}{
		{"nothing yet", func(s *scenario) { s.wants("app:v1") }, reading{
			servingReason: ReasonNothingRuns, words: []string{"nothing is stable yet", "not looked at yet"},
		}},
		{"the first rollout", func(s *scenario) {
			s.host.runs["app:v1"] = behaviour{start: 50 * time.Second}
			s.wants("app:v1", replicas(2))
			s.reaches(Verifying)
		}, reading{
			servingReason: ReasonNothingRuns, words: []string{"first rollout", "Verifying 0/2"},
			roles: []string{"blue candidate app:v1 0 0/2"}, next: []string{"abort"},
		}},
		{"settled", v1, reading{
			serving: true, synced: true, words: []string{"app:v1 (blue, 100 %)", "generation 1"},
			roles: []string{"blue stable app:v1 100 1/1"},
		}},
		{"settled with a standby", func(s *scenario) { v1(s); s.runs("app:v2") }, reading{
			serving: true, synced: true, next: []string{"undo"},
			roles: []string{"green stable app:v2 100 1/1", "blue standby app:v1 0 1/1"},
		}},
		{"at a manual gate", func(s *scenario) {
			v1(s)
			s.wants("app:v2", manual(spec.TimeoutAbort))
			s.settles()
		}, reading{
			serving: true, syncedReason: ReasonAwaitPromotion, words: []string{"Staged on green, waits to be promoted"},
			roles: []string{"blue stable app:v1 100 1/1", "green staged app:v2 0 1/1"}, next: []string{"promote", "abort"},
		}},
		{"pinned", func(s *scenario) {
			v1(s)
			s.wants("app:v2", active(spec.ActiveBlue))
			s.settles()
		}, reading{serving: true, syncedReason: ReasonPinned, words: []string{"Staged on green; active pins blue"}, next: []string{"abort"}}},
		{"while the test runs", func(s *scenario) {
			v1(s)
			s.host.testExit = -1
			s.wants("app:v2", tested(seconds(300)))
			s.until("the test", func(bool) bool { return s.host.test != nil })
		}, reading{serving: true, words: []string{"the test runs"}, next: []string{"abort"}}},
		{"held", func(s *scenario) {
			v1(s)
			s.host.runs["app:v2"] = behaviour{sick: true}
			s.wants("app:v2")
			s.settles()
		}, reading{serving: true, syncedReason: ReasonHeld, words: []string{"app:v1 (blue", "app:v2 is held", "GET / → 503"}, next: []string{"retry", "logs"}}},
		{"held without a rollout", func(s *scenario) {
			v1(s)
			s.host.refuse(1, StepResolve, "app:v2", Failure{Class: Permanent, Reason: ReasonImageNotFound, Message: "manifest unknown"})
			s.wants("app:v2")
			s.settles()
		}, reading{serving: true, syncedReason: ReasonHeld, words: []string{"manifest unknown"}, next: []string{"retry"}}},
		{"undone", func(s *scenario) {
			v1(s)
			s.runs("app:v2")
			s.does(VerbUndo)
			s.settles()
		}, reading{
			serving: true, syncedReason: ReasonOverridden, next: []string{"retry"},
			words: []string{"the file still wants app:v2", "ends with the next change"},
		}},
		{"backing off in a rollout", func(s *scenario) {
			v1(s)
			s.host.refuse(9, StepPull, "app:v2", slowRegistry)
			s.wants("app:v2")
			s.until("the failure", func(bool) bool { return s.record.Backoff != nil })
		}, reading{serving: true, syncedReason: ReasonRegistryUnavailable, words: []string{"503 Service Unavailable (try 1"}, next: []string{"abort"}}},
		{"backing off before a rollout", func(s *scenario) {
			v1(s)
			s.host.refuse(9, StepResolve, "app:v2", slowRegistry)
			s.wants("app:v2")
			s.pass()
		}, reading{serving: true, syncedReason: ReasonRegistryUnavailable, next: []string{"retry"}}},
		{"in the bake", func(s *scenario) {
			v1(s)
			s.wants("app:v2", bake(60))
			s.reaches(Confirming)
			s.pass()
		}, reading{serving: true, words: []string{"app:v2 (green, 100 %)", "Confirming"}, next: []string{"abort"}}},
		{"going back", func(s *scenario) {
			v1(s)
			s.wants("app:v2", bake(60))
			s.reaches(Confirming)
			s.inFlight("app:v2", 1, 0)
			s.does(VerbAbort)
			s.passes(5 * time.Second)
		}, reading{serving: true, syncedReason: ReasonAborted, words: []string{"going back: aborted by ann"}}},
		{"the proxy does not answer", func(s *scenario) { v1(s); s.host.down = true }, reading{
			synced: true, servingReason: ReasonProxyUnavailable,
		}},
		{"the proxy has no route", func(s *scenario) { v1(s); s.host.route = nil }, reading{
			synced: true, servingReason: ReasonRouteDrift, words: []string{"no route"},
		}},
		{"stable answers badly", func(s *scenario) { v1(s); s.breaks("app:v1"); s.passes(5 * time.Second) }, reading{
			synced: true, servingReason: ReasonNotReady, words: []string{"GET / → 500"}, roles: []string{"blue stable app:v1 100 0/1"},
		}},
		{"stable does not run", func(s *scenario) { v1(s); s.stops("app:v1") }, reading{
			synced: true, servingReason: ReasonNotReady, words: []string{"exit code 137"},
		}},
		{"what serves was not chosen but found", func(s *scenario) {
			v1(s)
			s.runs("app:v2")
			s.host.route = s.host.older
			s.breaks("app:v2")
			s.wants("app:v4")
			s.host.refuse(9, StepResolve, "app:v4", Failure{Class: Permanent, Reason: ReasonImageNotFound, Message: "manifest unknown"})
			s.passes(2 * time.Minute)
		}, reading{
			serving: true, servingReason: ReasonDegraded, syncedReason: ReasonHeld, next: []string{"retry"},
			words: []string{"app:v1 (blue); green could not serve any more"},
		}},
		{"old requests are finished", func(s *scenario) {
			s.runs("app:v1", standby(spec.Standby{}))
			s.inFlight("app:v1", 2, 0)
			s.wants("app:v2")
			s.passes(10 * time.Second)
		}, reading{serving: true, synced: true, roles: []string{"green stable app:v2 100 1/1", "blue draining app:v1 0 0/1"}}},
		{"being removed", func(s *scenario) { v1(s); s.desired.Pruned = true }, reading{serving: true, words: []string{"being removed"}}},
	} {
		t.Run(c.says, func(t *testing.T) {
			s := newApp(t)
			c.come(s)
			c.want.check(t, s)
		})
	}
}

func TestDescribeTimes(t *testing.T) {
	s := newApp(t)
	s.runs("app:v1")
	s.runs("app:v2")
	until := s.record.Stable.Since.Add(10 * time.Minute)
	if c := s.status().Colours[1]; !c.Until.Equal(until) {
		t.Errorf("the standby ends at %s, wanted %s", c.Until, until)
	}
	s.wants("app:v3", manual(spec.TimeoutAbort))
	s.settles()
	if st := s.status(); !st.Deadline.Equal(s.record.Candidate.Verified.Add(24*time.Hour)) || st.Rollout != "r-3" || st.Phase != Staged {
		t.Errorf("deadline %s, rollout %s, phase %s", st.Deadline, st.Rollout, st.Phase)
	}
}

func TestDescribeDependency(t *testing.T) {
	for _, c := range []struct {
		says string
		come func(*scenario)
		want reading
	}{
		{"up", func(s *scenario) { s.runs("db:v1", checked) }, reading{
			serving: true, synced: true, words: []string{"db:v1"}, roles: []string{"stable db:v1 0 1/1"},
		}},
		{"not healthy", func(s *scenario) { s.runs("db:v1", checked); s.breaks("db:v1") }, reading{
			synced: true, servingReason: ReasonNotReady, words: []string{"unhealthy"},
		}},
		{"being changed", func(s *scenario) {
			s.runs("db:v1", checked)
			s.host.runs["db:v2"] = behaviour{start: 20 * time.Second}
			s.wants("db:v2")
			s.passes(5 * time.Second)
		}, reading{servingReason: ReasonNotReady, words: []string{"Verifying 0/1", "exited"}, next: []string{"abort"}}},
	} {
		t.Run(c.says, func(t *testing.T) {
			s := newDependency(t)
			c.come(s)
			c.want.check(t, s)
			if st := s.status(); st.Kind != "dependency" {
				t.Errorf("kind %s", st.Kind)
			}
		})
	}
}
