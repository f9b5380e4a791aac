package fleet_test

import (
	"bytes"
	"strings"
	"testing"

	"teal/deploy/docker"
	"teal/deploy/docker/contract"
	"teal/deploy/docker/dockertest"
	"teal/deploy/fleet"
	"teal/deploy/fleet/ssh/sshtest"
	"teal/reconcile"
	"teal/spec"
)

func TestSeveralHostsAreOneEngine(t *testing.T) {
	l := newLab(t, "a", "b")
	f, told := open(t, fleet.Limits{}, "a="+viaSSH(l.hosts[0]), "b="+viaTLS(l.hosts[1]))
	w := watch(t, f)
	app, other := newApp(), newApp()
	if out := perform(t, f, reconcile.Step{Kind: reconcile.StepResolve, App: app, Image: l.image, Policy: spec.PullNever, Hosts: []string{"a", "b"}}); out.Image.Digest != l.image.Digest {
		t.Errorf("resolved %+v", out.Image)
	}
	perform(t, f, reconcile.Step{Kind: reconcile.StepPull, App: app, Image: l.image, Hosts: []string{"a", "b"}})
	perform(t, f, l.replica(app, 1, "a"))
	perform(t, f, l.replica(app, 2, "b"))
	perform(t, f, l.replica(other, 3, "b"))

	seen := observe(t, f, app, "a", "b")
	if on(seen) != "a:1 b:2" || aways(seen) != "" {
		t.Fatalf("observed %s, away %s", on(seen), aways(seen))
	}
	if seen := observe(t, f, app, "a"); on(seen) != "a:1 b:2" {
		t.Errorf("what is left on a host that the app moved away from is not seen: %s", on(seen))
	}
	if seen := observe(t, f, other); on(seen) != "b:3" {
		t.Errorf("without a host, %s is observed", on(seen))
	}
	if apps, err := f.Apps(t.Context()); err != nil || apps[app] != 2 || apps[other] != 3 {
		t.Errorf("apps %v, %v", apps, err)
	}
	await(t, "events come from both hosts", func() bool { return w.count(app) > 0 && w.count(other) > 0 })

	for _, c := range seen.Containers {
		await(t, "its log", func() bool {
			var log bytes.Buffer
			if err := f.Logs(t.Context(), c.ID, 10, false, &log); err != nil {
				t.Fatal(err)
			}
			return strings.Contains(log.String(), "listening")
		})
		if _, _, err := f.Health(t.Context(), c.ID); err != nil {
			t.Error(err)
		}
	}
	ids := []string{seen.Containers[0].ID, seen.Containers[1].ID}
	out := perform(t, f, reconcile.Step{Kind: reconcile.StepEvidence, App: app, Containers: ids, Located: map[string]string{ids[0]: "a", ids[1]: "b"}})
	if len(out.Evidence.Containers) != 2 || out.Evidence.Containers[0].State != "running" || out.Evidence.Containers[1].State != "running" {
		t.Errorf("evidence %+v", out.Evidence)
	}
	perform(t, f, reconcile.Step{Kind: reconcile.StepRemove, App: app, Container: ids[1], Host: "b"})
	perform(t, f, reconcile.Step{Kind: reconcile.StepRemove, App: app, Container: ids[0]}) // where it is, is known
	if seen := observe(t, f, app, "a", "b"); on(seen) != "" {
		t.Errorf("left %s", on(seen))
	}
	for i, s := range f.Hosts(t.Context()) {
		if !s.OK || s.Name != l.hosts[i].Name || s.Version == "" || s.API == "" || s.Since.IsZero() {
			t.Errorf("status %+v", s)
		}
	}
	if v, api, err := f.Version(t.Context()); err != nil || !strings.Contains(v, "(a)") || !strings.Contains(api, "(b)") {
		t.Errorf("versions %q, %q, %v", v, api, err)
	}
	if all := told.all(); len(all) > 0 {
		t.Errorf("told %q", all)
	}
}

func TestFailuresNameTheirHost(t *testing.T) {
	l := newLab(t, "a", "b")
	f, _ := open(t, fleet.Limits{}, "a="+viaUnix(l.hosts[0]), "b="+viaUnix(l.hosts[1]))
	app := newApp()
	strange := reconcile.Image{Ref: "hello:1", Digest: "sha256:" + strings.Repeat("0", 64), Local: true}
	if _, err := l.hosts[1].Run(t.Context(), "docker", "image", "rm", "hello:1"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		step  reconcile.Step
		class reconcile.FailureClass
		words []string
	}{
		{"an image that one host lacks", reconcile.Step{Kind: reconcile.StepPull, App: app, Image: l.image, Hosts: []string{"a", "b"}}, reconcile.Permanent, []string{"host b: image hello:1"}},
		{"an image that both lack", reconcile.Step{Kind: reconcile.StepPull, App: app, Image: strange, Hosts: []string{"a", "b"}}, reconcile.Permanent, []string{"host a: image", "host b: image"}},
		{"a host that is not configured", l.replica(app, 1, "c"), reconcile.Permanent, []string{"host c is not configured", "a, b"}},
		{"a replica without its image", l.replica(app, 1, "b"), "", []string{"host b: "}},
	} {
		fail := f.Perform(t.Context(), c.step).Failure
		if fail == nil || c.class != "" && fail.Class != c.class {
			t.Errorf("%s: %+v", c.name, fail)
			continue
		}
		for _, w := range c.words {
			if strings.Count(fail.Message, w) != 1 {
				t.Errorf("%s: %s\ndoes not say %q once", c.name, fail.Message, w)
			}
		}
	}
	seen := observe(t, f, app, "a", "c")
	if len(seen.Away) != 1 || seen.Away[0].Host != "c" || !strings.Contains(seen.Away[0].Words, "not configured") {
		t.Errorf("away %+v", seen.Away)
	}
}

func TestAnSSHHostHasOneConnection(t *testing.T) {
	s := sshtest.Start(t)
	f, _ := open(t, fleet.Limits{}, "a="+s.URL()+"/var/run/docker.sock?address=127.0.0.1&identity="+s.Identity+"&known_hosts="+s.KnownHosts,
		"b=unix:///nowhere/b.sock?address=127.0.0.2")
	watch(t, f)
	done := make(chan error)
	for range 20 {
		go func() {
			_, err := f.Observe(t.Context(), newApp(), reconcile.Look{Hosts: []string{"a"}})
			done <- err
		}()
	}
	for range 20 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if _, _, err := f.SSH("a").Run(t.Context(), "true", nil); err != nil {
		t.Error(err)
	}
	if n := s.Connections(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

// The engine's own contract holds for the first of several hosts.
func TestContract(t *testing.T) {
	contract.Run(t, func(t *testing.T) contract.Subject {
		id := dockertest.ControllerID(t)
		f, err := fleet.New(fleet.Options{
			Hosts: []fleet.Host{
				{Name: "a", URL: "unix:///var/run/docker.sock"},
				{Name: "b", URL: "unix:///nowhere/b.sock", Address: "127.0.0.2"},
			},
			Engine: docker.Options{ControllerID: id, Ingress: docker.Ingress{Name: "ingress-" + id}},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return contract.Subject{Engine: f, Image: image, By: person{dockertest.Client(t)}}
	})
}
