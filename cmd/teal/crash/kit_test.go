package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"teal/deploy/docker/dockertest"
	"teal/deploy/workbench"
)

// kit is what all cells use.
type kit struct {
	t        *testing.T
	binary   string
	bench    *workbench.Bench
	images   map[string]string // references by what scenarios call them
	nginx    string            // reference of the image
	registry *dockertest.RegistryServer
	hosts    *hosts // nil: no scenario needs them
	keep     string // folder for the logs of cells that failed
}

// engine is one that containers of a cell are on.
type engine struct {
	name  string // of the host; empty: this machine's
	bench *workbench.Bench
}

// variants are the images by what scenarios call them, and what makes them so.
var variants = map[string]map[string]string{
	"v1": {"VERSION": "v1"}, "v2": {"VERSION": "v2"}, "v3": {"VERSION": "v3"},
	"bad":  {"VERSION": "bad", "BREAK": "unhealthy"},
	"slow": {"VERSION": "slow", "START_DELAY": "20s"},
}

// newKit makes what scenarios need.
func newKit(t *testing.T, chosen []*scenario) *kit {
	t.Helper()
	binary, err := pointed()
	if err != nil {
		t.Fatal(err)
	}
	keep, err := filepath.Abs(keptFolder)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(keep, 0o755); err != nil {
		t.Fatal(err)
	}
	k := &kit{t: t, binary: binary, images: map[string]string{}, keep: keep}
	k.bench = opened(t, workbench.Open)
	for name, env := range variants {
		k.images[name] = dockertest.Image(t, name, dockertest.Options{Env: env})
	}
	k.nginx = k.nginxImage(k.bench)
	needs := func(what func(*scenario) bool) bool { return slices.ContainsFunc(chosen, what) }
	if needs(func(s *scenario) bool { return len(s.published) > 0 }) {
		k.registry = dockertest.Registry(t, nil)
	}
	k.hold(place{})
	if needs(func(s *scenario) bool { return s.place.far }) {
		k.startHosts()
		k.hold(twoHosts)
	}
	return k
}

// opened is an engine until the test ends.
func opened(t *testing.T, open func(context.Context) (*workbench.Bench, error)) *workbench.Bench {
	t.Helper()
	b, err := open(t.Context())
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

// nginxImage makes the image on an engine; it is called the same on all.
func (k *kit) nginxImage(b *workbench.Bench) (ref string) {
	k.t.Helper()
	purpose := "test-" + dockertest.Unique()
	ref = "teal-test-nginx:" + purpose
	k.t.Cleanup(func() {
		if _, err := b.RemoveImages(context.Background(), purpose); err != nil {
			k.t.Error(err)
		}
	})
	if err := b.MakeNginx(k.t.Context(), ref, purpose); err != nil {
		k.t.Fatal(err)
	}
	return ref
}

// hold keeps the proxy's image, and the network that controllers share, on the
// engines of a place as long as cells run: they are removed with the last
// container that uses them, and would be made again in some cells and not in
// others.
func (k *kit) hold(at place) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), limit)
	defer cancel()
	c, err := k.newCell(ctx, &scenario{name: "holds what cells share", place: at, base: v("v1")})
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() {
		if err := c.end(nil); err != nil {
			k.t.Error(err)
		}
	})
	if err := errors.Join(c.edit(*c.scenario.base), c.start(), c.ready(ctx)); err != nil {
		k.t.Fatal(err)
	}
	if err := c.stop(); err != nil {
		k.t.Fatal(err)
	}
}

// given are the addresses that cells of this process have, which are below the
// ports that the system gives to outgoing connections.
var given struct {
	sync.Mutex
	ports map[int]bool
	far   int // how many cells have ports on other hosts
}

func freeAddress() string { return fmt.Sprintf("127.0.0.1:%d", freePort()) }

func freePort() int {
	given.Lock()
	defer given.Unlock()
	if given.ports == nil {
		given.ports = map[int]bool{}
	}
	for {
		port := 10000 + rand.IntN(9000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		if l.Close() == nil && !given.ports[port] {
			given.ports[port] = true
			return port
		}
	}
}

// freePorts is the first of the ports on other hosts that no other cell has.
func freePorts() int {
	given.Lock()
	defer given.Unlock()
	given.far++
	return 20000 + given.far*portsEach%10000
}
