// Package systemd tells the service manager how the controller fares, by
// sd_notify: that it is ready, a line of status, that it still works, and that it
// ends.
//
// It promises that nothing is sent where no service manager listens, that the
// watchdog is fed only while the controller says that it works, and that a start
// which waits for something slow is not cut off while it works.
package systemd

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Controller is what is told of.
type Controller interface {
	// FirstLook is closed when it is ready.
	FirstLook() <-chan struct{}
	// Hangs returns why it does not work any more, nil if it does.
	Hangs() error
	// Summary is a line for people.
	Summary() string
}

const (
	statusEvery = 5 * time.Second
	// extension of the time to start, at each look while that goes on.
	extension = time.Minute
)

// Notifier tells of one controller.
type Notifier struct {
	of    Controller
	log   *slog.Logger
	every time.Duration
	feed  bool // a watchdog wants to be fed

	status string // as it was told last
	hangs  bool   // that was logged
}

// New returns a notifier, or nil when no service manager listens. The error says
// what is wrong with its environment.
func New(of Controller, log *slog.Logger) (*Notifier, error) {
	watchdog, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return nil, fmt.Errorf("read the watchdog's settings: %w", err)
	}
	listens, err := daemon.SdNotify(false, "STATUS=starting")
	if err != nil {
		return nil, fmt.Errorf("tell the service manager: %w", err)
	}
	if !listens {
		return nil, nil
	}
	n := &Notifier{of: of, log: log, every: statusEvery, feed: watchdog > 0}
	if watchdog > 0 {
		n.every = min(n.every, watchdog/4)
	}
	return n, nil
}

// Run tells until ctx ends.
func (n *Notifier) Run(ctx context.Context) error {
	tick := time.NewTicker(n.every)
	defer tick.Stop()
	ready := n.of.FirstLook()
	n.beat(true)
	for {
		select {
		case <-ctx.Done():
			n.tell(daemon.SdNotifyStopping, "STATUS=stopping")
			return nil
		case <-ready:
			ready = nil
			n.tell(daemon.SdNotifyReady)
			n.log.Info("service manager was told that the controller is ready")
		case <-tick.C:
		}
		n.beat(ready != nil)
	}
}

// beat says that the controller works, and how it fares, if it works.
func (n *Notifier) beat(starting bool) {
	if err := n.of.Hangs(); err != nil {
		if !n.hangs {
			n.hangs = true
			n.log.Error("controller hangs, and the watchdog is not fed any more", "error", err)
			n.tell("STATUS=hangs: " + err.Error())
		}
		return
	}
	n.hangs = false
	var lines []string
	if n.feed {
		lines = append(lines, daemon.SdNotifyWatchdog)
	}
	if starting {
		lines = append(lines, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", extension.Microseconds()))
	}
	if s := n.of.Summary(); s != n.status {
		n.status = s
		lines = append(lines, "STATUS="+s)
	}
	if len(lines) > 0 {
		n.tell(lines...)
	}
}

// tell sends lines. Should that fail, the service manager acts as it is set up
// to, which no other message could change.
func (n *Notifier) tell(lines ...string) {
	if _, err := daemon.SdNotify(false, strings.Join(lines, "\n")); err != nil {
		n.log.Warn("service manager was not told", "error", err)
	}
}
