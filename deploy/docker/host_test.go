package docker_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/volume"

	"teal/deploy/docker"
	"teal/deploy/docker/dockertest"
	"teal/reconcile"
	"teal/spec"
)

func TestEveryErrorNamesTheHost(t *testing.T) {
	engine, _ := open(t, docker.Options{Name: "app-7", Host: "unix://" + filepath.Join(t.TempDir(), "nobody.sock")})
	name := spec.Name{Project: "p", Service: "web"}
	_, observing := engine.Observe(t.Context(), name, reconcile.Look{})
	_, listing := engine.Apps(t.Context())
	_, _, asking := engine.Version(t.Context())
	_, _, health := engine.Health(t.Context(), "x")
	_, ingress := engine.LookAtIngress(t.Context())
	_, proxy := engine.EnsureProxy(t.Context(), docker.ProxySpec{Binary: dockertest.Binary(t)})
	for what, err := range map[string]error{
		"observe": observing, "apps": listing, "version": asking, "health": health, "ingress": ingress, "proxy": proxy,
		"ping":       engine.Ping(t.Context()),
		"watch":      engine.Watch(t.Context(), func() {}, func(spec.Name) {}),
		"logs":       engine.Logs(t.Context(), "x", 1, false, io.Discard),
		"remove all": engine.RemoveAll(t.Context(), false),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), "host app-7: ") || strings.Count(err.Error(), "app-7") != 1 {
			t.Errorf("%s: %v", what, err)
		}
	}
	f := engine.Perform(t.Context(), reconcile.Step{Kind: reconcile.StepRemove, Container: "x"}).Failure
	wants(t, f, reconcile.Infra, reconcile.ReasonEngineUnavailable, "host app-7: ")
}

// An engine of 2018 is refused before anything is asked of it, and served once
// it was updated.
func TestEngineThatIsTooOld(t *testing.T) {
	var version atomic.Value
	version.Store("1.38")
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", version.Load().(string))
		if !strings.HasSuffix(r.URL.Path, "_ping") {
			asked.Add(1)
			_, _ = io.WriteString(w, "[]") // what it answers is looked at by the engine under test
		}
	}))
	t.Cleanup(server.Close)
	engine, err := docker.New(docker.Options{ControllerID: "test", Name: "app-1", Host: "tcp://" + server.Listener.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	const words = "host app-1: engine too old: API 1.38, Teal needs 1.41 or newer; update Docker to 20.10 or newer"
	wants(t, engine.Perform(t.Context(), reconcile.Step{Kind: reconcile.StepStop, Container: "x"}).Failure, reconcile.Infra, reconcile.ReasonEngineUnavailable, words)
	_, err = engine.Observe(t.Context(), spec.Name{Project: "p", Service: "web"}, reconcile.Look{})
	if f, ok := errors.AsType[*reconcile.Failure](err); !ok || !strings.Contains(f.Message, "engine too old") || asked.Load() != 0 {
		t.Errorf("observe: %v; asked %d times", err, asked.Load())
	}
	version.Store("1.41")
	if _, err := engine.Apps(t.Context()); err != nil || asked.Load() != 1 {
		t.Errorf("after the update: %v; asked %d times", err, asked.Load())
	}
}

func TestFullHostSaysSo(t *testing.T) {
	name := app(t)
	engine, _ := open(t, docker.Options{Name: "app-1"})
	full := name.Project + "-full"
	test := map[string]string{dockertest.LabelTest: dockertest.Label(t)}
	_, err := dockertest.Client(t).VolumeCreate(t.Context(), volume.CreateOptions{
		Name: full, Labels: test, DriverOpts: map[string]string{"type": "tmpfs", "device": "tmpfs", "o": "size=8k"},
	})
	if err != nil {
		t.Fatal(err)
	}
	en := replica(name, withData(t), "")
	en.Revision.Container.Mounts = []spec.Mount{{Type: spec.MountVolume, Source: full, Target: "/data", Volume: &spec.Volume{Name: full, External: true}}}
	// The engine copies what the image has at that place into an empty volume.
	f := ensure(t, engine, name, en)
	wants(t, f, reconcile.Infra, reconcile.ReasonDiskFull, "no space left on device")
	if !strings.HasPrefix(f.Message, "host app-1: ") {
		t.Errorf("%q", f.Message)
	}
}

// withData makes an image that has a file of a megabyte in /data.
func withData(t testing.TB) reconcile.Image {
	t.Helper()
	var content bytes.Buffer
	w := tar.NewWriter(&content)
	data := make([]byte, 1<<20)
	err := errors.Join(
		w.WriteHeader(&tar.Header{Name: "data/", Mode: 0o755, Typeflag: tar.TypeDir}),
		w.WriteHeader(&tar.Header{Name: "data/file", Mode: 0o644, Size: int64(len(data)), Typeflag: tar.TypeReg}),
	)
	if _, writing := w.Write(data); errors.Join(err, writing, w.Close()) != nil {
		t.Fatal(err, writing)
	}
	ref := "teal-test-" + dockertest.Unique() + ":data"
	stream, err := dockertest.Client(t).ImageImport(t.Context(), image.ImportSource{Source: &content, SourceName: "-"}, ref,
		image.ImportOptions{Changes: []string{`CMD ["/none"]`, "LABEL " + dockertest.LabelTest + "=" + dockertest.Label(t)}})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	var last struct{ Status, Error string }
	for decoder := json.NewDecoder(stream); err == nil; {
		err = decoder.Decode(&last)
	}
	if !errors.Is(err, io.EOF) || last.Error != "" {
		t.Fatal(err, last.Error)
	}
	return reconcile.Image{Ref: ref, Digest: last.Status, Local: true}
}

func TestImageOfAnotherHostIsPermanent(t *testing.T) {
	engine, _ := open(t, docker.Options{Name: "app-2"})
	img := reconcile.Image{Ref: "web:1", Digest: "sha256:" + strings.Repeat("2", 64), Local: true}
	f := pull(t, engine, img)
	wants(t, f, reconcile.Permanent, reconcile.ReasonImageNotFound, "image web:1 ("+img.Digest+") is on another host but not on app-2")
	if !strings.HasSuffix(f.Message, "push it to a registry or load it there") {
		t.Errorf("%q", f.Message)
	}
}
