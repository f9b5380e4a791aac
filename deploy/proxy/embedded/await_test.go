package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A proxy that waits for an address takes tables meanwhile, and serves as soon
// as the address is free.
func TestAwaitsPorts(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p := startProxy(t, Config{AwaitPorts: true})
	p.stop(t)
	p.config.Listen = []string{other.Addr().String()}
	p.start(t)
	t.Cleanup(func() { p.stop(t) })
	serveApp(t, p, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "from the app") })
	if p.addresses.HTTP[0] != other.Addr().String() {
		t.Errorf("waits for %v", p.addresses.HTTP)
	}
	must(t, other.Close())
	await(t, "the proxy has the address", func() bool {
		res, err := http.Get("http://" + other.Addr().String())
		if err != nil {
			return false
		}
		must(t, res.Body.Close())
		return res.StatusCode == http.StatusOK
	})
	young := &running{config: p.config, client: p.client}
	young.start(t) // what came late is handed over, too
	t.Cleanup(func() { young.stop(t) })
}

// A proxy that ends while it waits does not wait on.
func TestEndsWhileItWaits(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer other.Close()
	p := startProxy(t, Config{AwaitPorts: true})
	p.stop(t)
	p.config.Listen = []string{other.Addr().String()}
	p.start(t)
	p.stop(t)
	dir := t.TempDir()
	err = Serve(t.Context(), Config{Listen: []string{other.Addr().String()}, Admin: filepath.Join(dir, "a"), StateDir: dir, Logger: slog.New(slog.DiscardHandler)})
	if !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("without waiting: %v", err)
	}
}
