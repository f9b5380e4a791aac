package nginx

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	dc "github.com/docker/docker/api/types/container"

	"teal/deploy/docker/dockertest"
	"teal/deploy/proxy/contract"
	"teal/reconcile"
	"teal/spec"
)

// drivePlace runs a driver of a place until the test ends.
func drivePlace(t *testing.T, p Place, o Options) *Driver {
	t.Helper()
	o.Place, o.Admin = p, freeAddress(t)
	o.Syslog.Listen = "127.0.0.1:0"
	o.Logger = slog.New(slog.NewTextHandler(testWriter{t}, nil))
	d, err := New(o)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := d.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		done.Wait()
		must(t, d.Close())
	})
	must(t, d.Prepare(t.Context()))
	return d
}

// The suite runs on a container whose files are in a folder of this host: the
// same nginx does the same work wherever its files are.
func TestContractInAManagedContainer(t *testing.T) {
	image := nginxImage(t)
	contract.Run(t, func(t *testing.T) *contract.Driver {
		engine := openEngine(t)
		p := Managed(ManagedOptions{Image: image, Engine: engine, HostFolder: filepath.Join(t.TempDir(), "nginx")})
		servers, roots := testServers(t)
		d := drivePlace(t, p, Options{Servers: servers, Close: 300 * time.Millisecond})
		v, err := askVersion(t.Context(), p)
		must(t, err)
		return &contract.Driver{
			Proxy: d, Address: servers.Listen[0], TLSAddress: servers.ListenTLS[0], Roots: roots,
			H2CAddress: servers.ListenH2C[0], Features: features(v), Reloads: d.Reloads, Switches: 20,
			Restart: func(t *testing.T) {
				must(t, dockertest.Client(t).ContainerStop(t.Context(), engine.CarrierName("nginx"), dc.StopOptions{}))
				must(t, d.Prepare(t.Context()))
			},
		}
	})
}

// Whatever is done to nginx by hand, the driver brings back what it served.
func TestDriverMendsWhatWasDoneToItsContainer(t *testing.T) {
	image := nginxImage(t)
	engine := openEngine(t)
	p := Managed(ManagedOptions{Image: image, Engine: engine})
	servers := &Servers{Listen: []string{freeAddress(t)}}
	d := drivePlace(t, p, Options{Servers: servers})
	backend := startBackend(t, "blue")
	must(t, d.Apply(t.Context(), tableOf(1, backend)))
	answers := func() bool { return strings.Contains(get(t.Context(), p, servers.Listen[0]), "blue") }
	await(t, "it answers", answers)
	name, hand := engine.CarrierName("nginx"), dockertest.Client(t)
	write := func(name, text string) func() error {
		return func() error { return p.Write(t.Context(), File{Name: name, Content: []byte(text)}) }
	}
	restart := func() error { return hand.ContainerRestart(t.Context(), name, dc.StopOptions{}) }
	for _, harm := range []struct {
		what string
		does []func() error
	}{
		{"killed", []func() error{func() error { return hand.ContainerKill(t.Context(), name, "SIGKILL") }}},
		{"removed", []func() error{func() error { return hand.ContainerRemove(t.Context(), name, dc.RemoveOptions{Force: true}) }}},
		{"its volume removed, too", []func() error{
			func() error { return hand.ContainerRemove(t.Context(), name, dc.RemoveOptions{Force: true}) },
			func() error { return hand.VolumeRemove(t.Context(), name, true) },
		}},
		{"the included file broken", []func() error{write(included, "nonsense;"), restart}},
		{"the main configuration emptied", []func() error{write(mainFile, "events {}\n"), restart}},
		{"all files removed", []func() error{func() error { return p.Remove(t.Context(), included, current, "flags", stateFile, beforeFile) }, restart}},
	} {
		t.Log(harm.what)
		for _, f := range harm.does {
			must(t, f())
		}
		await(t, harm.what+": the driver has mended it", func() bool {
			err := d.Prepare(t.Context())
			if err != nil {
				t.Log(err)
			}
			return err == nil
		})
		if seen, err := d.Read(t.Context()); err != nil || seen.Table.Seq != 1 {
			t.Errorf("%s: table %d, %v", harm.what, seen.Table.Seq, err)
		}
		await(t, harm.what+": it answers again", answers)
	}
}

// startBackend answers its name to everything, until the test ends.
func startBackend(t *testing.T, name string) (address string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) }))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// tableOf leads everything to one backend.
func tableOf(seq uint64, backend string) reconcile.Table {
	return reconcile.Table{Seq: seq, Routes: []reconcile.Route{{
		App: spec.Name{Project: "shop", Service: "web"}, Host: "*", Path: "/",
		Backends: []reconcile.Backend{{Colour: spec.Blue, Revision: "r1", Weight: 100, Targets: []string{backend}}},
	}}}
}
