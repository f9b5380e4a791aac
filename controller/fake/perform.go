package fake

import (
	"context"
	"fmt"
	"slices"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// Perform implements controller.Engine.
func (e *Engine) Perform(ctx context.Context, s reconcile.Step) reconcile.Outcome {
	fault := None
	if e.Fault != nil {
		fault = e.Fault(Call{Kind: s.Kind, Name: string(s.Kind), App: s.App})
	}
	e.mu.Lock()
	away := e.away
	e.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return infra(reconcile.ReasonEngineUnavailable, ctx.Err().Error())
	case away || fault == Unanswered:
		return infra(reconcile.ReasonEngineUnavailable, "deadline exceeded")
	case e.silent(s) != nil:
		return infra(reconcile.ReasonHostAway, e.silent(s).Error())
	case fault == Refused:
		return infra(refusal(s.Kind), "refused by the test")
	}
	out := e.effect(ctx, s, fault == HalfDone)
	if fault == AnswerLost || fault == HalfDone {
		return infra(reconcile.ReasonEngineUnavailable, "deadline exceeded")
	}
	return out
}

func refusal(k reconcile.StepKind) reconcile.Reason {
	switch k {
	case reconcile.StepResolve, reconcile.StepPull:
		return reconcile.ReasonRegistryUnavailable
	case reconcile.StepEnsure, reconcile.StepTest:
		return reconcile.ReasonDiskFull
	case reconcile.StepStop, reconcile.StepRemove, reconcile.StepRoute, reconcile.StepUnroute, reconcile.StepEvidence:
	}
	return reconcile.ReasonEngineRefused
}

func (e *Engine) effect(ctx context.Context, s reconcile.Step, half bool) reconcile.Outcome {
	switch s.Kind {
	case reconcile.StepResolve:
		return e.resolve(s)
	case reconcile.StepPull:
		return e.pull(ctx, s)
	case reconcile.StepEnsure:
		return e.told(s, e.ensure(s, half))
	case reconcile.StepStop, reconcile.StepRemove:
		return e.told(s, e.end(ctx, s))
	case reconcile.StepTest:
		return e.told(s, e.test(s))
	case reconcile.StepEvidence:
		return e.evidence(s)
	case reconcile.StepRoute, reconcile.StepUnroute:
	}
	panic("fake: an engine does not do " + string(s.Kind))
}

// told sends an event to those who watch.
func (e *Engine) told(s reconcile.Step, out reconcile.Outcome) reconcile.Outcome {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tell(s.App)
	return out
}

// did tells the test of an effect on c.
func (e *Engine) did(s reconcile.Step, c reconcile.Container) {
	if e.Done != nil {
		e.Done(s, c)
	}
}

// ensure creates and starts a replica, as far as that is needed.
func (e *Engine) ensure(s reconcile.Step, half bool) reconcile.Outcome {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.settle()
	x := s.Ensure
	host := e.known(x.Host)
	name := spec.ContainerName(s.App, x.Colour, x.Revision.ID, x.Replica)
	c := e.containers[key(host, name)]
	switch {
	case c == nil:
		if !x.Revision.Known() {
			return permanent(reconcile.ReasonEngineRefused, "revision "+x.Revision.ID+" is not known: nothing to create "+name+" from")
		}
		img, ok := e.find(host, x.Revision.Image.Digest) // one that was pruned is fetched again
		if !ok {
			return permanent(reconcile.ReasonImageNotFound, x.Revision.Image.Ref+": manifest unknown")
		}
		if e.taken(host, s) {
			return infra(reconcile.ReasonPortTaken, "port is already allocated")
		}
		e.local[key(host, x.Revision.Image.Digest)] = img
		c = e.create(s, host, name, img)
	case c.stranger || c.Revision != x.Revision.ID:
		return permanent(reconcile.ReasonNameTaken, "the name "+name+" is in use by a stranger")
	case c.State == reconcile.Removing:
		return infra(reconcile.ReasonEngineRefused, "removal of "+name+" is in progress")
	}
	if c.State == reconcile.Running || c.State == reconcile.Restarting {
		return reconcile.Outcome{}
	}
	if !half {
		c.restarts = c.policy
		c.State, c.StartedAt, c.ahead, c.ExitCode = reconcile.Running, stamp(), 0, 0
	}
	e.did(s, c.Container)
	return reconcile.Outcome{}
}

func (e *Engine) create(s reconcile.Step, host, name string, img Image) *container {
	e.next++
	x := s.Ensure
	c := &container{
		app: s.App, behaviour: img.Behaviour, policy: x.Revision.Container.Restart != "no", port: e.port(s),
		Container: reconcile.Container{
			ID: fmt.Sprintf("c%d", e.next), Name: name, Host: host, Colour: x.Colour, Replica: x.Replica, Revision: x.Revision.ID,
			Generation: x.Generation, Rollout: x.Rollout, Image: x.Revision.Image.Digest, State: reconcile.Created,
		},
	}
	if x.Revision.Port > 0 {
		port := x.Revision.Port
		if c.port != 0 {
			port = c.port
		}
		c.Address = fmt.Sprintf("10.0.%d.%d:%d", e.next/250, e.next%250+1, port)
	}
	e.containers[key(host, name)] = c
	return c
}

// port is the fixed port of its host that a replica takes; 0: a free one.
func (e *Engine) port(s reconcile.Step) int {
	p := s.Ensure.Revision.Container.Publish
	if p == nil || len(e.hosts) == 1 {
		return 0
	}
	return p.Of(s.Ensure.Colour).From + s.Ensure.Seat
}

// taken reports whether another container has the port of a replica.
func (e *Engine) taken(host string, s reconcile.Step) bool {
	port := e.port(s)
	for _, c := range e.containers {
		if port != 0 && c.Host == host && c.port == port && c.app == s.App {
			return true
		}
	}
	return false
}

// end stops a container and, for a removal, removes it. What is not there is
// done.
func (e *Engine) end(ctx context.Context, s reconcile.Step) reconcile.Outcome {
	e.mu.Lock()
	e.settle()
	c := e.byID(s.Container)
	if c != nil && c.Host != e.known(s.Host) {
		c = nil // no such container there
	}
	var wait time.Duration
	switch {
	case c == nil:
	case c.State == reconcile.Running:
		wait = min(e.Stopping, s.Grace.D())
	case c.State == reconcile.Removing: // somebody removes it: wait for that
		wait = time.Until(c.gone)
	}
	e.mu.Unlock()
	if c == nil {
		return reconcile.Outcome{}
	}
	if c.stranger && (s.Kind != reconcile.StepStop || !s.Foreign) {
		return permanent(reconcile.ReasonNameTaken, c.Name+" is not ours")
	}
	if err := sleep(ctx, wait); err != nil {
		return infra(reconcile.ReasonEngineUnavailable, err.Error())
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.byID(s.Container) != c || c.State == reconcile.Removing {
		return reconcile.Outcome{} // gone meanwhile
	}
	e.did(s, c.Container)
	c.restarts = c.restarts && s.Kind != reconcile.StepStop
	if s.Kind == reconcile.StepStop {
		if c.State != reconcile.Created && c.State != reconcile.Removing {
			c.State, c.ExitCode = reconcile.Exited, 0
		}
		return reconcile.Outcome{}
	}
	return e.remove(c)
}

func (e *Engine) remove(c *container) reconcile.Outcome {
	now := stamp()
	if e.Removing == 0 {
		delete(e.containers, key(c.Host, c.Name))
		return reconcile.Outcome{}
	}
	c.State, c.gone = reconcile.Removing, now.Add(e.Removing)
	return reconcile.Outcome{}
}

func (e *Engine) test(s reconcile.Step) reconcile.Outcome {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.settle()
	host := e.known(s.Host)
	name := s.App.Project + "-" + s.App.Service + "-test-" + s.Test.Rollout
	if e.containers[key(host, name)] != nil {
		return reconcile.Outcome{}
	}
	img := e.local[key(host, s.Test.Revision.Image.Digest)]
	e.next++
	e.containers[key(host, name)] = &container{
		app: s.App, test: true, behaviour: Behaviour{Exits: 2 * time.Second, Test: img.Behaviour.Test},
		Container: reconcile.Container{
			ID: fmt.Sprintf("c%d", e.next), Name: name, Host: host, Rollout: s.Test.Rollout, Colour: s.Test.Colour,
			Revision: s.Test.Revision.ID, State: reconcile.Running, StartedAt: stamp(), Image: s.Test.Revision.Image.Digest,
		},
	}
	return reconcile.Outcome{}
}

func (e *Engine) evidence(s reconcile.Step) reconcile.Outcome {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := &reconcile.Evidence{At: stamp()}
	for _, id := range slices.Sorted(slices.Values(s.Containers)) {
		if c := e.byID(id); c != nil && !c.test && c.Host == e.known(s.Located[id]) && e.absent(c.Host) == nil {
			out.Containers = append(out.Containers, reconcile.ContainerEvidence{
				Name: c.Name, State: string(c.State), ExitCode: c.ExitCode, Restarts: c.Restarts, Logs: []string{c.Name + " says goodbye"},
			})
		}
	}
	return reconcile.Outcome{Evidence: out}
}

func infra(r reconcile.Reason, message string) reconcile.Outcome {
	return reconcile.Outcome{Failure: &reconcile.Failure{Class: reconcile.Infra, Reason: r, Message: message}}
}

func permanent(r reconcile.Reason, message string) reconcile.Outcome {
	return reconcile.Outcome{Failure: &reconcile.Failure{Class: reconcile.Permanent, Reason: r, Message: message}}
}

// sleep waits for d, or returns why it did not.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
