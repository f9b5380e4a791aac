package fake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// Fault is how a call goes wrong.
type Fault int

// Faults of a call.
const (
	None       Fault = iota
	Refused          // nothing was done, and the caller hears so
	Unanswered       // nothing was done, and the caller hears nothing
	AnswerLost       // it was done, and the caller hears nothing
	HalfDone         // a container was created and not started, and the caller hears nothing
)

// Call names a call to the engine or the proxy for the planner of faults.
type Call struct {
	Kind reconcile.StepKind // of a step; empty for the others
	Name string             // observe, apps, read, apply, or the step's kind
	App  spec.Name
}

// Engine is a Docker Engine in memory, or several on as many hosts. Its zero
// value is not usable.
type Engine struct {
	// Fault, when set, is asked before every call.
	Fault func(Call) Fault
	// Done, when set, is called for every effect that happened, lost answer or
	// not, with the container as it was before a stop or removal, and as it is
	// after being made or started. The lock is held: it must not ask the engine.
	Done func(reconcile.Step, reconcile.Container)
	// Stopping is how long a container takes to end once it is asked to, and
	// Removing how long it then takes to vanish.
	Stopping, Removing time.Duration

	mu         sync.Mutex
	away       bool
	next       int
	hosts      []string              // names; one without a name unless there are several
	hostAway   map[string]bool       // does not answer
	hostDark   map[string]bool       // nobody reaches what runs there
	memory     map[string]sightings  // what was last seen, by host
	listed     map[string]bool       // all of its apps were seen since Teal started
	containers map[string]*container // by host and name
	images     map[string]Image      // by reference, in the registry
	local      map[string]Image      // by host and digest
	watchers   map[int]*watcher
}

// container is one container of the engine.
type container struct {
	reconcile.Container
	app       spec.Name
	stranger  bool
	test      bool
	behaviour Behaviour
	policy    bool      // the engine is to restart it when it exits
	restarts  bool      // and it will: it was not stopped
	gone      time.Time // removing: when it has vanished
	exitCount int
	ahead     time.Duration // what StartedAt is later than the present run began
	port      int           // of the host, that it has; 0: one that is of no interest
}

// ErrAway is what an engine or proxy that does not answer returns.
var ErrAway = errors.New("connection refused")

// NewEngine returns an engine without containers and images.
func NewEngine() *Engine {
	return &Engine{
		hosts: []string{""}, hostAway: map[string]bool{}, hostDark: map[string]bool{}, memory: map[string]sightings{}, listed: map[string]bool{},
		containers: map[string]*container{}, images: map[string]Image{}, local: map[string]Image{}, watchers: map[int]*watcher{},
	}
}

// Publish puts an image into the registry.
func (e *Engine) Publish(ref string, img Image) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.images[ref] = img
	for _, host := range e.hosts {
		if had, ok := e.local[key(host, img.Digest)]; ok && !img.Missing {
			had.Behaviour = img.Behaviour
			e.local[key(host, img.Digest)] = had
		}
	}
}

// Away makes every call fail, or work again. Streams of events break.
func (e *Engine) Away(away bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.away = away
	if away {
		e.breakStreams()
	}
}

// Prune forgets the images that no container uses.
func (e *Engine) Prune() {
	e.mu.Lock()
	defer e.mu.Unlock()
	used := map[string]bool{}
	for _, c := range e.containers {
		used[key(c.Host, c.Image)] = true
	}
	for digest := range e.local {
		if !used[digest] {
			delete(e.local, digest)
		}
	}
}

// Stranger runs a container that is not ours, on the first host.
func (e *Engine) Stranger(name string) { e.Before("", name, "", Behaviour{}) }

// Before runs a container that is not ours on a host, where the proxy reaches it
// at address.
func (e *Engine) Before(host, name, address string, b Behaviour) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.next++
	host = e.known(host)
	e.containers[key(host, name)] = &container{stranger: true, behaviour: b, Container: reconcile.Container{
		ID: fmt.Sprintf("c%d", e.next), Name: name, Host: host, State: reconcile.Running, StartedAt: stamp(), Address: address,
	}}
}

// Kill ends a running container as a crash does, or removes it by hand. It is
// named as Names does.
func (e *Engine) Kill(name string, remove bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.containers[name]
	if c == nil {
		return false
	}
	e.advance(c, stamp())
	if remove {
		delete(e.containers, name)
	} else if c.State == reconcile.Running {
		e.exit(c, stamp(), 137)
	}
	if c.app != (spec.Name{}) {
		e.tell(c.app)
	}
	return true
}

// Names lists all containers, strangers too, sorted; with several hosts as
// host/name.
func (e *Engine) Names() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]string, 0, len(e.containers))
	for name := range e.containers {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// Look returns what runs of app, without a fault: the world as it is, on all
// hosts. Containers of before Teal are not in it.
func (e *Engine) Look(app spec.Name) reconcile.Seen {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.settle()
	var seen reconcile.Seen
	for _, host := range e.hosts {
		seen = joined(seen, e.onHost(host, app, nil))
	}
	return seen
}

// settle brings all containers up to the present.
func (e *Engine) settle() {
	now := stamp()
	for name, c := range e.containers {
		e.advance(c, now)
		if c.State == reconcile.Removing && !now.Before(c.gone) {
			delete(e.containers, name)
		}
	}
}

// meet lets a question fail.
func (e *Engine) meet(ctx context.Context, call Call) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e.mu.Lock()
	away := e.away
	e.mu.Unlock()
	if away || e.Fault != nil && e.Fault(call) != None {
		return fmt.Errorf("%s: %w", call.Name, ErrAway)
	}
	return nil
}

func (e *Engine) byID(id string) *container {
	for _, c := range e.containers {
		if c.ID == id {
			return c
		}
	}
	return nil
}

// stamp is now, as an engine tells it.
func stamp() time.Time { return time.Now().UTC().Round(0) }
