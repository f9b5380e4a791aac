package docker_test

import (
	"bytes"
	"flag"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"

	"teal/deploy/docker"
	"teal/deploy/docker/dockertest"
	"teal/reconcile"
	"teal/spec"
)

var rounds = flag.Int("docker.rounds", 2, "how often several controllers start on an engine without an ingress")

// Engines before API 1.44 give one name to several networks that are asked for
// at once. Several controllers that begin together end on one network.
func TestControllersMakeTheIngressTogether(t *testing.T) {
	img := local(t, dockertest.Options{})
	doubles := 0
	for range *rounds {
		doubles += together(t, img, 4)
	}
	t.Logf("%d doubles were removed in %d rounds", doubles, *rounds)
}

func together(t *testing.T, img reconcile.Image, controllers int) (doubles int) {
	t.Helper()
	hand := person{dockertest.Client(t)}
	ingress := "ingress-" + dockertest.Unique()
	var log lockedBuffer
	addresses := make([]string, controllers)
	ids := make([]string, controllers)
	var all sync.WaitGroup
	for i := range controllers {
		// Each with a subnet of its own, which keeps the engine from refusing any.
		subnet := subnetOf(fmt.Sprint(ingress, i))
		engine, _ := open(t, docker.Options{Ingress: docker.Ingress{Name: ingress, Subnet: subnet}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		name := app(t)
		all.Go(func() {
			en := replica(name, img, spec.Blue)
			f := ensure(t, engine, name, en)
			for tries := 0; f != nil && f.Class == reconcile.Infra && tries < 20; tries++ {
				t.Logf("later: %v", f)
				f = ensure(t, engine, name, en)
			}
			seen, err := engine.Observe(t.Context(), name, reconcile.Look{})
			if f != nil || err != nil || len(seen.Containers) != 1 || seen.Containers[0].State != reconcile.Running {
				t.Errorf("%v, %v, %+v", f, err, seen)
				return
			}
			addresses[i], ids[i] = seen.Containers[0].Address, seen.Containers[0].ID
		})
	}
	all.Wait()
	list := namesakes(t, ingress)
	if len(list) != 1 || t.Failed() {
		t.Fatalf("%d networks %s:\n%s", len(list), ingress, log.String())
	}
	subnet, given := netip.MustParsePrefix(list[0].IPAM.Config[0].Subnet), map[string]bool{}
	for i, a := range addresses {
		if given[a] || !subnet.Contains(netip.MustParseAddrPort(a).Addr()) {
			t.Errorf("address %s of %v in %s", a, addresses, subnet)
		}
		given[a] = true
		if err := hand.ContainerRemove(t.Context(), ids[i], container.RemoveOptions{Force: true}); err != nil {
			t.Error(err)
		}
	}
	return strings.Count(log.String(), "double of a network was removed")
}

// An ingress that nobody is on is anybody's to remove, since all share it.
func TestDoublesOfTheIngressAreRemovedWhoeverMadeThem(t *testing.T) {
	engine, controller := open(t, docker.Options{})
	for i, maker := range []string{dockertest.ControllerID(t), controller, dockertest.ControllerID(t)} {
		createIngress(t, "ingress-"+controller, maker, subnetOf(fmt.Sprint(controller, i)))
	}
	name := app(t)
	if c := ensured(t, engine, name, replica(name, local(t, dockertest.Options{}), spec.Blue)); c.State != reconcile.Running {
		t.Errorf("%+v", c)
	}
	if n := len(namesakes(t, "ingress-"+controller)); n != 1 {
		t.Errorf("%d networks are left", n)
	}
}

// subnetOf is a subnet that hardly anybody else has.
func subnetOf(name string) string {
	h := fnv.New32a()
	h.Write([]byte(name)) // never fails, by its contract
	n := h.Sum32()
	return fmt.Sprintf("10.%d.%d.0/24", 64+n%24, n>>8&255)
}

// namesakes are the networks of exactly this name.
func namesakes(t *testing.T, name string) []network.Summary {
	t.Helper()
	list, err := dockertest.Client(t).NetworkList(t.Context(), network.ListOptions{Filters: filters.NewArgs(filters.Arg("name", "^"+name+"$"))})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// lockedBuffer is written by several at once.
type lockedBuffer struct {
	sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.Lock()
	defer b.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.Lock()
	defer b.Unlock()
	return b.text.String()
}
