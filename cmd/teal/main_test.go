package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teal/controller/api"
	"teal/controller/api/apitest"
	"teal/reconcile"
	"teal/spec"
)

func TestMain(m *testing.M) {
	registry := goleak.IgnoreAnyFunction("teal/deploy/docker/dockertest.startBound.func1") // a thread that must live on
	goleak.VerifyTestMain(m, registry, goleak.Cleanup(func(code int) {
		if binaryFolder != "" && os.RemoveAll(binaryFolder) != nil {
			code = 1
		}
		os.Exit(code)
	}))
}

var (
	was   = spec.Name{Project: "pennyway", Service: "was"}
	rdb   = spec.Name{Project: "pennyway", Service: "rdb"}
	start = time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)
)

// settled is an app that serves what is wanted.
func settled() reconcile.Status {
	return reconcile.Status{
		App: was, Kind: "app", Generation: 14, Observed: 14, Image: "example.com/pennyway/was:1.4.1", Active: "auto",
		Serving: reconcile.Condition{OK: true, Message: "1.4.1 (green, 100 %)"},
		Synced:  reconcile.Condition{OK: true, Message: "1.4.1"},
		Colours: []reconcile.ColourStatus{{
			Colour: spec.Green, Role: "stable", Revision: "v1:3f2a91cc00", Image: "example.com/pennyway/was:1.4.1",
			Weight: 100, Replicas: 2, Ready: 2,
		}},
	}
}

// rolling is the same app with a rollout under way.
func rolling(phase reconcile.Phase) reconcile.Status {
	s := settled()
	s.Generation, s.Observed, s.Image = 15, 15, "example.com/pennyway/was:1.4.2"
	s.Phase, s.Rollout, s.Since = phase, "r-15", start
	s.Synced = reconcile.Condition{Message: "1.4.2 is under way"}
	return s
}

// held is the same app after the rollout failed.
func held() reconcile.Status {
	s := rolling(reconcile.Idle)
	s.Rollout = ""
	s.Synced = reconcile.Condition{Reason: reconcile.ReasonHeld, Message: "1.4.2 is held"}
	s.Next = []string{"teal retry pennyway/was"}
	s.Hold = &reconcile.Hold{
		Generation: 15, Image: s.Image, Rollout: "r-15", Reason: reconcile.ReasonUnhealthy, Message: "not ready after 2m0s",
		Evidence: &reconcile.Evidence{Containers: []reconcile.ContainerEvidence{{
			Name: "pennyway-was-blue-91cc0000-1", State: "exited", ExitCode: 137, Restarts: 2,
			LastProbe: "GET / → 503", Logs: []string{"listening", "out of \x1b[31mcheese\x1b]0;title\x07"},
		}}},
	}
	return s
}

func fake() *apitest.Fake {
	return apitest.New(start, settled(), reconcile.Status{
		App: rdb, Kind: "dependency", Generation: 3, Observed: 3,
		Serving: reconcile.Condition{OK: true, Message: "8.4"}, Synced: reconcile.Condition{OK: true, Message: "8.4"},
	})
}

// result is what came of one run.
type result struct {
	code     int
	out, err string
}

// teal runs the program against a socket.
func teal(t *testing.T, socket string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return tealContext(ctx, socket, args...)
}

func tealContext(ctx context.Context, socket string, args ...string) result {
	var out, err bytes.Buffer
	m := Main{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &err, Env: []string{"HOME=/nowhere", "USER=ann", "TEAL_SOCKET=" + socket}}
	code := m.Run(ctx, args)
	return result{code, out.String(), err.String()}
}

// expect checks the exit code and that all words were said, somewhere.
func (r result) expect(t *testing.T, code int, words ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, not %d", r.code, code)
	}
	for _, w := range words {
		if !strings.Contains(r.out+r.err, w) {
			t.Errorf("nothing says %q", w)
		}
	}
	if t.Failed() {
		t.Logf("stdout:\n%s\nstderr:\n%s", r.out, r.err)
	}
}

// compose writes a desired state that is good.
func compose(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "compose.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const good = `name: pennyway
services:
  was:
    image: example.com/pennyway/was:1.4.2
    x-teal: {route: {port: 8080}}
`

func TestEveryMistakeIsExplained(t *testing.T) {
	s := apitest.Serve(t, fake())
	file := compose(t, good)
	for _, c := range []struct {
		name  string
		args  []string
		code  int
		words []string
	}{
		{"unknown verb", []string{"aply"}, 2, []string{`there is no verb "aply"`, "→ teal apply"}},
		{"beginning of a verb", []string{"complet"}, 2, []string{"→ teal completion"}},
		{"nonsense verb", []string{"xyzzyplugh"}, 2, []string{"teal --help"}},
		{"unknown flag", []string{"status", "--wach"}, 2, []string{"--wach", "→ teal status --watch"}},
		{"bad flag value", []string{"wait", "--timeout", "soon"}, 2, []string{"soon"}},
		{"bad format", []string{"status", "-o", "yaml"}, 2, []string{"neither text nor json"}},
		{"too many words", []string{"status", "a", "b"}, 2, []string{"at most 1 arg"}},
		{"argument for apply", []string{"apply", file}, 2, []string{"unknown command"}},
		{"unknown app", []string{"status", "pennyway/wsa"}, 2, []string{`no app is called "pennyway/wsa"`, "did you mean pennyway/was?"}},
		{"unknown service", []string{"promote", "zzzzzzz"}, 2, []string{"there is: pennyway/was, pennyway/rdb"}},
		{"bad rollout id", []string{"logs", "was", "--rollout", "12"}, 2, []string{"they look like r-12", "teal history was"}},
		{"bad rollout id of a command", []string{"abort", "--rollout", "x"}, 2, []string{"they look like r-12"}},
		{"stale rollout", []string{"abort", "was", "--rollout", "r-3"}, 1, []string{"r-3 was meant"}},
		{"bad colour", []string{"logs", "was", "--colour", "red"}, 2, []string{"neither blue nor green"}},
		{"bad tail", []string{"logs", "was", "--tail", "-1"}, 2, []string{"--tail"}},
		{"bad limit", []string{"history", "was", "--limit", "0"}, 2, []string{"--limit"}},
		{"bad wait", []string{"wait", "--for", "ever"}, 2, []string{"neither synced nor serving"}},
		{"nothing to promote", []string{"promote", "was"}, 1, []string{"no rollout under way", "teal status pennyway/was"}},
		{"no such file", []string{"apply", "-f", "/nowhere/compose.yaml"}, 2, []string{"/nowhere/compose.yaml"}},
		{"no such settings", []string{"apply", "-c", "/nowhere/teal.yaml"}, 2, []string{"there is no such file"}},
		{"bad variable", []string{"apply", "-f", file, "--variables", "x"}, 2, []string{"KEY=VALUE"}},
		{"not YAML", []string{"apply", "-f", compose(t, "services: [")}, 2, []string{"compose.yaml"}},
		{"unknown key", []string{"plan", "-f", compose(t, strings.Replace(good, "route:", "rout:", 1))}, 2, []string{"compose.yaml:5", "rout", "route"}},
	} {
		t.Run(c.name, func(t *testing.T) { teal(t, s.Socket, c.args...).expect(t, c.code, c.words...) })
	}
}

func TestNoControllerIsSaid(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "none.sock")
	file := compose(t, good)
	for _, args := range [][]string{
		{"status"},
		{"status", "--watch"},
		{"wait"},
		{"apply", "-f", file},
		{"plan", "-f", file},
		{"promote"},
		{"undo", "was"},
		{"history"},
		{"logs"},
		{"events"},
	} {
		t.Run(args[0], func(t *testing.T) {
			r := teal(t, socket, args...)
			r.expect(t, exitUnreachable, "controller not reachable at "+socket, "teal run")
			if r.out != "" {
				t.Errorf("stdout: %q", r.out)
			}
		})
	}
}

func TestVersionNeedsNoController(t *testing.T) {
	teal(t, filepath.Join(t.TempDir(), "none.sock"), "version").expect(t, exitDone, "not reachable")
	teal(t, apitest.Serve(t, fake()).Socket, "version").expect(t, exitDone, "20.10.24", "API 1.41")
}

func TestCompletionKnowsTheApps(t *testing.T) {
	teal(t, apitest.Serve(t, fake()).Socket, "__complete", "undo", "").expect(t, exitDone, "pennyway/was\n")
	teal(t, filepath.Join(t.TempDir(), "none.sock"), "__complete", "undo", "").expect(t, exitDone)
}

func TestHelpOfEveryVerb(t *testing.T) {
	p := &program{}
	for _, c := range p.root().Commands() {
		r := teal(t, "", c.Name(), "--help")
		r.expect(t, exitDone, "Usage:\n  teal "+c.Name())
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: short help is %q", c.Name(), c.Short)
		}
	}
}

func TestRefusalOfTheController(t *testing.T) {
	f := fake()
	f.Refuse = &api.Error{Reason: api.ReasonWatched, Message: "pennyway is watched", Hint: "edit the file"}
	teal(t, apitest.Serve(t, f).Socket, "apply", "-f", compose(t, good)).
		expect(t, exitBadInput, "pennyway is watched", "→ edit the file")
}
