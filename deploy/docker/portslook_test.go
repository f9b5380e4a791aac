package docker_test

import (
	"strings"
	"testing"

	"teal/deploy/docker"
	"teal/deploy/docker/dockertest"
	"teal/spec"
)

func TestALookAtThePorts(t *testing.T) {
	opts := onHost()
	base := freePort(t)
	opts.Ports = spec.PortRange{From: base, To: base + 9}
	engine, controller := open(t, opts)
	name := app(t)
	c := ensured(t, engine, name, replica(name, local(t, dockertest.Options{}), spec.Blue))
	person{dockertest.Client(t)}.Stop(t, c.ID)
	s, err := engine.LookAtPorts(t.Context())
	if err != nil || s.Host != "app-1" || s.Address != here || s.Range != opts.Ports {
		t.Fatalf("%+v, %v", s, err)
	}
	mine := docker.TakenPort{Port: portOf(t, c), Container: c.Name, Ours: true}
	found := false
	for _, p := range s.Taken { // a stranger's container may have one of them by chance
		found = found || p == mine
	}
	if !found || s.Free+len(s.Taken) != 10 {
		t.Errorf("want %+v among %+v, %d free", mine, s.Taken, s.Free)
	}
	without, _ := open(t, docker.Options{ControllerID: controller})
	if s, err := without.LookAtPorts(t.Context()); err != nil || s.Address != "" || s.Free != 0 || s.Taken != nil {
		t.Errorf("a host without address: %+v, %v", s, err)
	}
}

func TestHostIsConfiguredSensibly(t *testing.T) {
	for words, opts := range map[string]docker.Options{
		`"web.example.com" is not the IP address`: {Address: "web.example.com"},
		`"0.0.0.0" is not the IP address`:         {Address: "0.0.0.0"},
		"ports 9-8":                               {Address: here, Ports: spec.PortRange{From: 9, To: 8}},
		"ports 1-70000":                           {Address: here, Ports: spec.PortRange{From: 1, To: 70000}},
	} {
		opts.ControllerID, opts.Name = "test", "app-1"
		if _, err := docker.New(opts); err == nil || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), "host app-1: ") {
			t.Errorf("%v, want %q", err, words)
		}
	}
}
