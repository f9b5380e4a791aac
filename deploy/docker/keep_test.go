package docker_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"teal/deploy/docker"
	"teal/deploy/docker/dockertest"
	"teal/reconcile"
	"teal/spec"
)

// kept looks an image up among those of the engine.
func kept(t testing.TB, engine *docker.Engine, digest string) (reconcile.HostImage, reconcile.HostImages, bool) {
	t.Helper()
	hosts, err := engine.Images(t.Context())
	if err != nil || len(hosts) != 1 {
		t.Fatalf("%d hosts, %v", len(hosts), err)
	}
	at := slices.IndexFunc(hosts[0].Images, func(i reconcile.HostImage) bool {
		return slices.ContainsFunc(i.Digests, func(d string) bool { return strings.HasSuffix(d, "@"+digest) })
	})
	if at < 0 {
		return reconcile.HostImage{}, hosts[0], false
	}
	return hosts[0].Images[at], hosts[0], true
}

// fetched is an image of its own, pulled from a registry.
func fetched(t testing.TB, engine *docker.Engine, server *dockertest.RegistryServer, path string) reconcile.Image {
	t.Helper()
	ref, digest := server.Push(t, path, dockertest.Options{Env: map[string]string{"X": dockertest.Unique()}})
	img := reconcile.Image{Ref: ref, Digest: digest}
	if f := pull(t, engine, img); f != nil {
		t.Fatal(f)
	}
	return img
}

func TestPulledImagesAreToldOfBeforeTheyCome(t *testing.T) {
	var mu sync.Mutex
	var told []reconcile.PulledImage
	refuse := errors.New("the disk of the records is full")
	var fail error
	engine, _ := open(t, docker.Options{Pulling: func(p reconcile.PulledImage) error {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, p)
		return fail
	}})
	server := dockertest.Registry(t, nil)
	img := fetched(t, engine, server, "team/told:1")
	if f := pull(t, engine, img); f != nil { // it is there
		t.Fatal(f)
	}
	if len(told) != 1 || told[0].Image != img || told[0].App != (spec.Name{Project: "p", Service: "web"}) || told[0].At.IsZero() {
		t.Errorf("told of %+v", told)
	}
	fail = refuse
	ref, digest := server.Push(t, "team/told:2", dockertest.Options{Env: map[string]string{"X": dockertest.Unique()}})
	if f := pull(t, engine, reconcile.Image{Ref: ref, Digest: digest}); f == nil || !strings.Contains(f.Message, refuse.Error()) {
		t.Errorf("got %v", f)
	}
	if _, _, there := kept(t, engine, digest); there {
		t.Error("it came although nobody could note it")
	}
}

func TestImagesAreRemovedUnlessSomethingUsesThem(t *testing.T) {
	engine, _ := open(t, docker.Options{})
	client := dockertest.Client(t)
	server := dockertest.Registry(t, nil)
	removed := func(img reconcile.Image) bool {
		t.Helper()
		found, _, there := kept(t, engine, img.Digest)
		if !there {
			t.Fatalf("%s is not there", img.Ref)
		}
		gone, err := engine.RemoveImage(t.Context(), reconcile.ImageRemoval{ID: found.ID, Tags: found.Tags})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, there := kept(t, engine, img.Digest); there == gone {
			t.Errorf("%s: gone %t, still there %t", img.Ref, gone, there)
		}
		return gone
	}
	free := fetched(t, engine, server, "team/keep:free")
	if found, _, _ := kept(t, engine, free.Digest); !slices.Equal(found.Tags, []string{free.Ref}) || found.Size == 0 {
		t.Errorf("%+v", found)
	}
	if !removed(free) {
		t.Error("what nothing uses stayed")
	}
	if gone, err := engine.RemoveImage(t.Context(), reconcile.ImageRemoval{ID: "sha256:" + strings.Repeat("0", 64)}); !gone || err != nil {
		t.Errorf("what is gone: %t, %v", gone, err)
	}

	twice := fetched(t, engine, server, "team/keep:one")
	second := server.Address + "/team/keep:two"
	if err := client.ImageTag(t.Context(), twice.Ref, second); err != nil {
		t.Fatal(err)
	}
	if !removed(twice) {
		t.Error("an image of two known tags stayed")
	}

	stopped := fetched(t, engine, server, "team/keep:stopped")
	made, err := client.ContainerCreate(t.Context(), &container.Config{Image: stopped.Ref, Labels: map[string]string{dockertest.LabelTest: dockertest.Label(t)}}, nil, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, host, _ := kept(t, engine, stopped.Digest); !slices.Contains(host.Used, stopped.Ref) {
		t.Error("a stranger's stopped container is not seen to use its image")
	}
	if removed(stopped) {
		t.Error("a container that does not run lost its image")
	}
	if _, err := client.ContainerInspect(t.Context(), made.ID); err != nil {
		t.Error(err)
	}

	shared := fetched(t, engine, server, "team/keep:shared")
	found, _, _ := kept(t, engine, shared.Digest)
	if err := client.ImageTag(t.Context(), shared.Ref, "elsewhere/keep:"+dockertest.Unique()); err != nil {
		t.Fatal(err)
	}
	// Tagged by somebody since it was looked at: the engine says no.
	if gone, err := engine.RemoveImage(t.Context(), reconcile.ImageRemoval{ID: found.ID, Tags: found.Tags}); gone || err != nil {
		t.Errorf("an image with a stranger's tag: gone %t, %v", gone, err)
	}
	if _, err := client.ImageInspect(t.Context(), shared.Ref); errdefs.IsNotFound(err) {
		t.Error("it lost its tag")
	}
}

// disk is one whose free space the test says.
type disk struct {
	free  atomic.Uint64
	asked atomic.Int32
	then  atomic.Uint64 // what is free from the second question on; 0: the same
}

func (d *disk) space(context.Context, string) (docker.Space, error) {
	free := d.free.Load()
	if then := d.then.Load(); d.asked.Add(1) > 1 && then > 0 {
		free = then
	}
	return docker.Space{Free: free, Total: 100 << 30}, nil
}

func TestNothingIsPulledOntoADiskThatIsNearlyFull(t *testing.T) {
	for name, reserve := range map[string]docker.Reserve{"bytes": {Bytes: 5 << 30}, "percent": {Percent: 5}} {
		t.Run(name, func(t *testing.T) {
			var d disk
			engine, _ := open(t, docker.Options{Reserve: reserve, Space: d.space})
			server := dockertest.Registry(t, nil)
			ref, digest := server.Push(t, "team/low:1", dockertest.Options{Env: map[string]string{"X": dockertest.Unique()}})
			img := reconcile.Image{Ref: ref, Digest: digest}
			d.free.Store(1 << 30)
			f := pull(t, engine, img)
			wants(t, f, reconcile.Infra, reconcile.ReasonDiskLow, "1GiB of 100GiB are free")
			wants(t, f, reconcile.Infra, reconcile.ReasonDiskLow, "a pull must leave 5GiB; make room")
			if _, host, there := kept(t, engine, digest); there || !host.Short {
				t.Errorf("it was pulled: %t; the host is short of space: %t", there, host.Short)
			}
			d.free.Store(6 << 30)
			if f := pull(t, engine, img); f != nil {
				t.Errorf("there is room: %v", f)
			}
			d.free.Store(1 << 30)
			if f := pull(t, engine, img); f != nil {
				t.Errorf("it is there already: %v", f)
			}
		})
	}
}

func TestAPullThatEatsTheReserveIsEnded(t *testing.T) {
	var d disk
	d.free.Store(20 << 30)
	d.then.Store(1 << 30)
	engine, _ := open(t, docker.Options{Reserve: docker.Reserve{Bytes: 5 << 30}, Space: d.space})
	server := dockertest.Faulty(t)
	ref, digest := server.Push(t, "team/eats:1", dockertest.Options{Env: map[string]string{"X": dockertest.Unique()}})
	img := reconcile.Image{Ref: ref, Digest: digest}
	server.Break(layers(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.Write([]byte("a few bytes of many"))
		w.(http.Flusher).Flush()
		<-r.Context().Done() // the engine hangs up
	}))
	wants(t, pull(t, engine, img), reconcile.Infra, reconcile.ReasonDiskLow, "1GiB of 100GiB")
	server.Break(nil)
	d.then.Store(0)
	if f := pull(t, engine, img); f != nil {
		t.Errorf("there is room: %v", f)
	}
}

func TestWhereSpaceIsNotKnownAPullMayTry(t *testing.T) {
	server := dockertest.Registry(t, nil)
	for name, opts := range map[string]docker.Options{
		"nobody can be asked": {Reserve: docker.Reserve{Bytes: 1}},
		"nobody answers": {Reserve: docker.Reserve{Bytes: 1}, Space: func(ctx context.Context, _ string) (docker.Space, error) {
			return docker.LocalSpace(ctx, "/nowhere/at/all")
		}},
	} {
		engine, _ := open(t, opts)
		fetched(t, engine, server, "team/unknown:"+strings.ReplaceAll(name, " ", "-"))
		if _, _, err := engine.Room(t.Context()); !errors.Is(err, docker.ErrSpaceUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
