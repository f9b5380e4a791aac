package faults

import (
	"fmt"
	"strings"
	"testing"

	"teal/deploy/rig"
	"teal/reconcile"
	"teal/spec"
)

// TestByHand does to a container that serves what hands do, and expects that
// Teal mends it, and that it does not touch what is not its own.
func TestByHand(t *testing.T) {
	t.Parallel()
	s := newStage(t, rig.HostOptions{})
	for _, c := range []struct {
		name string
		do   func(t *testing.T, x *site, one string)
	}{
		{"stopped", func(t *testing.T, x *site, one string) { x.docker(t, "stop", "-t", "0", one) }},
		{"killed", func(t *testing.T, x *site, one string) { x.docker(t, "kill", one) }},
		{"removed", func(t *testing.T, x *site, one string) { x.docker(t, "rm", "-f", one) }},
		{"paused", func(t *testing.T, x *site, one string) { x.docker(t, "pause", one) }},
		{"restarted", func(t *testing.T, x *site, one string) { x.docker(t, "restart", "-t", "0", one) }},
		{"taken off teal-ingress", func(t *testing.T, x *site, one string) {
			x.docker(t, "network", "disconnect", "-f", "teal-ingress", one)
		}},
		{"taken off its own network", func(t *testing.T, x *site, one string) {
			x.docker(t, "network", "disconnect", "-f", x.project+"_default", one)
		}},
		{"the proxy stopped", func(t *testing.T, x *site, _ string) { x.docker(t, "stop", "-t", "0", "teal-proxy-"+x.id) }},
		{"the proxy removed", func(t *testing.T, x *site, _ string) { x.docker(t, "rm", "-f", "teal-proxy-"+x.id) }},
		{"the proxy paused", func(t *testing.T, x *site, _ string) { x.docker(t, "pause", "teal-proxy-"+x.id) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := newSite(t, s)
			x.edit(x.wants("app:v1"))
			x.start()
			x.settled("v1")
			one := x.only()
			c.do(t, x, one)
			x.settled("v1")
			// Once more, by a rollout: nothing that was left over is in its way.
			x.edit(x.wants("app:v2"))
			x.settled("v2")
			x.only()
			x.onNetworks(t)
		})
	}
	t.Run("renamed", func(t *testing.T) {
		t.Parallel()
		renamed(t, newSite(t, s))
	})
}

// renamed: a container with another name is not Teal's any more, whatever its
// labels say. It is replaced and left alone.
func renamed(t *testing.T, x *site) {
	x.edit(x.wants("app:v1"))
	x.start()
	x.settled("v1")
	one, mine := x.only(), "mine-"+x.id
	x.docker(t, "rename", one, mine)
	until(t, "it is replaced", func() error {
		out, err := x.dockerErr("inspect", "-f", "{{.State.Status}}", one)
		if err == nil && out != "running" {
			err = errNotYet
		}
		return err
	})
	x.settled("v1")
	x.edit(x.wants("app:v2"))
	x.settled("v2")
	if out := x.docker(t, "inspect", "-f", "{{.State.Status}} {{.RestartCount}}", mine); out != "running 0" {
		t.Errorf("the renamed one is %s", out)
	}
}

// onNetworks expects that the only replica is on both networks.
func (x *site) onNetworks(t *testing.T) {
	t.Helper()
	on := x.docker(t, "inspect", "-f", "{{range $n, $e := .NetworkSettings.Networks}}{{$n}} {{end}}", x.only())
	for _, n := range []string{"teal-ingress", x.project + "_default"} {
		if !strings.Contains(on, n) {
			t.Errorf("on networks %q, not on %s", on, n)
		}
	}
}

// TestImitators runs a stranger's containers that carry Teal's labels: they are
// never routed to and never touched.
func TestImitators(t *testing.T) {
	t.Parallel()
	s := newStage(t, rig.HostOptions{})
	for name, controller := range map[string]string{"of this controller": "", "of another controller": "f-other"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newSite(t, s)
			x.edit(x.wants("app:v1"))
			x.start()
			x.settled("v1")
			one := x.only()
			strangers := []string{"stranger-" + x.id, "stranger2-" + x.id}
			for i, stranger := range strangers {
				x.imitate(t, one, stranger, controller, i+1)
			}
			before := x.docker(t, append([]string{"inspect", "-f", "{{.Id}} {{.State.StartedAt}}"}, strangers...)...)
			x.edit(x.wants("app:v2"))
			x.settled("v2")
			x.edit(x.wants("app:v1"))
			x.settled("v1")
			if after := x.docker(t, append([]string{"inspect", "-f", "{{.Id}} {{.State.StartedAt}}"}, strangers...)...); after != before {
				t.Errorf("strangers were touched: %s, were %s", after, before)
			}
			x.says("one replica is all that Teal counts", func(st reconcile.Status) bool {
				return len(st.Colours) == 1 && st.Colours[0].Replicas == 1
			})
		})
	}
}

// imitate starts a stranger's container with all labels of one; controller
// replaces the controller's id if it is not empty.
func (x *site) imitate(t *testing.T, one, name, controller string, replica int) {
	t.Helper()
	args := []string{"run", "-d", "--name", name, "--network", "teal-ingress"}
	for line := range strings.Lines(x.docker(t, "inspect", "-f", `{{range $k, $v := .Config.Labels}}{{$k}}={{$v}}{{"\n"}}{{end}}`, one)) {
		label := strings.TrimSpace(line)
		switch {
		case label == "":
			continue
		case controller != "" && strings.HasPrefix(label, spec.LabelController+"="):
			label = spec.LabelController + "=" + controller
		case strings.HasPrefix(label, spec.LabelReplica+"="):
			label = fmt.Sprintf("%s=%d", spec.LabelReplica, replica)
		}
		args = append(args, "--label", label)
	}
	x.docker(t, append(args, "app:v3")...)
}

// TestNetworkGone removes the networks that the app is on, while Teal runs and
// while it does not.
func TestNetworkGone(t *testing.T) {
	t.Parallel()
	s := newStage(t, rig.HostOptions{}) // teal-ingress is the host's: one site only
	x := newSite(t, s)
	x.edit(x.wants("app:v1"))
	x.start()
	x.settled("v1")
	for i, running := range []bool{true, false} {
		one := x.only()
		if !running {
			x.kill()
		}
		for _, network := range []string{x.project + "_default", "teal-ingress"} {
			x.docker(t, "network", "disconnect", "-f", network, one)
			if out, err := x.dockerErr("network", "rm", network); err != nil && !running {
				t.Fatalf("remove %s: %v %s", network, err, out) // a Teal that runs may have been faster
			}
		}
		if !running {
			x.start()
		}
		x.settled([]string{"v1", "v2"}[i])
		next := []string{"v2", "v3"}[i]
		x.edit(x.wants("app:" + next))
		x.settled(next)
		x.only()
		x.onNetworks(t)
	}
	if st, err := x.status(); err != nil || st.Phase != reconcile.Idle {
		t.Errorf("%+v, %v", st, err)
	}
}
