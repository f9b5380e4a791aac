package reconcile

import (
	"fmt"
	"slices"
	"time"

	"teal/spec"
)

// Forecast returns the steps that would follow if every one of them went well
// and every container became ready at once: what `teal plan` shows. It ends at
// a gate that waits for people, when nothing is left to do, or at limit steps.
// The image must have been resolved, in in.Record.
func Forecast(in Input, limit int) []Step {
	var out []Step
	in.Commands = nil
	if in.Desired.Service.Rollout != nil {
		in.World.Served.Known = true
	}
	in.World.Dependencies = metDependencies(in)
	for idle := 0; idle < 3 && len(out) < limit; {
		d := Next(in)
		in.Record = d.Record
		if d.Gone {
			return out
		}
		if len(d.Steps) == 0 {
			idle++
			if d.Again.IsZero() || d.Again.After(in.Now.Add(time.Minute)) {
				return out
			}
			in.Now = d.Again
			continue
		}
		idle = 0
		for _, s := range d.Steps {
			out = append(out, s)
			in.World = in.World.after(s, in.Now)
			in.Record, _ = Note(in.Record, s, Outcome{Image: in.Record.Image, Evidence: &Evidence{}}, in.Now)
		}
	}
	return out
}

func metDependencies(in Input) map[string]DependencyState {
	out := map[string]DependencyState{}
	for _, d := range in.Desired.Service.DependsOn {
		out[d.Service] = DependencyState{Started: true, Healthy: true, Completed: true}
	}
	return out
}

// after is the world once step s went well and its container became ready.
func (w World) after(s Step, now time.Time) World {
	w.Containers = slices.Clone(w.Containers)
	without := func(id string) {
		w.Containers = slices.DeleteFunc(w.Containers, func(c Container) bool { return c.ID == id })
	}
	switch s.Kind {
	case StepEnsure:
		name := spec.ContainerName(s.App, s.Ensure.Colour, s.Ensure.Revision.ID, s.Ensure.Replica)
		w.Containers = slices.DeleteFunc(w.Containers, func(c Container) bool { return c.Name == name && c.Host == s.Ensure.Host })
		w.Containers = append(w.Containers, s.Ensure.running(name, now))
	case StepRemove:
		without(s.Container)
		if w.Test != nil && w.Test.ID == s.Container {
			w.Test = nil
		}
	case StepStop:
		for i := range w.Containers {
			if w.Containers[i].ID == s.Container {
				w.Containers[i].State = Exited
			}
		}
	case StepRoute:
		w.Served.Route = s.Route
	case StepUnroute:
		w.Served.Route = nil
	case StepTest:
		w.Test = &Container{ID: "test", Name: "test", Rollout: s.Test.Rollout, State: Exited, StartedAt: now}
	case StepResolve, StepPull, StepEvidence:
	}
	return w
}

// running is the container that e asks for, ready since long ago.
func (e *Ensure) running(name string, now time.Time) Container {
	c := Container{
		ID: e.Host + "/" + name, Name: name, Host: e.Host, Colour: e.Colour, Replica: e.Replica, Revision: e.Revision.ID,
		Generation: e.Generation, Rollout: e.Rollout, Image: e.Revision.Image.Ref,
		State: Running, StartedAt: now.Add(-time.Hour), Health: HealthHealthy,
		Probe: Probe{Attempts: 1000, Successes: 1000, Since: now.Add(-24 * time.Hour)},
	}
	if e.Revision.Container.Healthcheck == nil {
		c.Health = HealthNone
	}
	if e.Revision.Port > 0 {
		c.Address = fmt.Sprintf("%s:%d", c.ID, e.Revision.Port)
	}
	return c
}
