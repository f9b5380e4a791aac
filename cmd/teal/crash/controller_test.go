package crash

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"teal/controller/api"
)

// controller is one `teal run` that is started again whenever it was killed at a
// failpoint.
type controller struct {
	binary string
	args   []string
	folder string // of the cell

	mu      sync.Mutex
	kills   int
	broken  error // it ended by itself
	process *os.Process
	done    chan struct{} // closed when nobody watches it any more
	ending  bool
}

func (c *controller) points(name string) string { return filepath.Join(c.folder, "points", name) }
func (c *controller) socket() string            { return filepath.Join(c.folder, "teal.sock") }
func (c *controller) log() string               { return filepath.Join(c.folder, "teal.log") }
func (c *controller) state() string             { return filepath.Join(c.folder, "state") }

// start starts the process and watches it until stop.
func (c *controller) start() error {
	if err := os.MkdirAll(filepath.Join(c.folder, "points"), 0o700); err != nil {
		return err
	}
	c.done = make(chan struct{})
	c.ending = false
	cmd, err := c.launch()
	if err != nil {
		return err
	}
	go c.watch(cmd)
	return nil
}

func (c *controller) launch() (*exec.Cmd, error) {
	log, err := os.OpenFile(c.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(c.binary, c.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.folder, log, log
	cmd.Env = append(os.Environ(), "TEAL_FAILPOINTS="+filepath.Join(c.folder, "points"))
	err = errors.Join(cmd.Start(), log.Close())
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.process = cmd.Process
	return cmd, nil
}

// watch starts a killed process again, with no kill and no pause to come.
func (c *controller) watch(cmd *exec.Cmd) {
	defer close(c.done)
	for {
		err := cmd.Wait()
		c.mu.Lock()
		ending := c.ending
		c.mu.Unlock()
		if ending {
			return
		}
		if !sigkilled(cmd.ProcessState) {
			text, reading := os.ReadFile(c.log())
			c.fail(errors.Join(fmt.Errorf("the controller ended by itself: %w: %s", err, text[max(0, len(text)-1000):]), reading))
			return
		}
		if err := removeAll(c.points("kill"), c.points("pause")); err != nil {
			c.fail(err)
			return
		}
		if cmd, err = c.launch(); err != nil {
			c.fail(err)
			return
		}
		c.mu.Lock()
		c.kills++
		c.mu.Unlock()
	}
}

func sigkilled(p *os.ProcessState) bool {
	status, ok := p.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

func removeAll(names ...string) error {
	var errs []error
	for _, name := range names {
		errs = append(errs, os.RemoveAll(name))
	}
	return errors.Join(errs...)
}

func (c *controller) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken = err
}

// killed tells how often it was killed, and an error if it ended otherwise.
func (c *controller) killed() (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kills, c.broken
}

// stop ends the process, which does nothing about it.
func (c *controller) stop() error { return c.quit(syscall.SIGKILL) }

// halt asks the process to end.
func (c *controller) halt() error { return c.quit(syscall.SIGTERM) }

func (c *controller) quit(how syscall.Signal) error {
	if c.done == nil {
		return nil
	}
	c.mu.Lock()
	if c.ending {
		c.mu.Unlock()
		return nil
	}
	c.ending = true
	process := c.process
	c.mu.Unlock()
	if err := process.Signal(how); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-c.done
	// A process that was launched while this call began is the one to end.
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.process != process {
		return errors.Join(c.process.Kill(), waitFor(c.process))
	}
	return nil
}

func waitFor(p *os.Process) error {
	_, err := p.Wait()
	return err
}

// client speaks to the controller; calls fail while there is none.
func (c *controller) client() *api.Client { return api.Dial(c.socket()) }

// How often a condition is looked at. What a settled world is like is asked of
// all engines.
const (
	pollEvery   = 50 * time.Millisecond
	settleEvery = 150 * time.Millisecond
)

// until waits until met returns nil, and says what it waited for when ctx ends
// first. A controller that ended by itself ends the wait.
func (c *controller) until(ctx context.Context, what string, met func() error) error {
	return c.every(ctx, pollEvery, what, met)
}

func (c *controller) every(ctx context.Context, period time.Duration, what string, met func() error) error {
	tick := time.NewTicker(period)
	defer tick.Stop()
	var last error
	for {
		err := met()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil && last != nil {
			err = last // what the end of ctx itself broke says nothing
		}
		last = err
		if _, broken := c.killed(); broken != nil {
			return fmt.Errorf("wait until %s: %w", what, broken)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, err)
		case <-tick.C:
		}
	}
}
