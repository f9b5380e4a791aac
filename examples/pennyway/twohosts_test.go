package pennyway_test

import (
	"strings"
	"testing"

	"teal/deploy/rig"
	"teal/examples/pennyway/stage"
	"teal/reconcile"
	"teal/spec"
)

func TestTwoHostsAreOneRollout(t *testing.T) {
	s := newStage(t, 2)
	teal := start(t, s.TwoHosts)
	settled(t, teal, "1.4.1")
	must(t, s.Answers(t.Context(), "1.4.1"))

	t.Run("update", func(t *testing.T) {
		must(t, s.Release(t.Context(), "1.4.2"))
		stop := load(t, s)
		deploy(t, teal, "1.4.1", "1.4.2")
		a := settled(t, teal, "1.4.2")
		stop()
		on, now := map[string]int{}, colourOf(t, teal, "pennyway/was:1.4.2")
		for _, c := range a.Containers {
			if c.Colour == now {
				on[c.Host]++
			}
		}
		if on["app-1"] != 1 || on["app-2"] != 1 {
			t.Errorf("replicas are on %v, want one on each host", on)
		}
	})
	t.Run("undo", func(t *testing.T) {
		stop := load(t, s)
		if _, err := teal.Run(t.Context(), "undo", "pennyway/was"); err != nil {
			t.Fatal(err)
		}
		must(t, s.Answers(t.Context(), "1.4.1"))
		stop()
	})
	t.Run("a candidate that fails on one host", func(t *testing.T) {
		must(t, s.Release(t.Context(), "1.4.3"))
		closed := closePort(t, s.Apps[1], publishedBy[other(colourOf(t, teal, "pennyway/was:1.4.1"))])
		if _, err := teal.Edit("deadline: 1m", "deadline: 5s"); err != nil {
			t.Fatal(err)
		}
		stop := load(t, s)
		deploy(t, teal, "1.4.2", "1.4.3")
		a := app(t, teal, "1.4.3 is held", func(a reconcile.Status) bool { return a.Hold != nil && a.Phase == "" })
		stop()
		closed()
		if serves(a) != "pennyway/was:1.4.1" {
			t.Errorf("%q serves", serves(a))
		}
		for _, h := range s.Apps {
			if names := run(t, h, "docker", "ps", "-a", "--format", "{{.Image}}"); strings.Contains(names, "1.4.3") {
				t.Errorf("%s still has the failed candidate: %s", h.Name, names)
			}
		}
	})
	t.Run("a host is cut off and comes back", func(t *testing.T) {
		app(t, teal, "nothing is under way", func(a reconcile.Status) bool { return a.Phase == "" })
		must(t, s.Apps[1].Cut(t.Context()))
		a := app(t, teal, "app-2 is away", func(a reconcile.Status) bool { return len(a.Away) == 1 })
		if a.Away[0].Host != "app-2" || !a.Serving.OK {
			t.Errorf("away %+v, serving %+v", a.Away, a.Serving)
		}
		stop := load(t, s) // from here on: connections to a host that is cut off cannot be saved
		must(t, s.Release(t.Context(), "1.4.4"))
		must(t, s.Apps[1].Heal(t.Context()))
		app(t, teal, "app-2 is back", func(a reconcile.Status) bool { return len(a.Away) == 0 })
		deploy(t, teal, "1.4.3", "1.4.4")
		settled(t, teal, "1.4.4")
		stop()
	})
}

// publishedBy are the ports of the example's colours.
var publishedBy = map[spec.Colour]string{spec.Blue: "8080", spec.Green: "8081"}

// closePort is a firewall that somebody forgot on one host; the returned function
// opens it.
func closePort(t *testing.T, h *rig.Host, port string) (open func()) {
	t.Helper()
	rule := []string{"PREROUTING", "-i", "eth0", "-p", "tcp", "--dport", port, "-j", "DROP"}
	run(t, h, append([]string{"iptables", "-w", "10", "-t", "raw", "-I"}, rule...)...)
	return func() { run(t, h, append([]string{"iptables", "-w", "10", "-t", "raw", "-D"}, rule...)...) }
}

// colourOf is the colour that runs an image.
func colourOf(t *testing.T, teal *stage.Teal, image string) (colour spec.Colour) {
	t.Helper()
	app(t, teal, image+" is there", func(a reconcile.Status) bool {
		for _, c := range a.Colours {
			if c.Image == image {
				colour = c.Colour
			}
		}
		return colour != ""
	})
	return colour
}

func other(c spec.Colour) spec.Colour {
	if c == spec.Blue {
		return spec.Green
	}
	return spec.Blue
}
