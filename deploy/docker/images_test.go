package docker_test

import (
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/google/go-containerregistry/pkg/authn"

	"teal/deploy/docker"
	"teal/deploy/docker/dockertest"
	"teal/reconcile"
	"teal/spec"
)

func resolve(t testing.TB, engine *docker.Engine, ref string, policy spec.PullPolicy) reconcile.Outcome {
	t.Helper()
	return engine.Perform(t.Context(), reconcile.Step{Kind: reconcile.StepResolve, Image: reconcile.Image{Ref: ref}, Policy: policy})
}

func pull(t testing.TB, engine *docker.Engine, img reconcile.Image) *reconcile.Failure {
	t.Helper()
	return engine.Perform(t.Context(), reconcile.Step{Kind: reconcile.StepPull, App: spec.Name{Project: "p", Service: "web"}, Image: img}).Failure
}

// forget removes an image by hand.
func forget(t testing.TB, ref string) {
	t.Helper()
	_, err := dockertest.Client(t).ImageRemove(t.Context(), ref, image.RemoveOptions{Force: true})
	if err != nil && !errdefs.IsNotFound(err) {
		t.Fatal(err)
	}
}

func TestImageIsPulledByTheDigestItResolvedTo(t *testing.T) {
	var mu sync.Mutex
	var progress []string
	engine, _ := open(t, docker.Options{Progress: func(app spec.Name, text string) {
		mu.Lock()
		defer mu.Unlock()
		progress = append(progress, app.String()+" "+text)
	}})
	server := dockertest.Registry(t, nil)
	ref, first := server.Push(t, "team/hello:1", dockertest.Options{Env: map[string]string{"VERSION": "first"}})
	out := resolve(t, engine, ref, spec.PullMissing)
	if out.Failure != nil || out.Image != (reconcile.Image{Ref: ref, Digest: first}) {
		t.Fatalf("resolved to %+v, %v; want %s", out.Image, out.Failure, first)
	}
	// The tag moves before the pull: the digest still stands for what was wanted.
	_, second := server.Push(t, "team/hello:1", dockertest.Options{Env: map[string]string{"VERSION": "second"}})
	for range 2 {
		if f := pull(t, engine, out.Image); f != nil {
			t.Fatal(f)
		}
	}
	found, err := dockertest.Client(t).ImageInspect(t.Context(), ref)
	if err != nil || !contains(found.Config.Env, "VERSION=first") {
		t.Fatalf("tagged %s: %+v, %v", ref, found.Config, err)
	}
	if mu.Lock(); len(progress) == 0 || !strings.HasPrefix(progress[0], "p/web pulling: ") {
		t.Errorf("progress %q", progress)
	}
	mu.Unlock()
	for policy, want := range map[spec.PullPolicy]string{spec.PullMissing: first, spec.PullNever: first, spec.PullAlways: second} {
		if out := resolve(t, engine, ref, policy); out.Failure != nil || out.Image.Digest != want || out.Image.Local {
			t.Errorf("policy %s: %+v, %v; want %s", policy, out.Image, out.Failure, want)
		}
	}
	if out := resolve(t, engine, ref+"@"+second, spec.PullMissing); out.Image.Digest != second {
		t.Errorf("by digest: %+v, %v", out.Image, out.Failure)
	}
}

func TestPrunedImageIsPulledAgainForARepair(t *testing.T) {
	engine, _ := open(t, docker.Options{})
	server := dockertest.Registry(t, nil)
	ref, digest := server.Push(t, "team/hello:1", dockertest.Options{Env: map[string]string{"X": dockertest.Unique()}})
	name := app(t)
	en := replica(name, reconcile.Image{Ref: ref, Digest: digest}, spec.Blue)
	if c := ensured(t, engine, name, en); c.State != reconcile.Running {
		t.Fatalf("%+v", c)
	}
	person{dockertest.Client(t)}.Remove(t, ensured(t, engine, name, en).ID)
	forget(t, ref)
	if c := ensured(t, engine, name, en); c.State != reconcile.Running || c.Image != ref {
		t.Errorf("%+v", c)
	}
}

// keychain gives the same credentials to every registry.
type keychain struct{ authn.AuthConfig }

func (k keychain) Resolve(authn.Resource) (authn.Authenticator, error) {
	return authn.FromConfig(k.AuthConfig), nil
}

func TestRegistryThatAsksForAPassword(t *testing.T) {
	users := &dockertest.Credentials{User: "user", Password: "secret", Hash: "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a"}
	server := dockertest.Registry(t, users)
	ref, digest := server.Push(t, "team/hello:1", dockertest.Options{Env: map[string]string{"X": dockertest.Unique()}})
	wanted := reconcile.Image{Ref: ref, Digest: digest}

	stranger, _ := open(t, docker.Options{Auth: keychain{}})
	wants(t, resolve(t, stranger, ref, spec.PullMissing).Failure, reconcile.Permanent, reconcile.ReasonImageDenied, "UNAUTHORIZED")
	wants(t, pull(t, stranger, wanted), reconcile.Permanent, reconcile.ReasonImageDenied, "no basic auth credentials")

	wrong, _ := open(t, docker.Options{Auth: keychain{authn.AuthConfig{Username: "user", Password: "wrong"}}})
	wants(t, resolve(t, wrong, ref, spec.PullMissing).Failure, reconcile.Permanent, reconcile.ReasonImageDenied, "UNAUTHORIZED")

	friend, _ := open(t, docker.Options{Auth: keychain{authn.AuthConfig{Username: "user", Password: "secret"}}})
	if out := resolve(t, friend, ref, spec.PullMissing); out.Failure != nil || out.Image != wanted {
		t.Fatalf("resolved to %+v, %v", out.Image, out.Failure)
	}
	if f := pull(t, friend, wanted); f != nil {
		t.Fatal(f)
	}
}

func TestImageThatDoesNotExist(t *testing.T) {
	engine, _ := open(t, docker.Options{})
	server := dockertest.Registry(t, nil)
	ref, _ := server.Push(t, "team/hello:1", dockertest.Options{})
	wants(t, resolve(t, engine, server.Address+"/team/hello:2", spec.PullMissing).Failure, reconcile.Permanent, reconcile.ReasonImageNotFound, "MANIFEST_UNKNOWN")
	wants(t, resolve(t, engine, server.Address+"/team/other:1", spec.PullAlways).Failure, reconcile.Permanent, reconcile.ReasonImageNotFound, "UNKNOWN")
	missing := reconcile.Image{Ref: ref, Digest: "sha256:" + strings.Repeat("9", 64)}
	wants(t, pull(t, engine, missing), reconcile.Permanent, reconcile.ReasonImageNotFound, "manifest")
}

func TestRegistryRefusalsAreClassified(t *testing.T) {
	engine, _ := open(t, docker.Options{})
	server := dockertest.Faulty(t)
	ref, _ := server.Push(t, "team/hello:1", dockertest.Options{})
	for _, c := range []struct {
		status int
		code   string
		class  reconcile.FailureClass
		reason reconcile.Reason
	}{
		{http.StatusForbidden, "DENIED", reconcile.Permanent, reconcile.ReasonImageDenied},
		{http.StatusNotFound, "NAME_UNKNOWN", reconcile.Permanent, reconcile.ReasonImageNotFound},
		{http.StatusTooManyRequests, "TOOMANYREQUESTS", reconcile.Infra, reconcile.ReasonRegistryUnavailable},
		{http.StatusInternalServerError, "UNKNOWN", reconcile.Infra, reconcile.ReasonRegistryUnavailable},
		{http.StatusServiceUnavailable, "UNAVAILABLE", reconcile.Infra, reconcile.ReasonRegistryUnavailable},
		{http.StatusBadRequest, "NAME_INVALID", reconcile.Permanent, reconcile.ReasonImageInvalid},
	} {
		server.Answer(c.status, c.code, "the very words", "Retry-After: 33")
		f := resolve(t, engine, ref, spec.PullAlways).Failure
		words := "the very words"
		if c.class == reconcile.Infra {
			words = http.StatusText(c.status) // a refusal that HEAD showed is not asked for again
		}
		wants(t, f, c.class, c.reason, words)
		if infra := c.class == reconcile.Infra; infra != (f.RetryAfter == spec.Duration(33*time.Second)) {
			t.Errorf("%d: retry after %s", c.status, f.RetryAfter)
		}
	}
	server.Break(nil)
	if f := resolve(t, engine, ref, spec.PullAlways).Failure; f != nil {
		t.Errorf("mended: %v", f)
	}
}

func TestRegistryThatDoesNotAnswer(t *testing.T) {
	engine, _ := open(t, docker.Options{Limits: docker.Limits{Registry: 500 * time.Millisecond}})
	wants(t, resolve(t, engine, "127.0.0.1:1/team/hello:1", spec.PullMissing).Failure, reconcile.Infra, reconcile.ReasonRegistryUnavailable, "connection refused")
	server := dockertest.Faulty(t)
	ref, _ := server.Push(t, "team/hello:1", dockertest.Options{})
	server.Break(func(_ http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done()
		return true
	})
	wants(t, resolve(t, engine, ref, spec.PullAlways).Failure, reconcile.Infra, reconcile.ReasonRegistryUnavailable, "deadline")
}

// layers calls fault for requests of layers and configurations only.
func layers(fault func(w http.ResponseWriter, r *http.Request)) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/blobs/") {
			return false
		}
		fault(w, r)
		return true
	}
}

func TestErrorInsideThePullStream(t *testing.T) {
	engine, _ := open(t, docker.Options{})
	server := dockertest.Faulty(t)
	ref, digest := server.Push(t, "team/hello:1", dockertest.Options{Env: map[string]string{"X": dockertest.Unique()}})
	img := reconcile.Image{Ref: ref, Digest: digest}
	server.Break(layers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		w.Write([]byte(`{"errors":[{"code":"DENIED","message":"pay first"}]}`))
	}))
	wants(t, pull(t, engine, img), reconcile.Permanent, reconcile.ReasonImageDenied, "pay first")
	server.Break(nil)
	if f := pull(t, engine, img); f != nil {
		t.Errorf("mended: %v", f)
	}
}

func TestPullThatStalls(t *testing.T) {
	engine, _ := open(t, docker.Options{Limits: docker.Limits{Stall: time.Second}})
	server := dockertest.Faulty(t)
	ref, digest := server.Push(t, "team/hello:1", dockertest.Options{Env: map[string]string{"X": dockertest.Unique()}})
	server.Break(layers(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.Write([]byte("a few bytes"))
		w.(http.Flusher).Flush()
		<-r.Context().Done() // the engine hangs up
	}))
	wants(t, pull(t, engine, reconcile.Image{Ref: ref, Digest: digest}), reconcile.Infra, reconcile.ReasonRegistryUnavailable, "no progress for 1s")
}

func TestTestMayHaveAnImageOfItsOwn(t *testing.T) {
	engine, _ := open(t, docker.Options{})
	server := dockertest.Registry(t, nil)
	ref, _ := server.Push(t, "team/probe:1", dockertest.Options{Entrypoint: []string{"/app"}, Env: map[string]string{"X": dockertest.Unique()}})
	name := app(t)
	en := replica(name, local(t, dockertest.Options{}), spec.Green)
	target := ensured(t, engine, name, en).Name
	run := reconcile.TestRun{Rollout: "r-5", Colour: spec.Green, Revision: en.Revision, Target: target, Test: spec.Test{Image: ref, Command: []string{"smoke"}}}
	for range 2 {
		if f := engine.Perform(t.Context(), reconcile.Step{Kind: reconcile.StepTest, App: name, Test: &run}).Failure; f != nil {
			t.Fatal(f)
		}
	}
	await(t, "the test passes", func() bool {
		seen, err := engine.Observe(t.Context(), name, reconcile.Look{})
		if err != nil || seen.Test == nil {
			t.Fatal(seen.Test, err)
		}
		return seen.Test.State == reconcile.Exited && seen.Test.ExitCode == 0 && seen.Test.Name == name.Project+"-web-test-r-5"
	})
	// Records were lost, and a rollout of another revision got the same id.
	run.Revision.ID = strings.Repeat("eeee", 16)
	if f := engine.Perform(t.Context(), reconcile.Step{Kind: reconcile.StepTest, App: name, Test: &run}).Failure; f != nil {
		t.Fatal(f)
	}
	if seen, err := engine.Observe(t.Context(), name, reconcile.Look{}); err != nil || seen.Test == nil || seen.Test.Revision != run.Revision.ID {
		t.Errorf("test %+v, %v", seen.Test, err)
	}
}

func TestHalfALayerIsNotBelieved(t *testing.T) {
	engine, _ := open(t, docker.Options{})
	server := dockertest.Faulty(t)
	ref, digest := server.Push(t, "team/hello:1", dockertest.Options{Env: map[string]string{"X": dockertest.Unique()}})
	img := reconcile.Image{Ref: ref, Digest: digest}
	server.Break(layers(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("half of what was asked for")) }))
	wants(t, pull(t, engine, img), reconcile.Infra, reconcile.ReasonRegistryUnavailable, ref)
	server.Break(nil)
	if f := pull(t, engine, img); f != nil {
		t.Errorf("mended: %v", f)
	}
}

func TestCredentialsComeFromTheDockerConfiguration(t *testing.T) {
	users := &dockertest.Credentials{User: "user", Password: "secret", Hash: "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a"}
	server := dockertest.Registry(t, users)
	ref, digest := server.Push(t, "team/hello:1", dockertest.Options{Env: map[string]string{"X": dockertest.Unique()}})
	home := t.TempDir()
	config := `{"auths":{"` + server.Address + `":{"auth":"` + base64.StdEncoding.EncodeToString([]byte("user:secret")) + `"}}}`
	if err := os.Mkdir(filepath.Join(home, ".docker"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".docker", "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	t.Setenv("DOCKER_CONFIG", filepath.Join(home, ".docker"))
	engine, _ := open(t, docker.Options{})
	out := resolve(t, engine, ref, spec.PullAlways)
	if out.Failure != nil || out.Image.Digest != digest {
		t.Fatalf("resolved to %+v, %v", out.Image, out.Failure)
	}
	if f := pull(t, engine, out.Image); f != nil {
		t.Error(f)
	}
}
