package controller

import (
	"fmt"
	"slices"

	"teal/reconcile"
	"teal/spec"
)

// dependencyState says how far a service has come, as seen by those that wait
// for it. While it is being changed in place it has not come anywhere: what
// runs is about to be replaced.
// Of a container whose host is away nobody knows.
func dependencyState(s reconcile.State, seen Seen) reconcile.DependencyState {
	if s.Desired.Service.Rollout == nil && changing(s) {
		return reconcile.DependencyState{Words: "being changed"}
	}
	mine := stableOf(s, seen.Containers)
	if away := unseen(mine, seen.Away); away != nil {
		return reconcile.DependencyState{Words: hostAwayWords(away.Host, away.Words)}
	}
	if len(mine) == 0 {
		return reconcile.DependencyState{Words: "not created"}
	}
	out := reconcile.DependencyState{Started: true, Healthy: true, Completed: true}
	for _, c := range mine {
		running := c.State == reconcile.Running
		exited := c.State == reconcile.Exited
		healthy := running && passes(s.Desired.Service, c)
		completed := exited && c.ExitCode == 0
		out.Started = out.Started && running
		out.Healthy = out.Healthy && healthy
		out.Completed = out.Completed && completed
		if out.Words == "" && !healthy {
			out.Words = containerWords(c)
		}
	}
	if out.Words == "" {
		out.Words = "healthy"
	}
	return out
}

// unseen returns the host that keeps a service from being seen: of one of its
// containers, or any if there are none; nil: it is seen.
func unseen(mine []reconcile.Container, away []reconcile.AwayHost) *reconcile.AwayHost {
	for _, a := range away {
		lost := func(c reconcile.Container) bool { return c.Lost && c.Host == a.Host }
		if len(mine) == 0 || slices.ContainsFunc(mine, lost) {
			return &a
		}
	}
	return nil
}

// changing reports whether a dependency is on its way to another state, and not
// merely waiting for an image that cannot be had.
func changing(s reconcile.State) bool {
	return s.Record.Generation < s.Desired.Generation || s.Record.Phase != reconcile.Idle && s.Record.Backoff == nil
}

// stableOf returns the containers that stand for the service: the stable
// revision's where the record names one, all of them otherwise.
func stableOf(s reconcile.State, containers []reconcile.Container) []reconcile.Container {
	stable := s.Record.Stable
	if stable == nil {
		return containers
	}
	var out []reconcile.Container
	for _, c := range containers {
		if c.Revision == stable.Revision.ID && c.Colour == stable.Colour {
			out = append(out, c)
		}
	}
	return out
}

// passes reports whether a running container is healthy: by the engine's own
// check where the image or the file has one, by our probes for an app.
func passes(s spec.Service, c reconcile.Container) bool {
	if s.Rollout != nil && s.Rollout.Health.Kind != spec.HealthDocker {
		return c.Probe.Successes > 0
	}
	return c.Health == reconcile.HealthHealthy || c.Health == reconcile.HealthNone
}

// containerWords says why a container is not healthy.
func containerWords(c reconcile.Container) string {
	switch c.State {
	case reconcile.Running:
		if c.Probe.Words != "" && c.Probe.Successes == 0 {
			return c.Probe.Words
		}
		if c.Health != reconcile.HealthNone {
			return "health " + string(c.Health)
		}
		return "starting"
	case reconcile.Exited, reconcile.Dead:
		return fmt.Sprintf("exited with %d", c.ExitCode)
	case reconcile.Created, reconcile.Paused, reconcile.Restarting, reconcile.Removing:
	}
	return string(c.State)
}
