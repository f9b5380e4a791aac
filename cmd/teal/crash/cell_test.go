package crash

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"teal/cmd/load/loadgen"
	"teal/deploy/docker/dockertest"
	"teal/deploy/workbench"
	"teal/spec"
)

// cell is one run of a scenario.
type cell struct {
	*controller
	kit      *kit
	scenario *scenario
	id       string
	project  string
	address  string // of the proxy
	traffic  *loadgen.Generator
	tokens   int
	aborting string // id of the rollout that commands name

	engines []engine          // where its containers are
	images  map[string]string // references of its own, by what scenarios call them
	digests map[string]string // of these
	top     string            // lines at the top of its desired state
	proxies []string          // ids of proxies that are to be replaced
	secure  string            // address of the proxy with TLS
	closing []func(context.Context) error
}

// outcome is what came of a cell.
type outcome struct {
	Killed   bool          `json:"killed"`
	State    state         `json:"state"`
	Trace    []string      `json:"trace,omitempty"`
	Requests int64         `json:"requests"`
	Failed   int64         `json:"failed"`
	Errors   []string      `json:"errors,omitempty"`
	Took     time.Duration `json:"took"`
}

// Limits of one cell, and of one request of its client: a machine that is busy
// with other things may be very slow.
const (
	limit        = 6 * time.Minute
	requestLimit = time.Minute
)

// run runs a scenario, with a kill at a hit such as "store.Save/commit#2", or
// without if that is empty. With want it ends as soon as that state is reached.
func (k *kit) run(ctx context.Context, s *scenario, kill string, want *state) (out outcome, err error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c, err := k.newCell(ctx, s)
	if err != nil {
		return out, err
	}
	defer func() {
		err = errors.Join(err, c.end(err))
		out.Took = time.Since(began)
	}()
	if err := c.play(ctx, kill); err != nil {
		return out, err
	}
	out.State, err = c.settle(ctx, want)
	if err != nil {
		return out, err
	}
	if c.traffic != nil {
		report := c.traffic.Stop()
		c.traffic = nil
		out.Requests, out.Failed = report.Sent, report.Failed
		for _, e := range report.Errors {
			out.Errors = append(out.Errors, fmt.Sprintf("%s %s %s: %s", e.At.Format("15:04:05.000"), e.Method, e.Kind, e.Text))
		}
	}
	if out.Failed > 0 {
		err = fmt.Errorf("%d of %d requests failed: %s", out.Failed, out.Requests, strings.Join(out.Errors, "; "))
	}
	kills, broken := c.killed()
	out.Killed = kills > 0
	trace, reading := os.ReadFile(c.points("trace"))
	out.Trace = strings.Fields(string(trace))
	return out, errors.Join(err, broken, reading)
}

func (k *kit) newCell(ctx context.Context, s *scenario) (*cell, error) {
	id := "crash-" + dockertest.Unique()
	home, err := os.MkdirTemp(folder, s.file()[:min(len(s.file()), 20)]+"-")
	if err != nil {
		return nil, err
	}
	c := &cell{
		kit: k, scenario: s, id: id, project: strings.ReplaceAll(id, "-", ""), address: freeAddress(),
		controller: &controller{binary: k.binary, folder: home},
		engines:    []engine{{bench: k.bench}}, images: map[string]string{}, digests: map[string]string{},
	}
	if s.place.open != nil {
		if err := s.place.open(ctx, c); err != nil {
			return nil, errors.Join(fmt.Errorf("prepare the place: %w", err), c.end(err))
		}
	}
	for _, name := range s.published {
		c.publish(name)
	}
	c.args = append([]string{
		"run", "-f", "compose.yaml", "--state", c.state(), "--socket", c.socket(), "--http", c.address,
		"--controller", id, "--resync", "2s", "--prune", "--log-level", "debug",
	}, append(c.args, s.flags...)...)
	return c, nil
}

// publish makes an image that only the registry has, and no other cell.
func (c *cell) publish(name string) {
	env := map[string]string{"CELL": c.id}
	maps.Copy(env, variants[name])
	c.images[name], c.digests[name] = c.kit.registry.Push(c.kit.t, c.id+"/app:"+name, dockertest.Options{
		Env: env, Labels: map[string]string{workbench.LabelMade: c.id, dockertest.LabelTest: c.id},
	})
}

// play brings the world to where the scenario begins, arms the failpoints and
// does what the scenario is about, while there is traffic.
func (c *cell) play(ctx context.Context, kill string) error {
	if c.scenario.base == nil {
		if err := errors.Join(c.edit(c.scenario.first), c.arm(kill)); err != nil {
			return err
		}
	} else if err := c.edit(*c.scenario.base); err != nil {
		return err
	}
	if err := c.start(); err != nil {
		return err
	}
	if c.scenario.base != nil {
		if err := c.ready(ctx); err != nil {
			return err
		}
		if !c.scenario.quiet {
			if err := c.load(ctx); err != nil {
				return err
			}
		}
		for _, step := range c.scenario.before {
			if err := step(ctx, c); err != nil {
				return fmt.Errorf("before: %w", err)
			}
		}
		if err := c.arm(kill); err != nil {
			return err
		}
	}
	for n, step := range c.scenario.act {
		if err := step(ctx, c); err != nil {
			return fmt.Errorf("step %d: %w", n+1, err)
		}
	}
	return nil
}

// arm makes hits count from now on.
func (c *cell) arm(kill string) error {
	if err := os.MkdirAll(filepath.Dir(c.points("armed")), 0o700); err != nil {
		return err
	}
	if kill != "" {
		if err := os.WriteFile(c.points("kill"), []byte(kill), 0o600); err != nil {
			return err
		}
	}
	return os.WriteFile(c.points("armed"), nil, 0o600)
}

// load starts the traffic.
func (c *cell) load(ctx context.Context) (err error) {
	c.traffic, err = loadgen.New(ctx, loadgen.Config{URL: "http://" + c.address + "/", Rate: *rate, Connections: 8, Timeout: requestLimit, Samples: 5})
	if err == nil {
		c.traffic.Start(ctx)
	}
	return err
}

// end removes everything; what a failed cell wrote is kept.
func (c *cell) end(failed error) error {
	var errs []error
	if c.traffic != nil {
		c.traffic.Stop()
	}
	errs = append(errs, c.stop())
	if failed != nil || *keepAll {
		errs = append(errs, c.save())
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for _, e := range c.engines {
		_, err := e.bench.Remove(ctx, spec.LabelController, c.id)
		errs = append(errs, err, e.bench.RemoveVolumes(ctx, spec.LabelController, c.id))
	}
	if len(c.images) > 0 {
		_, err := c.kit.bench.RemoveImages(ctx, c.id)
		errs = append(errs, err)
	}
	for _, shut := range slices.Backward(c.closing) {
		errs = append(errs, shut(ctx))
	}
	return errors.Join(append(errs, os.RemoveAll(c.folder))...)
}

// save keeps the log, the trace and the desired state of a failed cell.
func (c *cell) save() error {
	to := filepath.Join(c.kit.keep, filepath.Base(c.folder))
	errs := []error{os.MkdirAll(to, 0o755)}
	for _, name := range []string{"teal.log", "compose.yaml", "points/trace"} {
		text, err := os.ReadFile(filepath.Join(c.folder, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, filepath.Base(name)), text, 0o644)
		}
		if !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
