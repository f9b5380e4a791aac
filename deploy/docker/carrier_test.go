package docker_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/volume"

	"teal/deploy/docker"
	"teal/deploy/docker/dockertest"
	"teal/deploy/workbench"
	"teal/reconcile"
	"teal/spec"
)

// nginxImage makes an image of this machine's nginx, removed after the test.
func nginxImage(t *testing.T) string {
	t.Helper()
	bench, err := workbench.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	purpose := "test-" + dockertest.Unique()
	ref := "teal-test-nginx:" + purpose
	t.Cleanup(func() {
		if _, err := bench.RemoveImages(context.Background(), purpose); err != nil {
			t.Error(err)
		}
		bench.Close()
	})
	if err := bench.MakeNginx(t.Context(), ref, purpose); err != nil {
		t.Fatal(err)
	}
	return ref
}

func archive(t *testing.T, name, text string) *bytes.Buffer {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(text))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &out
}

const carrierFolder = "/etc/carried"

// carrier is a wanted nginx that answers "hello" on a free port; prepared
// counts how often its files were asked for.
func carrier(t *testing.T, engine *docker.Engine) (want docker.CarrierSpec, address string, prepared *int) {
	t.Helper()
	image := nginxImage(t)
	t.Cleanup(func() {
		if err := engine.RemoveAll(context.Background(), true); err != nil {
			t.Error(err)
		}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	address, prepared = l.Addr().String(), new(int)
	text := fmt.Sprintf(`error_log /dev/stderr notice; pid /run/nginx.pid; events {} http { access_log off; client_body_temp_path /var/cache/nginx/b;
		proxy_temp_path /var/cache/nginx/p; fastcgi_temp_path /var/cache/nginx/f; uwsgi_temp_path /var/cache/nginx/u; scgi_temp_path /var/cache/nginx/s;
		server { listen %s; location / { add_header Version hello; return 200 hello; } } }`, address)
	return docker.CarrierSpec{
		Kind: "nginx", Image: image, Entrypoint: []string{"nginx"},
		Args:   []string{"-c", carrierFolder + "/nginx.conf", "-g", "daemon off;"},
		Folder: carrierFolder, Listen: []string{address},
		Prepare: func(ctx context.Context, id string, lastWords []string) (bool, error) {
			*prepared++
			return true, engine.CopyTo(ctx, id, carrierFolder, archive(t, "nginx.conf", text))
		},
	}, address, prepared
}

func carried(t *testing.T, engine *docker.Engine, want docker.CarrierSpec) docker.CarrierState {
	t.Helper()
	state, err := engine.EnsureCarrier(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func TestCarrierIsMadePreparedAndMadeAgain(t *testing.T) {
	engine, controller := open(t, docker.Options{})
	want, address, prepared := carrier(t, engine)
	first := carried(t, engine, want)
	awaitVersion(t, address, "hello")
	if !first.Started || first.Outdated || first.Name != "teal-nginx-"+controller || *prepared != 1 {
		t.Errorf("first: %+v, prepared %d times", first, *prepared)
	}
	found := inspect(t, first.Container)
	if labels := found.Config.Labels; labels[spec.LabelRole] != spec.RoleProxy || labels[spec.LabelController] != controller {
		t.Errorf("labels %v", labels)
	}
	if !found.HostConfig.ReadonlyRootfs || found.HostConfig.NetworkMode != "host" || found.HostConfig.RestartPolicy.Name != "unless-stopped" {
		t.Errorf("host settings %+v", found.HostConfig)
	}
	if again := carried(t, engine, want); again.Container != first.Container || again.Started || again.Outdated || *prepared != 1 {
		t.Errorf("again: %+v, prepared %d times", again, *prepared)
	}
	hand := person{dockertest.Client(t)}
	hand.Stop(t, first.Container)
	if after := carried(t, engine, want); after.Container != first.Container || !after.Started {
		t.Errorf("stopped by hand: %+v", after)
	}
	hand.Remove(t, first.Container)
	prepare := want.Prepare
	want.Prepare = nil // what was in the folder is still there
	if after := carried(t, engine, want); after.Container == first.Container || !after.Started {
		t.Errorf("removed by hand: %+v", after)
	}
	awaitVersion(t, address, "hello")
	want.Prepare = prepare
	want.Args = append(want.Args, "-q")
	if after := carried(t, engine, want); !after.Outdated || after.Started {
		t.Errorf("outdated: %+v", after)
	}
	want.Replace = true
	if after := carried(t, engine, want); after.Outdated || !after.Started {
		t.Errorf("replaced: %+v", after)
	}
	awaitVersion(t, address, "hello")
}

func TestCarrierFilesAndPrograms(t *testing.T) {
	engine, _ := open(t, docker.Options{})
	want, address, _ := carrier(t, engine)
	id := carried(t, engine, want).Container
	awaitVersion(t, address, "hello")
	if err := engine.CopyTo(t.Context(), id, carrierFolder, archive(t, "a file", "text")); err != nil {
		t.Fatal(err)
	}
	out, status, err := engine.Exec(t.Context(), id, "sh", "-c", `cat "`+carrierFolder+`/a file"; echo " beside" >&2; ln -s "a file" `+carrierFolder+`/link; exit 3`)
	if err != nil || status != 3 || !strings.Contains(out, "text") || !strings.Contains(out, " beside") {
		t.Errorf("%q, %d, %v", out, status, err)
	}
	for name, content := range map[string]string{"a file": "text", "link": "text"} {
		if got, err := engine.ReadFile(t.Context(), id, carrierFolder+"/"+name); err != nil || string(got) != content {
			t.Errorf("read %s: %q, %v", name, got, err)
		}
	}
	for _, missing := range []string{"/none", "/none/at/all"} {
		if _, err := engine.ReadFile(t.Context(), id, carrierFolder+missing); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("read %s: %v", missing, err)
		}
	}
	if _, err := engine.ReadFile(t.Context(), id, carrierFolder); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("read a folder: %v", err)
	}
	if out, status, err := engine.Exec(t.Context(), id, "no-such-program"); err == nil && status == 0 {
		t.Errorf("a program that is not there was run: %s", out)
	}
}

func TestCarrierThatKeepsExitingIsMendedOrSaysWhy(t *testing.T) {
	engine, _ := open(t, docker.Options{})
	want, address, _ := carrier(t, engine)
	good := want.Prepare
	want.Prepare = func(ctx context.Context, id string, _ []string) (bool, error) {
		return false, engine.CopyTo(ctx, id, carrierFolder, archive(t, "nginx.conf", "nonsense;"))
	}
	carried(t, engine, want)
	await(t, "its words", func() bool {
		_, err := engine.EnsureCarrier(t.Context(), want)
		return err != nil && strings.Contains(err.Error(), "keeps exiting") && strings.Contains(err.Error(), `unknown directive "nonsense"`)
	})
	want.Prepare = good
	if state := carried(t, engine, want); !state.Started {
		t.Errorf("mended: %+v", state)
	}
	awaitVersion(t, address, "hello")
}

func TestCarrierWhosePortIsTaken(t *testing.T) {
	engine, _ := open(t, docker.Options{})
	want, address, _ := carrier(t, engine)
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = engine.EnsureCarrier(t.Context(), want)
	f, ok := errors.AsType[*reconcile.Failure](err)
	if !ok {
		t.Fatalf("error %v", err)
	}
	wants(t, f, reconcile.Infra, reconcile.ReasonPortTaken, address)
	want.Listen = nil // as on another host, where nobody can look before
	want.Prepare = func(prepare func(context.Context, string, []string) (bool, error)) func(context.Context, string, []string) (bool, error) {
		return func(ctx context.Context, id string, words []string) (bool, error) {
			_, err := prepare(ctx, id, words)
			return false, err
		}
	}(want.Prepare)
	carried(t, engine, want)
	await(t, "the port is named", func() bool {
		_, err := engine.EnsureCarrier(t.Context(), want)
		f, ok := errors.AsType[*reconcile.Failure](err)
		return ok && f.Reason == reconcile.ReasonPortTaken && strings.Contains(f.Message, address)
	})
}

func TestCarrierLeavesStrangersAlone(t *testing.T) {
	engine, controller := open(t, docker.Options{})
	want, _, _ := carrier(t, engine)
	hand := person{dockertest.Client(t)}
	id := hand.Create(t, "teal-nginx-"+controller)
	_, err := engine.EnsureCarrier(t.Context(), want)
	f, ok := errors.AsType[*reconcile.Failure](err)
	if !ok {
		t.Fatalf("error %v", err)
	}
	wants(t, f, reconcile.Permanent, reconcile.ReasonNameTaken, "teal-nginx-"+controller)
	if !hand.Exists(t, id) {
		t.Error("the stranger's container is gone")
	}
	hand.Remove(t, id)
	if _, err := hand.VolumeCreate(t.Context(), volume.CreateOptions{
		Name: "teal-nginx-" + controller, Labels: map[string]string{dockertest.LabelTest: dockertest.Label(t)},
	}); err != nil {
		t.Fatal(err)
	}
	_, err = engine.EnsureCarrier(t.Context(), want)
	f, ok = errors.AsType[*reconcile.Failure](err)
	if !ok {
		t.Fatalf("error %v", err)
	}
	wants(t, f, reconcile.Permanent, reconcile.ReasonNameTaken, "volume")
	if answer, err := http.Get("http://" + want.Listen[0] + "/"); err == nil {
		_ = answer.Body.Close()
		t.Error("something was started")
	}
}

func TestCarrierThatCannotBe(t *testing.T) {
	engine, _ := open(t, docker.Options{})
	want, _, _ := carrier(t, engine)
	want.Image = "teal-test-nginx:none-" + dockertest.Unique()
	want.Folder = "here"
	if _, err := engine.EnsureCarrier(t.Context(), want); err == nil || !strings.Contains(err.Error(), "absolute folder") {
		t.Errorf("error %v", err)
	}
}
