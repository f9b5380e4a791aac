package machine

import (
	"testing"

	"teal/deploy/workbench"
	"teal/reconcile"
)

// powerCut ends everything on the host at once, and brings the engine back alone.
func (s *stand) powerCut() {
	s.t.Helper()
	s.kill()
	must(s.t, ground.host.KillEngine(s.t.Context()))
	if _, err := ground.host.Run(s.t.Context(), "sh", "-c", "kill -9 -1"); err != nil {
		s.t.Fatal(err)
	}
	s.boot()
}

// reboot does the same as an orderly shutdown does it.
func (s *stand) reboot() {
	s.t.Helper()
	s.kill()
	must(s.t, ground.host.StopEngine(s.t.Context()))
	s.boot()
}

// boot starts the engine of a host on which nothing runs any more.
func (s *stand) boot() {
	s.t.Helper()
	if version, err := s.get(); err == nil {
		s.t.Errorf("the machine is down, and %q answers", version)
	}
	must(s.t, ground.host.StartEngine(s.t.Context()))
}

// TestARebootWithoutTeal: whatever Teal was at when the machine went down, the
// engine alone brings back what served, and Teal goes on from there.
func TestARebootWithoutTeal(t *testing.T) {
	long(t)
	t.Run("embedded", func(t *testing.T) { reboots(newStand(t)) })
	t.Run("nginx", func(t *testing.T) {
		t.Setenv("DOCKER_HOST", ground.host.URL())
		b, err := workbench.Open(t.Context())
		must(t, err)
		must(t, b.MakeNginx(t.Context(), "machine-nginx:1", "machine"))
		must(t, b.Close())
		flags := []string{"--proxy", "nginx", "--nginx-image", "machine-nginx:1"}
		t.Run("phases that last", func(t *testing.T) { reboots(newStand(t, flags...)) })
		t.Run("at the switch", func(t *testing.T) { rebootsAtTheSwitch(newStand(t, flags...)) })
	})
}

func reboots(s *stand) {
	v1, v2, v3 := s.image("v1", ""), s.image("v2", "unhealthy"), s.image("v3", "")
	s.wants(v1, "1m")
	s.start()
	s.settled("v1")

	s.wants(v2, "30m")
	s.cutDuring("v2 is being verified", reconcile.Verifying, "v1")

	s.wants(v3, "1m", "bake: 30m")
	s.cutDuring("v3 is watched", reconcile.Confirming, "v3")
	s.teal("abort", "web")
	s.serves("v1")
	s.rebootsAtRest(v1, v2, v3)
}

// cutDuring cuts the power in a phase that lasts: version serves without Teal,
// and Teal goes on with the same rollout.
func (s *stand) cutDuring(what string, phase reconcile.Phase, version string) {
	s.t.Helper()
	before := s.app(what, func(a reconcile.Status) bool { return a.Phase == phase })
	s.powerCut()
	s.serves(version)
	s.start()
	after := s.app(what+" on", func(a reconcile.Status) bool { return a.Phase == phase && a.Serving.OK })
	if after.Rollout != before.Rollout {
		s.t.Errorf("%s: rollout %q became %q", what, before.Rollout, after.Rollout)
	}
	s.serves(version)
}

// rebootsAtTheSwitch: the proxy's first process hears nothing, so the switch lasts.
func rebootsAtTheSwitch(s *stand) {
	v1, v3 := s.image("v1", ""), s.image("v3", "")
	s.wants(v1, "1m")
	s.start()
	s.settled("v1")
	// Not docker kill: after that the engine would not start the container again.
	s.onHost("kill -STOP $(docker inspect -f '{{.State.Pid}}' $(docker ps -q --filter name=teal-nginx-" + s.id + "))")
	s.wants(v3, "1m")
	s.app("v3 is switched to", func(a reconcile.Status) bool { return a.Phase == reconcile.Switching })
	s.powerCut()
	s.serves("v1")
	s.start()
	s.settledOrRetried("v3") // the time without Teal counts: it may be held
}

// rebootsAtRest: with a version that is held, and one that is staged because the
// live colour is pinned.
func (s *stand) rebootsAtRest(v1, v2, v3 string) {
	s.t.Helper()
	s.wants(v2, "2s")
	s.app("v2 is held", func(a reconcile.Status) bool { return a.Hold != nil && a.Hold.Image == v2 && a.Phase == reconcile.Idle })
	s.reboot()
	s.serves("v1")
	s.start()
	s.app("v2 stays held", func(a reconcile.Status) bool { return a.Hold != nil && a.Serving.OK })
	s.serves("v1")

	s.wants(v1, "1m")
	s.settled("v1")
	live := "green"
	if a := s.app("it serves", func(a reconcile.Status) bool { return a.Serving.OK }); len(a.Colours) > 0 {
		for _, c := range a.Colours {
			if c.Weight == 100 {
				live = string(c.Colour)
			}
		}
	}
	s.wants(v3, "1m", "active: "+live)
	s.app("v3 is staged", func(a reconcile.Status) bool { return a.Phase == reconcile.Staged })
	s.reboot()
	s.serves("v1")
	s.start()
	s.app("v3 is staged on", func(a reconcile.Status) bool { return a.Phase == reconcile.Staged && a.Serving.OK })
	s.serves("v1")
	s.wants(v3, "1m")
	s.settled("v3")
}
