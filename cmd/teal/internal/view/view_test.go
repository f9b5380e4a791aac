package view

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teal/controller/api"
	"teal/reconcile"
	"teal/spec"
)

var update = flag.Bool("update", false, "write the golden files anew")

var now = time.Date(2026, 11, 22, 15, 4, 5, 0, time.UTC)

// golden compares text with testdata/name.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("%s is\n%s\nnot\n%s", name, text, want)
	}
}

// both draws without and with colours, and checks that colours only add.
func both(t *testing.T, name string, draw func(Options) string) {
	t.Helper()
	plainText := draw(Options{Now: now})
	golden(t, name, plainText)
	if coloured := draw(Options{Now: now, Colour: true}); sgr.ReplaceAllString(coloured, "") != plainText {
		t.Errorf("%s: colours change the text:\n%s", name, coloured)
	} else if coloured == plainText {
		t.Errorf("%s: nothing is coloured", name)
	}
}

var was = spec.Name{Project: "pennyway", Service: "was"}

func verifying() reconcile.Status {
	return reconcile.Status{
		App: was, Kind: "app", Generation: 14, Image: "pennyway/was:1.4.2",
		Serving: reconcile.Condition{OK: true, Message: "1.4.1 (green, 100 %)"},
		Synced:  reconcile.Condition{Message: "Verifying 1/3"},
		Phase:   reconcile.Verifying, Since: now.Add(-7 * time.Second), Deadline: now.Add(113 * time.Second), Rollout: "r-14",
		Colours: []reconcile.ColourStatus{
			{
				Colour: spec.Green, Role: "stable", Revision: "v1:3f2a77aa01", Image: "pennyway/was:1.4.1", Weight: 100,
				Replicas: 2, Ready: 2, Probe: "GET /v3/api-docs → 200",
				Traffic: &reconcile.Traffic{Requests: 12410, Failures: 4, P95: 0.0123, InFlight: 3},
			},
			{
				Colour: spec.Blue, Role: "candidate", Revision: "v1:91cc01ff02", Image: "pennyway/was:1.4.2",
				Replicas: 2, Ready: 1, Probe: "GET /v3/api-docs → 503",
			},
		},
		Next: []string{"teal abort pennyway/was"},
	}
}

func held() reconcile.Status {
	s := verifying()
	s.Phase, s.Rollout, s.Synced = reconcile.Idle, "", reconcile.Condition{Reason: reconcile.ReasonHeld, Message: "1.4.2 is held"}
	s.Colours = s.Colours[:1]
	s.Next = []string{"teal retry pennyway/was", "teal logs pennyway/was --rollout r-14"}
	s.Hold = &reconcile.Hold{
		Generation: 14, Image: "pennyway/was:1.4.2", Rollout: "r-14", Reason: reconcile.ReasonUnhealthy, Message: "unhealthy at 2m00s",
		Evidence: &reconcile.Evidence{
			Containers: []reconcile.ContainerEvidence{
				{Name: "pennyway-was-blue-91cc01ff-1", State: "exited", ExitCode: 137, Restarts: 2, OOMKilled: true, LastProbe: "GET / → 503", Logs: manyLines()},
				{Name: "pennyway-was-blue-91cc01ff-2", State: "running", LastProbe: "GET / → connection refused"},
			},
			Test: []string{"smoke: 1 of 3 failed"},
		},
	}
	return s
}

func manyLines() []string {
	var out []string
	for i := range 13 {
		out = append(out, strings.Repeat("·", i)+"\x1b[2Jline")
	}
	return out
}

func TestStatus(t *testing.T) {
	standby := verifying()
	standby.App.Service, standby.Phase, standby.Synced = "web", reconcile.Idle, reconcile.Condition{OK: true, Message: "1.4.1"}
	standby.Colours[1] = reconcile.ColourStatus{
		Colour: spec.Blue, Role: "standby", Revision: "v1:00aa", Image: "pennyway/was:1.4.0", Replicas: 1, Ready: 1, Until: now.Add(9*time.Minute + 3*time.Second),
	}
	standby.Next = []string{"teal undo pennyway/web"}
	standby.Override = &reconcile.Override{Generation: 14}
	waiting := reconcile.Status{
		App: spec.Name{Project: "pennyway", Service: "rdb"}, Kind: "dependency", Generation: 2,
		Serving: reconcile.Condition{Reason: reconcile.ReasonNothingRuns}, Synced: reconcile.Condition{Message: "waits for the registry"},
		Backoff: &reconcile.Backoff{Attempts: 2, Next: now.Add(12 * time.Second), Failure: reconcile.Failure{Reason: reconcile.ReasonRegistryUnavailable, Message: "503"}},
	}
	both(t, "status", func(o Options) string {
		return Status(api.StatusList{
			At: now, Apps: []reconcile.Status{verifying(), held(), standby, waiting},
			Controller: api.ControllerStatus{Engine: reconcile.Condition{OK: true}, Proxy: reconcile.Condition{Message: "connection refused"}},
			Sources: []api.SourceStatus{
				{Files: []string{"good.yaml"}, Valid: reconcile.Condition{OK: true}},
				{
					Files: []string{"compose.yaml"}, Valid: reconcile.Condition{Message: "2 problems"},
					Problems: []string{"compose.yaml:3: services.was.imag: unknown key", "compose.yaml:9: services.was: no image"},
				},
			},
		}, o)
	})
}

func TestNothingYet(t *testing.T) {
	ok := reconcile.Condition{OK: true}
	golden(t, "nothing", Status(api.StatusList{Controller: api.ControllerStatus{Engine: ok, Proxy: ok}}, Options{Now: now}))
}

func TestStatusOfSeveralHosts(t *testing.T) {
	s := verifying()
	s.Away = []reconcile.AwayHost{{Host: "app-2", Words: "connection\nrefused"}}
	s.Containers = []reconcile.ContainerStatus{
		{Host: "app-1", Colour: spec.Blue, Replica: 1, Adopted: true},
		{Host: "app-1", Colour: spec.Green, Replica: 1},
		{Host: "app-2", Colour: spec.Green, Replica: 2, Lost: true},
		{Host: "app-1", Colour: spec.Green, Replica: 3},
	}
	rdb := reconcile.Status{
		App: spec.Name{Project: "pennyway", Service: "rdb"}, Kind: "dependency", Serving: reconcile.Condition{OK: true, Message: "mysql:8.4"},
		Synced: reconcile.Condition{OK: true, Message: "generation 1"}, Containers: []reconcile.ContainerStatus{{Host: "edge", Replica: 1}},
	}
	ok := reconcile.Condition{OK: true, Message: "answers"}
	both(t, "hosts", func(o Options) string {
		return Status(api.StatusList{Controller: api.ControllerStatus{Engine: ok, Proxy: ok, Hosts: []api.HostStatus{
			{Name: "edge", URL: "unix:///var/run/docker.sock", Answers: ok, Engine: "20.10.24", EngineAPI: "1.41"},
			{Name: "app-1", URL: "ssh://deploy@10.0.0.5", Address: "10.0.0.5", Answers: ok, Engine: "29.0.1"},
			{Name: "app-2", URL: "ssh://deploy@10.0.0.6", Address: "10.0.0.6", Answers: reconcile.Condition{Reason: reconcile.ReasonHostAway, Message: "connection refused"}},
		}}, Apps: []reconcile.Status{s, rdb}}, o)
	})
}

func TestHeld(t *testing.T) {
	both(t, "held", func(o Options) string { return Held(held(), o) })
}

func TestPlan(t *testing.T) {
	both(t, "plan", func(o Options) string {
		return Plan(api.PlanResult{
			Apps: []api.AppPlan{
				{
					App: was, Kind: "app", Generation: 15, Changed: true,
					Changes: []api.Change{
						{Key: "image", From: "was:1", To: "was:2"},
						{Key: "environment.TZ", To: "Asia/Seoul"},
						{Key: "command", From: "serve"},
						{Key: "environment.SECRET"},
					},
					Entries: []api.PlanEntry{
						{Kind: api.PlanStep, Step: reconcile.StepPull, Text: "pull image was:2", Why: "it is not on the host"},
						{Kind: api.PlanWait, Text: "3 good probes in a row", Why: "nothing unverified gets traffic", Limit: spec.Duration(2 * time.Minute)},
						{Kind: api.PlanGate, Text: "promotion by hand", Limit: spec.Duration(time.Hour)},
						{Kind: api.PlanStep, Step: reconcile.StepRoute, Text: "route 100 % to blue", Why: "blue is verified"},
					},
				},
				{App: spec.Name{Project: "pennyway", Service: "old"}, Kind: "app", Generation: 3, Orphaned: true},
				{App: spec.Name{Project: "pennyway", Service: "gone"}, Kind: "dependency", Generation: 3, Pruned: true},
				{App: spec.Name{Project: "pennyway", Service: "stuck"}, Kind: "app", Generation: 4, Blocked: "held: no such image"},
				{App: spec.Name{Project: "pennyway", Service: "rdb"}, Kind: "dependency", Generation: 2},
			},
			Warnings: []string{"the tag latest moves"},
		}, o)
	})
	golden(t, "plan_nothing", Plan(api.PlanResult{Apps: []api.AppPlan{{App: was, Kind: "app", Generation: 2}}}, Options{}))
}

func TestAccepted(t *testing.T) {
	both(t, "accepted", func(o Options) string {
		return Accepted(api.ApplyResult{Apps: []api.Accepted{
			{Accepted: reconcile.Accepted{App: was, Generation: 2, Changed: true}, Changes: []api.Change{{Key: "image", From: "a", To: "b"}}},
			{Accepted: reconcile.Accepted{App: spec.Name{Project: "pennyway", Service: "rdb"}, Generation: 1}},
			{Accepted: reconcile.Accepted{App: spec.Name{Project: "pennyway", Service: "old"}, Generation: 1, Orphaned: true}},
		}}, o)
	})
}

func TestHistory(t *testing.T) {
	at := func(s int) time.Time { return now.Add(time.Duration(s) * time.Second) }
	both(t, "history", func(o Options) string {
		return History([]reconcile.Rollout{
			{
				ID: "r-12", App: was, Trigger: reconcile.TriggerChange, Generation: 14, Colour: spec.Blue, Result: reconcile.Failed,
				Revision: reconcile.Revision{Image: reconcile.Image{Ref: "was:1.4.2"}}, Accepted: at(0), Ended: at(120),
				Failure: &reconcile.Failure{Reason: reconcile.ReasonUnhealthy, Message: "not ready after 2m"},
			},
			{
				ID: "r-11", App: was, Trigger: reconcile.TriggerUndo, Generation: 13, Colour: spec.Green, Result: reconcile.Succeeded,
				Revision: reconcile.Revision{Image: reconcile.Image{Ref: "was@sha256:0123456789abcdef"}},
				Accepted: at(-90000), Verified: at(-89997), Switched: at(-89996), Ended: at(-89000),
			},
		}, o)
	})
}

func TestHistoryNamesCommits(t *testing.T) {
	both(t, "history-commits", func(o Options) string {
		from := &spec.Origin{Source: "shop", Commit: "0123456789abcdef", Author: "Ann", Subject: "Roll out 1.4.2 \x1b[2J"}
		s := held()
		s.Colours = append(s.Colours[:0:0], s.Colours...)
		s.Colours[0].Origin = from
		return History([]reconcile.Rollout{
			{
				ID: "r-12", App: was, Trigger: reconcile.TriggerChange, Generation: 14, Colour: spec.Blue, Result: reconcile.RolledBack,
				Revision: reconcile.Revision{Image: reconcile.Image{Ref: "was:1.4.2"}}, Accepted: now, Ended: now, Origin: from,
				Failure: &reconcile.Failure{Reason: reconcile.ReasonUnhealthy, Message: "not ready after 2m"},
			},
			{
				ID: "r-11", App: was, Trigger: reconcile.TriggerChange, Generation: 13, Colour: spec.Green, Result: reconcile.Succeeded,
				Revision: reconcile.Revision{Image: reconcile.Image{Ref: "was:1.4.1"}}, Accepted: now, Ended: now,
			},
		}, o) + Status(api.StatusList{Apps: []reconcile.Status{s}}, o)
	})
}

func TestLines(t *testing.T) {
	both(t, "lines", func(o Options) string {
		return Event(reconcile.Event{At: now, App: was, Reason: reconcile.ReasonHeld, Message: "held\x07", Warning: true, Rollout: "r-1"}, o) +
			Event(reconcile.Event{At: now.AddDate(0, 0, -1), Reason: "EngineBack", Message: "the engine answers again"}, o) +
			Log(api.LogLine{Container: "was-blue-1", Colour: spec.Blue, Text: "a\tb\x1b[2Jc"}, o) +
			Progress(verifying(), o) + "\n" + Reached(held(), o)
	})
}

func TestNothingSteersTheTerminal(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                   "plain",
		"a\x1b[31mred\x1b[0m":     "ared",
		"\x1b]0;title\x07x":       "]0;titlex",
		"up\x1b[1Aand\x1b[2Jaway": "up[1Aand[2Jaway",
		"\u009b31mC1":             "31mC1",
		"two\nlines\r\n":          "two lines",
		"tab\tbed":                "tab bed",
	} {
		if got := Clean(in); got != want {
			t.Errorf("%q became %q", in, got)
		}
	}
	if got := cleanLog("a\x1b[31mb\x1b[2J\tc", true); got != "a\x1b[31mb[2J\tc\x1b[0m" {
		t.Errorf("log became %q", got)
	}
}

func TestWordsForNumbers(t *testing.T) {
	for want, got := range map[string]string{
		"00:07": watch(7 * time.Second), "1:02:03": watch(time.Hour + 2*time.Minute + 3*time.Second), "00:00": watch(-time.Second),
		"340ms": length(340 * time.Millisecond), "7.0s": length(7 * time.Second), "42s": length(42 * time.Second),
		"2m03s": length(123 * time.Second), "5h12m": length(5*time.Hour + 12*time.Minute), "3d4h": length(76 * time.Hour),
		"12 410": count(12410), "-1 000": count(-1000), "999": count(999), "1 234 567": count(1234567),
		"12 ms": millis(0.0123), "0.4 ms": millis(0.0004), "1.5 s": millis(1.5),
		"1.4.2": ShortImage("localhost:5000/pennyway/was:1.4.2"), "was": ShortImage("localhost:5000/was"),
		"0123456789ab": ShortImage("was@sha256:0123456789abcdef"), "v": ShortImage("was:v@sha256:01"),
	} {
		if got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}
