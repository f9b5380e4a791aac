package controller

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"teal/spec"
)

// slack is what a pass may take beyond the limits of what it waits for, and how
// long an app may be due while nobody is busy. It is for slow machines.
const slack = time.Minute

// vitals tell a controller that works, or waits within its limits, from one that
// hangs. An engine that does not answer is waited for within limits: no hang.
type vitals struct {
	mu     sync.Mutex
	passes map[spec.Name]time.Time // when each running pass must have gone on

	looking sync.Once
	looked  chan struct{}      // closed when the first look is done
	unseen  map[spec.Name]bool // apps that were not looked at yet
}

func newVitals() *vitals {
	return &vitals{passes: map[spec.Name]time.Time{}, looked: make(chan struct{})}
}

// within says that app's pass goes on within d.
func (v *vitals) within(app spec.Name, d time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.passes[app] = time.Now().Add(d + slack)
}

// ended says that app's pass has ended, in whatever way.
func (v *vitals) ended(app spec.Name) {
	v.mu.Lock()
	delete(v.passes, app)
	delete(v.unseen, app)
	done := v.unseen != nil && len(v.unseen) == 0
	v.mu.Unlock()
	if done {
		v.firstLookDone()
	}
}

// begin names the apps of the first look.
func (v *vitals) begin(apps []spec.Name) {
	v.mu.Lock()
	v.unseen = map[spec.Name]bool{}
	for _, app := range apps {
		v.unseen[app] = true
	}
	v.mu.Unlock()
	if len(apps) == 0 {
		v.firstLookDone()
	}
}

func (v *vitals) firstLookDone() { v.looking.Do(func() { close(v.looked) }) }

// overdue returns a pass that should have gone on by now.
func (v *vitals) overdue(now time.Time) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for app, until := range v.passes {
		if now.After(until) {
			return fmt.Errorf("the pass of %s is %s over all its limits", app, now.Sub(until).Round(time.Second))
		}
	}
	return nil
}

// FirstLook is closed when every app that was known at the start was looked at
// once, or the engine (with several, every host) was found not to answer: from
// then on the controller does what it can.
func (c *Controller) FirstLook() <-chan struct{} { return c.vitals.looked }

// Hangs returns why the controller does not work any more, nil if it does. It
// does while every pass is within the limits of what it waits for, and no app
// is left waiting while there is nothing else to do. What hangs badly enough
// makes this call hang, too.
func (c *Controller) Hangs() error {
	now := time.Now()
	if err := c.vitals.overdue(now); err != nil {
		return err
	}
	return c.queue.stuck(now)
}

// Summary describes the controller in a few words, for people.
func (c *Controller) Summary() string {
	apps, serving := 0, 0
	for key, n := range c.conditionCounts() {
		if key[0] == "serving" {
			apps += n
			if key[1] == "" {
				serving += n
			}
		}
	}
	text := []string{fmt.Sprintf("%d of %d apps and dependencies serve", serving, apps)}
	for _, s := range []side{engineSide, proxySide} {
		if state := c.health.of(s); !state.OK {
			text = append(text, words[s].lost)
		}
	}
	return strings.Join(text, "; ")
}
