package docker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"

	"teal/deploy/docker"
	"teal/deploy/docker/dockertest"
	"teal/reconcile"
	"teal/spec"
)

func TestReplicaIsMadeAgainWhenItsNetworkWas(t *testing.T) {
	engine, _ := open(t, docker.Options{})
	name := app(t)
	en := replica(name, local(t, dockertest.Options{}), "")
	before := ensured(t, engine, name, en)
	hand := person{dockertest.Client(t)}
	hand.Stop(t, before.ID)
	if err := hand.NetworkRemove(t.Context(), name.Project+"_default"); err != nil {
		t.Fatal(err)
	}
	if after := ensured(t, engine, name, en); after.State != reconcile.Running || after.ID == before.ID {
		t.Errorf("afterwards %+v", after)
	}
}

func TestExternalNetworkMustExist(t *testing.T) {
	engine, _ := open(t, docker.Options{})
	name := app(t)
	en := replica(name, local(t, dockertest.Options{}), "")
	en.Revision.Container.Networks = []spec.Network{{Name: name.Project + "-outside", External: true}}
	wants(t, ensure(t, engine, name, en), reconcile.Permanent, reconcile.ReasonEngineRefused, "docker network create")
}

func TestIngressTakesNoStrangersNetworkAndNoTakenSubnet(t *testing.T) {
	hand := dockertest.Client(t)
	img := local(t, dockertest.Options{})
	label := map[string]string{dockertest.LabelTest: dockertest.Label(t)}
	taken := "stranger-" + dockertest.Unique()
	ipam := &network.IPAM{Config: []network.IPAMConfig{{Subnet: "10.99.0.0/24"}}}
	if _, err := hand.NetworkCreate(t.Context(), taken, network.CreateOptions{Labels: label, IPAM: ipam}); err != nil {
		t.Fatal(err)
	}
	name := app(t)
	engine, _ := open(t, docker.Options{Ingress: docker.Ingress{Name: taken}})
	wants(t, ensure(t, engine, name, replica(name, img, spec.Blue)), reconcile.Permanent, reconcile.ReasonNameTaken, taken)

	engine, _ = open(t, docker.Options{Ingress: docker.Ingress{Subnet: "10.99.0.0/16"}})
	wants(t, ensure(t, engine, name, replica(name, img, spec.Blue)), reconcile.Permanent, reconcile.ReasonEngineRefused, "10.99.0.0/16")

	engine, _ = open(t, docker.Options{Ingress: docker.Ingress{Subnet: "10.98.7.0/29"}})
	if c := ensured(t, engine, name, replica(name, img, spec.Blue)); !strings.HasPrefix(c.Address, "10.98.7.") {
		t.Errorf("address %s", c.Address)
	}
}

func look(t *testing.T, engine *docker.Engine) docker.IngressState {
	t.Helper()
	s, err := engine.LookAtIngress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestALookAtTheIngressMakesNothing(t *testing.T) {
	const subnet = "10.95.4.0/29"
	engine, _ := open(t, docker.Options{Ingress: docker.Ingress{Subnet: subnet}})
	for range 2 {
		if s := look(t, engine); s.Exists || s.Subnet.String() != subnet || s.Wanted != s.Subnet {
			t.Errorf("before it is made: %+v", s)
		}
	}
	name := app(t)
	ensured(t, engine, name, replica(name, local(t, dockertest.Options{}), spec.Blue))
	s := look(t, engine)
	if !s.Exists || s.Fault != "" || s.Subnet.String() != subnet || s.Size != 5 || s.Free != 4 || len(s.Clashes)+len(s.Doubles) > 0 {
		t.Errorf("with one replica: %+v", s)
	}
	other, _ := open(t, docker.Options{Ingress: docker.Ingress{Subnet: "10.95.0.0/16"}})
	if s := look(t, other); s.Exists || s.Subnet.IsValid() {
		t.Errorf("of a subnet that is taken: %+v", s)
	}
	broken, _ := open(t, docker.Options{Ingress: docker.Ingress{Subnet: "10.95"}})
	if s, err := broken.LookAtIngress(t.Context()); err == nil {
		t.Errorf("of a subnet that is none: %+v", s)
	}
}

func TestALookAtAStrangersIngress(t *testing.T) {
	hand := dockertest.Client(t)
	test := dockertest.Label(t)
	for words, labels := range map[string]map[string]string{
		"no label":         {dockertest.LabelTest: test},
		"reach each other": {dockertest.LabelTest: test, spec.LabelRole: "ingress"},
	} {
		name := "stranger-" + dockertest.Unique()
		if _, err := hand.NetworkCreate(t.Context(), name, network.CreateOptions{Labels: labels}); err != nil {
			t.Fatal(err)
		}
		engine, _ := open(t, docker.Options{Ingress: docker.Ingress{Name: name}})
		if s := look(t, engine); !s.Exists || !strings.Contains(s.Fault, words) {
			t.Errorf("want %q: %+v", words, s)
		}
	}
}

// All but the first address of so small a subnet are taken by containers that
// do not run, which only their configuration tells.
func TestEveryAddressOfASmallSubnetIsGivenOnce(t *testing.T) {
	engine, _ := open(t, docker.Options{Ingress: docker.Ingress{Subnet: "10.97.6.0/29"}})
	img := local(t, dockertest.Options{Env: map[string]string{"BREAK": "exit"}})
	const hosts = 5 // eight, less network, broadcast and gateway
	names := make([]spec.Name, hosts)
	project := app(t).Project
	failures := make(chan *reconcile.Failure)
	for i := range names {
		names[i] = spec.Name{Project: project, Service: dockertest.Unique()}
		go func() { failures <- ensure(t, engine, names[i], replica(names[i], img, spec.Blue)) }()
	}
	for range names {
		if f := <-failures; f != nil {
			t.Error(f)
		}
	}
	given := map[string]bool{}
	for _, name := range names {
		seen, err := engine.Observe(t.Context(), name, reconcile.Look{})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range seen.Containers {
			given[c.Address] = true
		}
	}
	if len(given) != hosts {
		t.Errorf("%d addresses for %d replicas: %v", len(given), hosts, given)
	}
	late := app(t)
	wants(t, ensure(t, engine, late, replica(late, img, spec.Blue)), reconcile.Infra, reconcile.ReasonAddressTaken, "no address is free")
}

// Engines before API 1.44 give a network's name twice to who asks twice at once.
func TestDoublesOfANetworkAreRemoved(t *testing.T) {
	engine, controller := open(t, docker.Options{})
	name := app(t)
	on := name.Project + "_default"
	for range 3 {
		createNetwork(t, on, map[string]string{spec.LabelController: controller})
	}
	if c := ensured(t, engine, name, replica(name, local(t, dockertest.Options{}), spec.Blue)); c.State != reconcile.Running {
		t.Errorf("%+v", c)
	}
	list, err := dockertest.Client(t).NetworkList(t.Context(), network.ListOptions{Filters: filters.NewArgs(filters.Arg("name", on))})
	if err != nil || len(list) != 1 {
		t.Errorf("%d networks %s, %v", len(list), on, err)
	}
}

// createNetwork does what the client does not: it asks for a name that is taken.
func createNetwork(t *testing.T, name string, labels map[string]string) {
	t.Helper()
	askNetwork(t, map[string]any{"Name": name, "Labels": labels})
}

// createIngress makes another ingress network of a name, as a controller would.
func createIngress(t *testing.T, name, controller, subnet string) {
	t.Helper()
	askNetwork(t, map[string]any{
		"Name": name, "Labels": map[string]string{spec.LabelController: controller, spec.LabelRole: "ingress"},
		"IPAM":    map[string]any{"Config": []map[string]string{{"Subnet": subnet}}},
		"Options": map[string]string{"com.docker.network.bridge.enable_icc": "false"},
	})
}

func askNetwork(t *testing.T, request map[string]any) {
	t.Helper()
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	hand := dockertest.Client(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://engine/networks/create", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	dial := hand.Dialer()
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }}}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated && resp.StatusCode != http.StatusConflict {
		t.Fatalf("create network: %s", resp.Status)
	}
}
