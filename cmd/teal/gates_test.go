package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"teal/cmd/load/loadgen"
	"teal/reconcile"
)

// under runs the load that must not notice anything, and judges it at the end.
func (l *lab) under(rate float64) {
	l.t.Helper()
	ctx := context.WithoutCancel(l.t.Context()) // a test's own ends before its clean-up
	client, err := loadgen.New(ctx, loadgen.Config{URL: "http://" + l.address + "/echo", Rate: rate})
	if err != nil {
		l.t.Fatal(err)
	}
	client.Start(ctx)
	l.t.Cleanup(func() {
		if r := client.Stop(); r.Failed > 0 || r.Sent == 0 {
			l.t.Errorf("requests were lost:\n%s", r)
		}
	})
}

// gated is a desired state with a test, a preview and further lines of x-teal.
func (l *lab) gated(image string, more ...string) string {
	text := l.wants(image, append([]string{"test: {command: [/app, smoke]}"}, more...)...)
	return strings.Replace(text, "{port: 8080}", "{port: 8080, preview: {host: preview.test, token: sesame}}", 1)
}

// synced waits until what is wanted has come as far as reason says; empty: to
// its end.
func (l *lab) synced(image string, reason reconcile.Reason) reconcile.Status {
	l.t.Helper()
	var s reconcile.Status
	l.until(fmt.Sprintf("%s is %q", image, reason), func() error {
		s = l.status()
		if s.Image != image || s.Observed != s.Generation || s.Synced.Reason != reason || s.Synced.OK != (reason == "") {
			return fmt.Errorf("%s: %+v", s.Image, s.Synced)
		}
		return nil
	})
	return s
}

// previewed asks for the staged version.
func (l *lab) previewed(change func(*http.Request)) string {
	l.t.Helper()
	r, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, "http://"+l.address+"/", nil)
	if err != nil {
		l.t.Fatal(err)
	}
	change(r)
	client := http.Client{Timeout: 10 * time.Second}
	res, err := client.Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	defer res.Body.Close()
	return res.Header.Get("Version")
}

func TestGatesAndColoursUnderLoad(t *testing.T) {
	v1, v2, v3 := image(t, "v1", ""), image(t, "v2", ""), image(t, "v3", "")
	l := newLab(t)
	l.edit(l.gated(v1))
	l.start()
	l.served("v1")
	l.synced(v1, "")
	l.under(100)

	l.edit(l.gated(v2, "promotion: manual"))
	s := l.synced(v2, reconcile.ReasonAwaitPromotion)
	l.served("v1")
	for name, change := range map[string]func(*http.Request){
		"a header from this host": func(r *http.Request) { r.Header.Set("Teal-Preview", "true") },
		"a header with the token": func(r *http.Request) { r.Header.Set("Teal-Preview", "sesame") },
		"the preview's host":      func(r *http.Request) { r.Host = "preview.test" },
	} {
		if v := l.previewed(change); v != "v2" {
			t.Errorf("with %s the preview is %q", name, v)
		}
	}
	l.teal("promote", "--rollout", "r-99").expect(t, exitFailed, "r-99")
	l.teal("promote", "--rollout", s.Rollout).expect(t, exitDone)
	l.served("v2")

	l.edit(l.gated(v2, "promotion: manual", "active: blue"))
	l.served("v1") // the standby, at once
	if s := l.synced(v2, reconcile.ReasonHeld); s.Hold.Reason != reconcile.ReasonPinnedAway {
		t.Errorf("held for %s", s.Hold.Reason)
	}
	l.edit(l.gated(v3, "active: blue"))
	l.synced(v3, reconcile.ReasonPinned)
	l.served("v1")
	l.teal("promote").expect(t, exitFailed, "active pins blue")
	l.edit(l.gated(v3, "active: green"))
	l.served("v3")
	l.synced(v3, "")

	l.edit(strings.Replace(l.gated(v2), "[/app, smoke]", "[/app, smoke, 'http://127.0.0.1:1']", 1))
	if s := l.held(v2); s.Hold.Reason != reconcile.ReasonTestFailed || len(s.Hold.Evidence.Test) == 0 {
		t.Errorf("held for %s with %+v", s.Hold.Reason, s.Hold.Evidence)
	}
	l.served("v3")
}

// A whole project: a dependency that is awaited, a job, replicas, and what lies
// in the project's own folder.
func TestAProjectWithDependenciesComesUp(t *testing.T) {
	v1, v2 := image(t, "v1", ""), image(t, "v2", "")
	l := newLab(t)
	text := strings.Replace(l.wants(v1), "    x-teal:", `    deploy: {replicas: 2}
    volumes: ["./data:/data", "files:/files"]
    depends_on: {cache: {condition: service_healthy}, migrate: {condition: service_completed_successfully}}
    x-teal:`, 1) + fmt.Sprintf(`  cache:
    image: %[1]s
    pull_policy: never
    stop_grace_period: 2s
    healthcheck: {test: [CMD, /app, smoke, 'http://127.0.0.1:8080'], interval: 200ms, timeout: 2s, retries: 3}
  migrate:
    image: %[1]s
    pull_policy: never
    command: [/app, smoke, 'http://cache:8080']
    depends_on: {cache: {condition: service_healthy}}
volumes: {files: {}}
`, v1)
	l.edit(text)
	l.start()
	l.teal("wait", "--timeout", "60s").expect(t, exitDone, "web", "cache", "migrate")
	l.served("v1")
	l.under(100)
	l.edit(strings.Replace(text, "image: "+v1, "image: "+v2, 1))
	l.teal("wait", "--timeout", "60s").expect(t, exitDone)
	l.served("v2")
	l.edit(strings.Replace(strings.Replace(text, "image: "+v1, "image: "+v2, 1), "replicas: 2", "replicas: 3", 1))
	l.teal("wait", "--timeout", "60s").expect(t, exitDone)
	if n := len(containers(t, l.id)); n < 3+2+1 {
		t.Errorf("%d containers", n)
	}
}
