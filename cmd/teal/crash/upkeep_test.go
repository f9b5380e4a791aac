package crash

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"teal/deploy/workbench"
	"teal/reconcile"
	"teal/spec"
)

// data is a dependency that keeps something.
const data = "  db:\n    image: IMAGE(v1)\n    pull_policy: never\n    volumes: [kept:/kept]\nvolumes: {kept: {}}\n"

// upkeep is what Teal does beside rollouts, and what happens to it.
func upkeep() []*scenario {
	needs := wish{image: "v1", web: []string{"depends_on: [db]"}, more: data}
	brief := func(image string) wish { return wish{image: image, standby: "0s"} }
	return []*scenario{
		{
			name: "an image is pulled", published: []string{"v2"}, base: v("v1"),
			act: []step{edit(*v("v2")), idle("v2")}, ends: []string{"stable v2 weight 100", "image v2"},
		},
		{
			name: "images of earlier versions go", published: []string{"v1", "v2", "v3"}, flags: []string{"--images-keep", "0"},
			base: &wish{image: "v1", standby: "0s"}, before: []step{edit(brief("v2")), idle("v2")},
			act: []step{edit(brief("v3")), idle("v3"), gone("v1")}, ends: []string{"stable v3 weight 100", "image v3"},
		},
		{
			name: "a dependency with a volume", base: v("v1"),
			act: []step{edit(needs), running(1)}, ends: []string{"stable v1 weight 100", "has PROJECT_kept"},
		},
		{
			name: "a dependency paused by hand", base: &needs,
			act: []step{byHand(workbench.HandPause, "db"), back("db")}, ends: []string{"stable v1 weight 100"},
		},
		{
			name: "an app removed by hand", base: &wish{image: "v1", replicas: 2},
			act: []step{byHand(workbench.HandStop, "web"), running(2)}, ends: []string{"stable v1 weight 100, 2 of 2"},
		},
		{
			name: "the proxy is replaced by a newer one", base: v("v1"), before: []step{halts, newer},
			act: []step{starts(), replaced}, ends: []string{"stable v1 weight 100"},
		},
		{
			name: "records built anew", base: v("v1"), before: []step{edit(*v("v2")), idle("v2"), halts},
			act: []step{starts("--rebuild"), idle("v2")}, ends: []string{"stable v2 weight 100"},
		},
		{
			name: "records damaged", base: v("v1"), before: []step{edit(*v("v2")), idle("v2"), halts, damaged},
			act: []step{starts(), idle("v2")}, ends: []string{"stable v2 weight 100"},
		},
		{
			name: "records made small", base: v("v1"), before: []step{edit(*v("v2")), idle("v2"), halts, bloated},
			act: []step{starts(), idle("v2")}, ends: []string{"stable v2 weight 100", "standby v1"},
		},
		{
			name: "a project that was sent is given up", base: v("v1"), before: []step{sends, settled("sent", true)},
			act: []step{teals("down", "--yes", "PROJECTsent"), settled("sent", false)}, ends: []string{"stable v1 weight 100"},
		},
		{
			name: "a project leaves a repository", base: v("v1"), before: []step{halts, pulls("one", "two"), settled("one", true), settled("two", true)},
			act: []step{leaves("two")}, ends: []string{"stable v1 weight 100", "source valid: true"},
		},
		{
			name: "all is taken off", base: &needs, quiet: true, before: []step{halts},
			act: []step{takesOff},
		},
		{
			name: "a certificate renewed", place: place{open: openHTTPS}, base: v("v1"),
			act: []step{renews("second"), presents("second")}, ends: []string{"stable v1 weight 100"},
		},
	}
}

// gone waits until an image is not on the engine any more.
func gone(name string) step {
	return func(ctx context.Context, c *cell) error {
		return c.until(ctx, name+" is removed", func() error {
			have, err := c.kit.bench.Names(ctx, c.id)
			if err == nil && slices.Contains(have, c.images[name]) {
				err = errors.New("it is there")
			}
			return err
		})
	}
}

// found are the containers of a service.
func (c *cell) found(ctx context.Context, service string) ([]workbench.Found, error) {
	all, err := c.kit.bench.Everything(ctx, c.id)
	var out []workbench.Found
	for _, x := range all.Containers {
		if x.Labels[spec.LabelService] == service {
			out = append(out, x)
		}
	}
	return out, err
}

// byHand does something to a container of a service.
func byHand(do workbench.Hand, service string) step {
	return func(ctx context.Context, c *cell) error {
		all, err := c.found(ctx, service)
		if err == nil && len(all) == 0 {
			err = errors.New(service + " has no container")
		}
		if err != nil {
			return err
		}
		return c.kit.bench.ByHand(ctx, do, all[0].ID)
	}
}

// back waits until all containers of a service run.
func back(service string) step {
	return func(ctx context.Context, c *cell) error {
		return c.until(ctx, service+" runs", func() error {
			all, err := c.found(ctx, service)
			for _, x := range all {
				if x.State != "running" {
					err = errors.Join(err, fmt.Errorf("%s is %s", x.Name, x.State))
				}
			}
			return err
		})
	}
}

// halts stops the controller as a service manager does.
func halts(_ context.Context, c *cell) error { return c.halt() }

// starts starts the controller again, with further flags.
func starts(flags ...string) step {
	return func(_ context.Context, c *cell) error {
		c.args = append(c.args, flags...)
		return c.start()
	}
}

// proxyIDs are the ids of the containers that are the proxy.
func (c *cell) proxyIDs(ctx context.Context) ([]string, error) {
	all, err := c.kit.bench.Everything(ctx, c.id)
	var out []string
	for _, x := range all.Containers {
		if x.Labels[spec.LabelRole] == spec.RoleProxy {
			out = append(out, x.ID)
		}
	}
	return out, err
}

// newer makes the program another one, of this cell alone: so is its proxy's
// image.
func newer(ctx context.Context, c *cell) (err error) {
	if c.proxies, err = c.proxyIDs(ctx); err != nil {
		return err
	}
	program, err := os.ReadFile(c.binary)
	if err != nil {
		return err
	}
	c.binary = filepath.Join(c.folder, "teal")
	return os.WriteFile(c.binary, append(program, c.id...), 0o755)
}

// replaced waits until the proxy is another container, and the only one.
func replaced(ctx context.Context, c *cell) error {
	return c.until(ctx, "the proxy is replaced", func() error {
		now, err := c.proxyIDs(ctx)
		if err == nil && (len(now) != 1 || slices.Contains(c.proxies, now[0])) {
			err = fmt.Errorf("proxies %v, before %v", now, c.proxies)
		}
		return err
	})
}

// sends sends a second project, as teal apply does.
func sends(ctx context.Context, c *cell) error {
	sent := strings.NewReplacer("name: "+c.project, "name: "+c.project+"sent", "  web:", "  sent:", "route: {", "route: {path: /sent, ")
	file := filepath.Join(c.folder, "sent.yaml")
	if err := os.WriteFile(file, []byte(sent.Replace(c.compose(*v("v1")))), 0o600); err != nil {
		return err
	}
	return teals("apply", "-f", file)(ctx, c)
}

// settled waits until a service is known and at rest, or not known any more.
func settled(service string, known bool) step {
	return func(ctx context.Context, c *cell) error {
		return c.until(ctx, fmt.Sprintf("%s is known: %t", service, known), func() error {
			client := c.client()
			defer client.Close()
			list, err := client.Status(ctx, spec.Name{})
			if err != nil {
				return err
			}
			at := slices.IndexFunc(list.Apps, func(s reconcile.Status) bool { return s.App.Service == service })
			if known != (at >= 0) || known && (!list.Apps[at].Serving.OK || !list.Apps[at].Synced.OK) {
				return errors.New("not yet")
			}
			return nil
		})
	}
}

// teals types a command again and again until it does what it is to do.
func teals(args ...string) step {
	return func(ctx context.Context, c *cell) error {
		return c.until(ctx, "teal "+args[0]+" is done", func() error {
			typed := []string{"--socket", c.socket(), "--state", c.state()}
			for _, arg := range args {
				typed = append(typed, strings.ReplaceAll(arg, "PROJECT", c.project))
			}
			out, err := exec.CommandContext(ctx, c.binary, typed...).CombinedOutput()
			if err != nil && strings.Contains(string(out), "no project is called") {
				return nil // it was done before its answer was lost
			}
			if err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return nil
		})
	}
}

// takesOff types teal down, and again each time that it was killed.
func takesOff(ctx context.Context, c *cell) error {
	for {
		cmd := exec.CommandContext(ctx, c.binary, "down", "--yes", "--volumes", "--controller", c.id, "--socket", c.socket(), "--state", c.state())
		cmd.Env = append(os.Environ(), "TEAL_FAILPOINTS="+c.points(""))
		out, err := cmd.CombinedOutput()
		if err == nil {
			return nil
		}
		if cmd.ProcessState == nil || !sigkilled(cmd.ProcessState) {
			return fmt.Errorf("teal down: %w: %s", err, out)
		}
		c.mu.Lock()
		c.kills++
		c.mu.Unlock()
		if err := removeAll(c.points("kill")); err != nil {
			return err
		}
	}
}
