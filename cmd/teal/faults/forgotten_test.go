package faults

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"teal/deploy/rig"
	"teal/reconcile"
	"teal/spec"
)

// slowStart is a runtime for an engine that can be made to hang between the
// creation and the start of a container: what an engine that is killed there
// leaves behind is always the same.
type slowStart struct{ program, on string }

func newSlowStart(t *testing.T) slowStart {
	t.Helper()
	prepare(t)
	folder := t.TempDir()
	out := slowStart{program: filepath.Join(folder, "runc"), on: filepath.Join(folder, "on")}
	script := `#!/bin/sh
case " $* " in *" start "*)
  if [ -e "` + out.on + `" ]; then : >"` + out.on + `.met"; exec sleep 600; fi ;;
esac
exec runc "$@"
`
	if err := os.WriteFile(out.program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return out
}

// config is the engine's.
func (r slowStart) config(t *testing.T) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"runtimes": map[string]any{"slow": map[string]string{"path": r.program}}, "default-runtime": "slow",
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// forget kills the engine in the middle of the next start of a container, which
// begin leads to, and starts it again.
func (r slowStart) forget(t *testing.T, x *site, begin func()) {
	t.Helper()
	if err := os.WriteFile(r.on, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	begin()
	until(t, "a container is half started", func() error {
		_, err := os.Stat(r.on + ".met")
		return err
	})
	if err := x.KillEngine(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{r.on, r.on + ".met"} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if err := x.StartEngine(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// TestEngineForgetsAStart: an engine that is killed while it starts a container
// leaves a process at the container's address. No replica is given that address
// any more: not the one that it was, be it the candidate's or stable's, and not
// the later ones that would have it, in either colour.
func TestEngineForgetsAStart(t *testing.T) {
	for _, proxy := range []string{"embedded", "nginx"} {
		t.Run(proxy, func(t *testing.T) {
			t.Parallel()
			slow := newSlowStart(t)
			s := newStage(t, rig.HostOptions{LiveRestore: true, Daemon: slow.config(t)})
			x := newSite(t, s)
			var flags []string
			if proxy == "nginx" {
				s.loadNginx(t)
				flags = append(flags, "--proxy", "nginx", "--nginx-image", "nginx:1")
			}
			wants := func(image string) string {
				return strings.Replace(x.wants(image), "standby: 0s", "standby: 1h", 1)
			}
			x.edit(wants("app:v1"))
			x.start(flags...)
			x.settled("v1")
			stop := x.load()

			slow.forget(t, x, func() { x.edit(wants("app:v2")) }) // the candidate
			x.settled("v2")
			x.apart(t)
			x.edit(wants("app:v3"))
			x.settled("v3")
			x.edit(wants("app:v1")) // again in the slot of the half start
			x.settled("v1")
			x.apart(t)
			lossless(t, stop())

			slow.forget(t, x, func() { x.docker(t, "stop", "-t", "0", x.serving(t)) }) // stable
			x.settled("v1")
			x.apart(t)
			x.edit(wants("app:v2"))
			x.settled("v2")
			x.edit(wants("app:v3"))
			x.settled("v3")
			x.apart(t)
		})
	}
}

// serving is the name of the container that serves.
func (x *site) serving(t *testing.T) string {
	t.Helper()
	s, err := x.status()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(s.Colours, func(c reconcile.ColourStatus) bool { return c.Role == "stable" })
	if i < 0 {
		t.Fatalf("nothing serves: %+v", s)
	}
	out := x.docker(t, "ps", "--filter", "label="+spec.LabelController+"="+x.id, "--filter", "label="+spec.LabelColour+"="+string(s.Colours[i].Colour), "--format", "{{.Names}}")
	if out == "" || strings.Contains(out, "\n") {
		t.Fatalf("%s serves: %q", s.Colours[i].Colour, out)
	}
	return out
}

// apart expects that there are forgotten processes, and that no container has
// the address of one.
func (x *site) apart(t *testing.T) {
	t.Helper()
	known := map[string]bool{}
	for id := range strings.FieldsSeq(x.docker(t, "ps", "-aq", "--no-trunc")) {
		known[id] = true
	}
	var forgotten []string
	for _, network := range x.addresses(t) {
		if !known[network.container] {
			forgotten = append(forgotten, network.address)
		}
	}
	if len(forgotten) == 0 {
		t.Fatal("no process was forgotten: this test tests nothing")
	}
	for id := range known {
		address := x.docker(t, "inspect", "-f", `{{with index .NetworkSettings.Networks "teal-ingress"}}{{.IPAddress}}{{end}}`, id)
		for _, a := range forgotten {
			if a == address {
				t.Errorf("container %s was given the address %s of a forgotten process", id, a)
			}
		}
	}
}

// sandbox is a container as its processes tell, whether the engine knows it or
// not.
type sandbox struct{ container, address string }

// addresses are those on the ingress of all that the host's shims hold.
func (x *site) addresses(t *testing.T) []sandbox {
	t.Helper()
	gateway := x.docker(t, "network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", "teal-ingress")
	prefix := strings.Join(strings.Split(gateway, ".")[:2], ".") + "."
	const shims = `for d in /proc/[0-9]*; do
  a=$(tr '\0' ' ' <$d/cmdline 2>/dev/null) || continue
  case "$a" in *containerd-shim*" -id "*) ;; *) continue ;; esac
  id=${a##* -id }; id=${id%% *}
  for c in $(cat $d/task/*/children); do
    [ -e /proc/$c/ns/net ] || continue
    echo "$id $(nsenter -t $c -n ip -4 -o addr | awk '{print $4}' | tr '\n' ' ')"
  done
done; true`
	out, err := x.Run(context.Background(), "sh", "-c", shims)
	if err != nil {
		t.Fatal(err)
	}
	var list []sandbox
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		for _, w := range words[1:] {
			if ip, _, _ := strings.Cut(w, "/"); strings.HasPrefix(ip, prefix) {
				list = append(list, sandbox{words[0], ip})
			}
		}
	}
	if len(list) == 0 {
		t.Fatalf("nobody is on %s: %s", gateway, out)
	}
	return list
}
