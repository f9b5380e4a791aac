package faults

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teal/deploy/docker/faulty"
	"teal/deploy/rig"
	"teal/reconcile"
)

// TestOneEngine holds faults that need an engine and no more: each has a
// controller of its own on the same one.
func TestOneEngine(t *testing.T) {
	long(t)
	t.Parallel()
	s := newStage(t, rig.HostOptions{})
	s.ingress(t)
	for name, test := range map[string]func(*testing.T, *site){
		"no event ever comes":        withoutEvents,
		"the event stream is cut":    eventsCut,
		"a removal takes a minute":   slowRemoval,
		"the address was stolen":     stolenAddress,
		"the proxy's port is stolen": stolenPort,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newSite(t, s))
		})
	}
}

// withoutEvents: an update and a repair come from looking alone.
func withoutEvents(t *testing.T, x *site) {
	p := x.faultily()
	p.Break(faulty.Fault{Call: "Events", Kind: faulty.Failed})
	x.edit(x.wants("app:v1"))
	x.start()
	x.settled("v1")
	x.docker(t, "stop", "-t", "0", x.only())
	x.settled("v1")
	x.edit(x.wants("app:v2"))
	x.settled("v2")
	x.only()
	if p.Hit() == 0 {
		t.Error("nobody asked for events: this test tests nothing")
	}
}

// eventsCut: the stream comes back by itself, and what happened meanwhile is seen.
func eventsCut(t *testing.T, x *site) {
	p := x.faultily()
	x.edit(x.wants("app:v1"))
	x.start()
	x.settled("v1")
	stop := x.load()
	for _, version := range []string{"v2", "v3", "v1"} {
		until(t, "the stream was cut", func() error {
			n, err := p.End("Events")
			if err == nil && n == 0 {
				err = errNotYet
			}
			return err
		})
		x.edit(x.wants("app:" + version))
		x.settled(version)
	}
	x.only()
	lossless(t, stop())
}

// slowRemoval: the engine says for long that a removal is in progress. Teal
// waits for it without asking all the time, and stable is not touched.
func slowRemoval(t *testing.T, x *site) {
	p := x.faultily()
	x.edit(x.wants("app:v1"))
	x.start("--engine-limit", limit)
	x.settled("v1")
	stop := x.load()
	p.Break(faulty.Fault{
		Call: "ContainerRemove", Kind: faulty.Failed, Status: http.StatusConflict,
		Message: "removal of container is already in progress",
	})
	began, before := time.Now(), p.Seen()["ContainerRemove"]
	x.edit(x.wants("app:v2"))
	x.says("the removal is waited for", func(s reconcile.Status) bool {
		return s.Backoff != nil && s.Backoff.Step == reconcile.StepRemove && s.Backoff.Attempts >= 2
	})
	asked, most := p.Seen()["ContainerRemove"]-before, 10+2*int(time.Since(began)/time.Second)
	if asked > most {
		t.Errorf("asked %d times for a removal that is in progress, at most %d are fair", asked, most)
	}
	if err := x.answers("v2"); err != nil {
		t.Error(err)
	}
	p.Heal()
	x.settled("v2")
	x.only()
	x.edit(x.wants("app:v1")) // the name of the one that was removed is free
	x.settled("v1")
	x.only()
	lossless(t, stop())
}

// stolenAddress: a stranger takes the replica's fixed address while it is
// stopped. The replica moves, the stranger stays.
func stolenAddress(t *testing.T, x *site) {
	x.edit(x.wants("app:v1"))
	x.start()
	x.settled("v1")
	one := x.only()
	address := x.docker(t, "inspect", "-f", `{{(index .NetworkSettings.Networks "teal-ingress").IPAddress}}`, one)
	x.kill()
	x.docker(t, "stop", "-t", "0", one)
	thief := "thief-" + x.id
	x.docker(t, "run", "-d", "--name", thief, "--network", "teal-ingress", "--ip", address, "app:v3")
	x.start()
	x.settled("v1")
	if now := x.docker(t, "inspect", "-f", `{{(index .NetworkSettings.Networks "teal-ingress").IPAddress}}`, x.only()); now == address {
		t.Errorf("the replica is still at %s", address)
	}
	if state := x.docker(t, "inspect", "-f", "{{.State.Status}} {{.RestartCount}}", thief); state != "running 0" {
		t.Errorf("the stranger is %s", state)
	}
}

// stolenPort: a stranger's program has the proxy's address at the first
// deployment, and again after the proxy was stopped.
func stolenPort(t *testing.T, x *site) {
	steal := func() (give func()) {
		l, err := x.Listen(t.Context(), "tcp", x.address)
		if err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	told := func() {
		until(t, "it is told", func() error {
			if out, _ := x.teal("events", "--tail", "5"); !strings.Contains(out, x.address) {
				return fmt.Errorf("events: %s", out)
			}
			return nil
		})
	}
	give := steal()
	x.edit(x.wants("app:v1"))
	x.start()
	told()
	give()
	x.settled("v1")
	x.kill()
	x.docker(t, "stop", "-t", "0", "teal-proxy-"+x.id)
	give = steal()
	x.start()
	told()
	give()
	x.settled("v1")
}

// TestDiskFull fills the disk of the engine while a version is pulled, and while
// a container is created: it is told and waited out, and stable serves on.
func TestDiskFull(t *testing.T) {
	long(t)
	t.Parallel()
	s := newStage(t, rig.HostOptions{DataSize: 256 << 20})
	s.registry(t)
	x := newSite(t, s)
	x.edit(x.wants("app:v1"))
	x.start("--disk-reserve", "0") // a guarded pull does not even begin
	x.settled("v1")
	stop := x.load()
	for _, c := range []struct{ says, wish, version string }{
		{"while pulling", strings.Replace(x.wants(registryHost+"/team/app:2"), "never", "missing", 1), "v2"},
		{"while creating", x.wants("app:v3"), "v3"},
	} {
		ballast := filepath.Join(s.Data(), "ballast")
		// dd ends with an error when the disk is full: that is the point of it.
		if out, err := s.Run(context.Background(), "dd", "if=/dev/zero", "of="+ballast, "bs=4k"); err == nil {
			t.Fatalf("the disk has no end: %s", out)
		}
		x.edit(c.wish)
		st := x.says("it is told "+c.says, func(s reconcile.Status) bool { return s.Backoff != nil })
		if st.Backoff.Failure.Reason != reconcile.ReasonDiskFull || !st.Serving.OK {
			t.Errorf("%s: told as %+v, serving %+v", c.says, st.Backoff.Failure, st.Serving)
		}
		if _, err := s.Run(context.Background(), "rm", ballast); err != nil {
			t.Fatal(err)
		}
		x.settled(c.version)
		x.only()
	}
	lossless(t, stop())
}
