// Package trial runs the real teal binary on a work folder the way an operator
// does: it starts, kills and stops the controller, edits the desired state,
// types commands, and looks at the status. The demo and the benchmarks are
// written with it.
//
// It promises to touch only processes that it started itself, in this run or an
// earlier one, and only containers of the controller in its folder.
package trial

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"teal/controller/api"
	"teal/deploy/workbench"
	"teal/reconcile"
	"teal/spec"
)

// Trial is one controller and its work folder.
type Trial struct {
	Binary string // the teal binary
	Folder string // holds desired state, state folder, socket, log and pid file
	Listen string // where the proxy listens, for example "127.0.0.1:8000"

	process *os.Process // of this run; nil: none
	client  *api.Client
}

// File is the desired state that the controller watches.
func (t *Trial) File() string { return filepath.Join(t.Folder, "compose.yaml") }

// Log is where the controller's output goes.
func (t *Trial) Log() string { return filepath.Join(t.Folder, "teal.log") }

// Socket is where the controller is spoken to.
func (t *Trial) Socket() string { return filepath.Join(t.Folder, "teal.sock") }

func (t *Trial) pidFile() string { return filepath.Join(t.Folder, "teal.pid") }
func (t *Trial) idFile() string  { return filepath.Join(t.Folder, "controller-id") }

// Edit replaces the desired state the way editors do: a new file, renamed over
// the old one. It returns when that was.
func (t *Trial) Edit(text string) (time.Time, error) {
	fresh := t.File() + "~"
	if err := os.WriteFile(fresh, []byte(text), 0o644); err != nil {
		return time.Time{}, fmt.Errorf("write the desired state: %w", err)
	}
	at := time.Now()
	if err := os.Rename(fresh, t.File()); err != nil {
		return time.Time{}, fmt.Errorf("save the desired state: %w", err)
	}
	return at, nil
}

// Teal runs the binary with args against this controller and returns what it
// printed. An error carries what it said.
func (t *Trial) Teal(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, t.Binary, append(args, "--socket", t.Socket())...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("teal %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// Status asks the controller.
func (t *Trial) Status(ctx context.Context) (api.StatusList, error) {
	if t.client == nil {
		t.client = api.Dial(t.Socket())
	}
	return t.client.Status(ctx, spec.Name{})
}

// pollEvery is how often a condition is looked at.
const pollEvery = 10 * time.Millisecond

// Until waits until met is true, and says what it waited for when ctx ends
// first. A controller that ended by itself ends the wait.
func (t *Trial) Until(ctx context.Context, what string, met func() (bool, error)) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		done, err := met()
		if done {
			return nil
		}
		if t.exited() {
			return fmt.Errorf("wait until %s: the controller ended by itself: %s", what, t.lastWords())
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, errors.Join(ctx.Err(), err))
		case <-tick.C:
		}
	}
}

// App waits until the status of the only app meets a condition, and returns it.
func (t *Trial) App(ctx context.Context, what string, met func(reconcile.Status) bool) (reconcile.Status, error) {
	var last reconcile.Status
	err := t.Until(ctx, what, func() (bool, error) {
		list, err := t.Status(ctx)
		if err != nil {
			return false, err
		}
		if len(list.Apps) == 0 {
			return false, nil
		}
		last = list.Apps[0]
		return met(last), nil
	})
	if err != nil && last.App != (spec.Name{}) {
		err = fmt.Errorf("%w (serving: %s; synced: %s)", err, last.Serving.Message, last.Synced.Message)
	}
	return last, err
}

// Clean stops the controller of an earlier run and removes all that it made on
// the engine, and the folder. Nothing to clean is no error.
func (t *Trial) Clean(ctx context.Context, bench *workbench.Bench) (workbench.Removed, error) {
	if err := t.stopEarlier(ctx); err != nil {
		return workbench.Removed{}, err
	}
	var removed workbench.Removed
	id, err := os.ReadFile(t.idFile())
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return removed, fmt.Errorf("read the controller's id: %w", err)
	default:
		if removed, err = bench.Remove(ctx, spec.LabelController, strings.TrimSpace(string(id))); err != nil {
			return removed, err
		}
	}
	if err := os.RemoveAll(t.Folder); err != nil {
		return removed, fmt.Errorf("remove the work folder: %w", err)
	}
	return removed, nil
}

// ID returns the id of the controller, once it was started.
func (t *Trial) ID() (string, error) {
	id, err := os.ReadFile(t.idFile())
	return strings.TrimSpace(string(id)), err
}

// PortFree returns an error that says so when something listens on address.
func PortFree(ctx context.Context, address string) error {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("%s is taken: %w", address, err)
	}
	return l.Close()
}
