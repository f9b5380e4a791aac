package fake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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

// Engine is a Docker Engine in memory. Its zero value is not usable.
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
	containers map[string]*container // by name
	images     map[string]Image      // by reference, in the registry
	local      map[string]Image      // by digest, on the host
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
}

// ErrAway is what an engine or proxy that does not answer returns.
var ErrAway = errors.New("connection refused")

// NewEngine returns an engine without containers and images.
func NewEngine() *Engine {
	return &Engine{
		containers: map[string]*container{}, images: map[string]Image{}, local: map[string]Image{}, watchers: map[int]*watcher{},
	}
}

// Publish puts an image into the registry.
func (e *Engine) Publish(ref string, img Image) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.images[ref] = img
	if had, ok := e.local[img.Digest]; ok && !img.Missing {
		had.Behaviour = img.Behaviour
		e.local[img.Digest] = had
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
		used[c.Image] = true
	}
	for digest := range e.local {
		if !used[digest] {
			delete(e.local, digest)
		}
	}
}

// Stranger runs a container that is not ours.
func (e *Engine) Stranger(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.next++
	e.containers[name] = &container{stranger: true, Container: reconcile.Container{
		ID: fmt.Sprintf("c%d", e.next), Name: name, State: reconcile.Running, StartedAt: stamp(),
	}}
}

// Kill ends a running container as a crash does, or removes it by hand.
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
	e.tell(c.app)
	return true
}

// Names lists all containers, strangers too, sorted.
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

// Look returns what runs of app, without a fault: the world as it is.
func (e *Engine) Look(app spec.Name) reconcile.Seen {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.look(app)
}

func (e *Engine) look(app spec.Name) reconcile.Seen {
	var seen reconcile.Seen
	now := stamp()
	for name, c := range e.containers {
		e.advance(c, now)
		if c.State == reconcile.Removing && !now.Before(c.gone) {
			delete(e.containers, name)
			continue
		}
		if c.stranger || c.app != app {
			continue
		}
		if c.test {
			x := c.Container
			seen.Test = &x
			continue
		}
		seen.Containers = append(seen.Containers, c.Container)
	}
	slices.SortFunc(seen.Containers, func(a, b reconcile.Container) int { return strings.Compare(a.Name, b.Name) })
	return seen
}

// Observe implements controller.Engine.
func (e *Engine) Observe(ctx context.Context, app spec.Name) (reconcile.Seen, error) {
	if err := e.meet(ctx, Call{Name: "observe", App: app}); err != nil {
		return reconcile.Seen{}, err
	}
	return e.Look(app), nil
}

// Apps implements controller.Engine.
func (e *Engine) Apps(ctx context.Context) (map[spec.Name]int64, error) {
	if err := e.meet(ctx, Call{Name: "apps"}); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	out := map[spec.Name]int64{}
	for _, c := range e.containers {
		if !c.stranger {
			out[c.app] = max(out[c.app], c.Generation)
		}
	}
	return out, nil
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
