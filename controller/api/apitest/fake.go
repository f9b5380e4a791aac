// Package apitest has a controller for tests: it keeps what it is told in
// memory, refuses what a real one refuses, and does nothing by itself. Tests
// move its world with Set, Note and Settle.
package apitest

import (
	"slices"
	"sync"
	"time"

	"teal/controller/api"
	"teal/reconcile"
	"teal/spec"
)

// Fake is an [api.Controller]. It is safe for concurrent use.
type Fake struct {
	// OnApply, when set, is called after a project was accepted.
	OnApply func(api.ApplyRequest)
	// OnCommand, when set, is called after a command was queued.
	OnCommand func(spec.Name, api.CommandRequest)
	// Planned is what Plan answers.
	Planned api.PlanResult
	// Refuse, when set, is what every request but Version is refused with.
	Refuse error

	mu       sync.Mutex
	list     api.StatusList
	events   []reconcile.Event
	history  map[spec.Name][]reconcile.Rollout
	logs     map[spec.Name][]api.LogLine
	commands map[string]api.CommandResult
	applied  []api.ApplyRequest
	asked    []api.CommandRequest
	subs     map[chan struct{}]bool
	joined   []chan struct{} // closed with the next subscription
}

var _ api.Controller = (*Fake)(nil)

// New returns a fake that knows the given apps.
func New(at time.Time, apps ...reconcile.Status) *Fake {
	f := &Fake{
		history:  map[spec.Name][]reconcile.Rollout{},
		logs:     map[spec.Name][]api.LogLine{},
		commands: map[string]api.CommandResult{},
		subs:     map[chan struct{}]bool{},
	}
	f.list = api.StatusList{At: at, Apps: apps, Controller: api.ControllerStatus{
		ID: "default", Version: "test", Started: at,
		Engine: reconcile.Condition{OK: true, Message: "20.10"},
		Proxy:  reconcile.Condition{OK: true, Message: "serving"},
	}}
	return f
}

// Set replaces the status of one app, or adds it, and tells subscribers.
func (f *Fake) Set(s reconcile.Status) {
	f.change(func() {
		i := slices.IndexFunc(f.list.Apps, func(a reconcile.Status) bool { return a.App == s.App })
		if i < 0 {
			f.list.Apps = append(f.list.Apps, s)
			return
		}
		f.list.Apps[i] = s
	})
}

// Drop forgets one app.
func (f *Fake) Drop(app spec.Name) {
	f.change(func() {
		f.list.Apps = slices.DeleteFunc(f.list.Apps, func(a reconcile.Status) bool { return a.App == app })
	})
}

// Describe changes what the fake says of itself and its sources.
func (f *Fake) Describe(edit func(*api.StatusList)) { f.change(func() { edit(&f.list) }) }

// Note appends events.
func (f *Fake) Note(events ...reconcile.Event) {
	f.change(func() { f.events = append(f.events, events...) })
}

// Keep adds a finished rollout to the history.
func (f *Fake) Keep(r reconcile.Rollout) {
	f.change(func() { f.history[r.App] = append([]reconcile.Rollout{r}, f.history[r.App]...) })
}

// Write adds log lines.
func (f *Fake) Write(app spec.Name, lines ...api.LogLine) {
	f.change(func() { f.logs[app] = append(f.logs[app], lines...) })
}

// Settle answers a command: "" it took effect, otherwise why not.
func (f *Fake) Settle(token, answer string) {
	f.change(func() {
		state := api.CommandDone
		if answer != "" {
			state = api.CommandRefused
		}
		f.commands[token] = api.CommandResult{Token: token, State: state, Answer: answer}
	})
}

// Subscribed returns a channel that is closed with the next subscription.
func (f *Fake) Subscribed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := make(chan struct{})
	f.joined = append(f.joined, c)
	return c
}

// Applied returns the requests that were accepted.
func (f *Fake) Applied() []api.ApplyRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.applied)
}

// Asked returns the commands that were queued.
func (f *Fake) Asked() []api.CommandRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asked)
}

func (f *Fake) change(edit func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	edit()
	for c := range f.subs {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
