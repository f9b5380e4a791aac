package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"teal/cmd/load/loadgen"
	"teal/deploy/docker/dockertest"
	"teal/deploy/workbench"
	"teal/spec"
)

// kit is what all cells use.
type kit struct {
	binary string
	bench  *workbench.Bench
	images map[string]string // references by what scenarios call them
	nginx  string            // reference of the image
	keep   string            // folder for the logs of cells that failed
}

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
	c, err := k.newCell(s)
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

func (k *kit) newCell(s *scenario) (*cell, error) {
	id := "crash-" + dockertest.Unique()
	home, err := os.MkdirTemp(folder, s.file()+"-")
	if err != nil {
		return nil, err
	}
	c := &cell{
		kit: k, scenario: s, id: id, project: strings.ReplaceAll(id, "-", ""), address: freeAddress(),
		controller: &controller{binary: k.binary, folder: home},
	}
	c.args = []string{
		"run", "-f", "compose.yaml", "--state", filepath.Join(home, "state"), "--socket", c.socket(), "--http", c.address,
		"--controller", id, "--resync", "2s", "--prune", "--log-level", "debug",
	}
	if s.nginx {
		c.args = append(c.args, "--proxy", "nginx", "--nginx-image", k.nginx, "--nginx-admin", freeAddress())
	}
	return c, nil
}

// given are the addresses that cells of this process have, which are below the
// ports that the system gives to outgoing connections.
var given struct {
	sync.Mutex
	ports map[int]bool
}

func freeAddress() string {
	given.Lock()
	defer given.Unlock()
	if given.ports == nil {
		given.ports = map[int]bool{}
	}
	for {
		port := 10000 + rand.IntN(9000)
		address := fmt.Sprintf("127.0.0.1:%d", port)
		l, err := net.Listen("tcp", address)
		if err != nil || given.ports[port] {
			continue
		}
		if l.Close() == nil {
			given.ports[port] = true
			return address
		}
	}
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
		if err := c.load(ctx); err != nil {
			return err
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
	_, err := c.kit.bench.Remove(ctx, spec.LabelController, c.id)
	return errors.Join(append(errs, err, os.RemoveAll(c.folder))...)
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
