package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"teal/controller/api"
	"teal/deploy/docker/dockertest"
	"teal/deploy/workbench"
	"teal/reconcile"
	"teal/spec"
)

// image makes an image of the hello app.
func image(t *testing.T, version, fault string) string {
	t.Helper()
	return dockertest.Image(t, version, dockertest.Options{Env: map[string]string{"VERSION": version, "BREAK": fault}})
}

// listed is what the controller says of everything.
func (l *lab) listed() api.StatusList {
	l.t.Helper()
	r := l.teal("status", "-o", "json")
	var list api.StatusList
	if err := json.Unmarshal([]byte(r.out), &list); err != nil {
		l.t.Fatalf("status: %v: %s%s", err, r.out, r.err)
	}
	return list
}

// status is that of the lab's only app.
func (l *lab) status() reconcile.Status {
	l.t.Helper()
	list := l.listed()
	if len(list.Apps) != 1 {
		l.t.Fatalf("status: %+v", list)
	}
	return list.Apps[0]
}

// source is what the status says of the watched file.
func (l *lab) source() api.SourceStatus {
	l.t.Helper()
	list := l.listed()
	if len(list.Sources) != 1 {
		l.t.Fatalf("status: %+v", list)
	}
	return list.Sources[0]
}

// held waits until an image is held.
func (l *lab) held(image string) reconcile.Status {
	l.t.Helper()
	var s reconcile.Status
	l.until(image+" is held", func() error {
		if s = l.status(); s.Hold == nil || !strings.Contains(s.Hold.Image, image) || s.Phase != reconcile.Idle {
			return fmt.Errorf("%s: %s", s.Phase, s.Synced.Message)
		}
		return nil
	})
	return s
}

func TestFromTheFirstVersionToTheLast(t *testing.T) {
	v1, v2, v3 := image(t, "v1", ""), image(t, "v2", ""), image(t, "v3", "unhealthy")
	l := newLab(t)
	l.edit(l.wants(v1))
	l.start()
	l.teal("wait", "--timeout", "60s").expect(t, exitDone)
	l.served("v1")
	l.teal("doctor", "--http", l.address).expect(t, exitDone, "Docker Engine", "network teal-ingress", "addresses free", "taken, and Teal's proxy runs")

	l.edit(l.wants(v2))
	l.served("v2")
	l.teal("undo").expect(t, exitDone, "undo took effect", "✔")
	if v, err := l.get(); v != "v1" {
		t.Errorf("after the undo %s serves, %v", v, err)
	}
	l.teal("events").expect(t, exitDone, "undo asked for by ann")

	l.edit(l.wants(v3))
	s := l.held(v3)
	if !s.Serving.OK || s.Hold.Reason != reconcile.ReasonUnhealthy {
		t.Errorf("serving %+v, held for %s", s.Serving, s.Hold.Reason)
	}
	l.teal("wait").expect(t, exitFailed, "GET /health → 503", "version v3 listening", "teal retry")
	l.teal("logs", "web", "--rollout", s.Hold.Rollout).expect(t, exitDone, "version v3 listening")
	l.teal("history").expect(t, exitDone, "r-1", "failed", "Unhealthy")
	if v, err := l.get(); v == "v3" || err != nil {
		t.Errorf("%s serves, %v", v, err)
	}

	l.edit(l.wants(v2))
	l.kill()
	l.served("v1") // traffic does not depend on the controller
	l.start()
	l.served("v2")

	l.stop()
	l.teal("down", "--yes", "--controller", l.id).expect(t, exitDone, "nothing of controller "+l.id+" is left")
	if list := containers(t, l.id); len(list) > 0 {
		t.Errorf("left: %v", list)
	}
}

// bench is the engine, for looking at it and for acting by hand.
func bench(t *testing.T) *workbench.Bench {
	t.Helper()
	b, err := workbench.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// containers are the names and ids of all that a controller runs.
func containers(t *testing.T, id string) []string {
	t.Helper()
	all, err := bench(t).Running(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, x := range all {
		out = append(out, x.Name+" "+x.ID)
	}
	return out
}

func TestBadInputChangesNothing(t *testing.T) {
	v1 := image(t, "v1", "")
	l := newLab(t)
	l.edit(l.wants(v1))
	l.start()
	l.served("v1")
	before := l.status()
	if err := os.WriteFile(filepath.Join(l.folder, "none"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	good := l.wants(v1)
	for _, c := range []struct {
		name, text string
		words      []string
	}{
		{"not YAML", "services: [", []string{"compose.yaml"}},
		{"empty", "", []string{"no active service"}},
		{"unknown key", strings.Replace(good, "standby:", "stanby:", 1), []string{"compose.yaml:10", "stanby", "standby"}},
		{"unknown Compose key", strings.Replace(good, "pull_policy:", "pul_policy:", 1), []string{"compose.yaml:5", "pul_policy"}},
		{"unknown colour", l.wants(v1, "active: red"), []string{"compose.yaml:11", "red", "blue"}},
		{"missing env file", strings.Replace(good, "    pull_policy", "    env_file: nowhere.env\n    pull_policy", 1), []string{"compose.yaml:5", "nowhere.env"}},
		{"refused key", strings.Replace(good, "    pull_policy", "    privileged: true\n    pull_policy", 1), []string{"compose.yaml:5", "privileged"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := l.in(t)
			l.edit(c.text)
			var s api.SourceStatus
			l.until("it is refused", func() error {
				if s = l.source(); s.Valid.OK || !containsAll(strings.Join(s.Problems, "\n"), c.words) {
					return fmt.Errorf("%+v", s)
				}
				return nil
			})
			l.teal("status").expect(t, exitDone, append(c.words, "what was accepted before goes on")...)
			l.teal("plan", "-f", "compose.yaml").expect(t, exitBadInput, c.words...)
			l.teal("apply", "-f", "compose.yaml").expect(t, exitBadInput, c.words...)
			if v, err := l.get(); v != "v1" {
				t.Errorf("%s serves, %v", v, err)
			}
		})
	}
	if after := l.status(); after.Generation != before.Generation || after.Colours[0].Revision != before.Colours[0].Revision {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

func containsAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

func TestWhatCannotRunIsHeldAndStableServes(t *testing.T) {
	v1 := image(t, "v1", "")
	crash, later := image(t, "v2", "exit"), image(t, "v3", "break-after=4s")
	registry := dockertest.Registry(t, &dockertest.Credentials{User: "user", Password: "secret", Hash: "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a"})
	l := newLab(t)
	l.edit(l.wants(v1))
	l.start()
	l.served("v1")
	pulled := func(ref string) string {
		return strings.Replace(l.wants(ref), "pull_policy: never", "pull_policy: missing", 1)
	}
	for _, c := range []struct {
		name, text, image string
		reason            reconcile.Reason
		words             []string
	}{
		{"missing image", l.wants("teal-test-missing:v9"), "teal-test-missing:v9", reconcile.ReasonImageNotFound, []string{"teal-test-missing:v9"}},
		{"denied by the registry", pulled(registry.Address + "/secret:v9"), "/secret:v9", reconcile.ReasonImageDenied, []string{"secret:v9"}},
		{"crash loop", strings.Replace(l.wants(crash), "deadline: 5s", "deadline: 1m", 1), crash, reconcile.ReasonCrashLoop, []string{"CrashLoop", "restarted 3 times"}},
		{"breaks after the switch", l.wants(later, "bake: 30s"), later, reconcile.ReasonUnhealthy, []string{"GET /health → 500"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := l.in(t)
			l.edit(c.text)
			s := l.held(c.image)
			if s.Hold.Reason != c.reason {
				t.Errorf("held for %s: %s", s.Hold.Reason, s.Hold.Message)
			}
			l.teal("wait").expect(t, exitFailed, append(c.words, "still serving")...)
			l.served("v1")
		})
	}
}

func TestAContainerRemovedByHandIsRepaired(t *testing.T) {
	v1 := image(t, "v1", "")
	l := newLab(t)
	l.edit(l.wants(v1))
	l.start()
	l.served("v1")
	removed, err := bench(t).Remove(t.Context(), spec.LabelProject, l.project)
	if err != nil || removed.Containers != 1 {
		t.Fatalf("removed %+v, %v", removed, err)
	}
	l.until("it serves again", func() error {
		v, err := l.get()
		if err == nil && v != "v1" {
			err = errors.New(v)
		}
		return err
	})
	l.teal("wait", "--for=serving").expect(t, exitDone)
}

func TestASecondControllerIsRefused(t *testing.T) {
	l := newLab(t)
	l.edit(l.wants("teal-test-none:v1"))
	l.start()
	l.teal("run", "-f", "compose.yaml", "--http", freeAddress(t)).
		expect(t, exitFailed, fmt.Sprintf("the lock is held by pid %d", l.process.Process.Pid), "give this one its own --state")
	l.teal("run", "-f", "compose.yaml", "--http", freeAddress(t), "--state", filepath.Join(l.folder, "other"), "--socket", filepath.Join(l.folder, "state", "teal.sock")).
		expect(t, exitFailed, "another process answers at the socket", "--socket")
	l.teal("down", "--yes").expect(t, exitBadInput, "is watched", "stop teal run, then: teal down")
}

func TestADamagedStoreIsRebuilt(t *testing.T) {
	v1 := image(t, "v1", "")
	l := newLab(t)
	l.edit(l.wants(v1))
	l.start()
	l.served("v1")
	ran := containers(t, l.id)
	l.stop()
	db := filepath.Join(l.folder, "state", "teal.db")
	if err := os.WriteFile(db, []byte("not a database, but long enough to be looked at"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.start()
	l.teal("wait", "--timeout", "60s").expect(t, exitDone)
	l.teal("status").expect(t, exitDone, "damaged and built anew", db+".damaged-")
	l.teal("events").expect(t, exitDone, "RecordsRebuilt")
	l.served("v1")
	if now := containers(t, l.id); strings.Join(now, " ") != strings.Join(ran, " ") {
		t.Errorf("containers were %v, are %v", ran, now)
	}
}
