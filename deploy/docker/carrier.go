package docker

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"teal/reconcile"
	"teal/spec"
)

// CarrierSpec describes a container that carries the traffic with a program of
// somebody else's image, such as nginx. Like the proxy it has the host's
// network and outlives the controller.
type CarrierSpec struct {
	// Kind is part of the container's name, teal-KIND-CONTROLLER: "nginx".
	Kind string
	// Image is a reference, found and pulled like an app's with the policy missing.
	Image string
	// Entrypoint and Args replace what the image runs.
	Entrypoint []string
	Args       []string
	// Folder is an absolute path in the container that outlives it: Source, a
	// folder of the engine's host, mounted there, or with an empty Source a volume
	// of the container's name.
	Folder string
	Source string
	// Mounts are folders of the engine's host that the container may read, by
	// where it finds them.
	Mounts map[string]string
	// Listen are addresses of this machine that must be free before a start;
	// empty for an engine elsewhere.
	Listen []string
	// Prepare is called before this call starts the container, to put files into
	// it; it does not run then. lastWords are what it wrote if it keeps exiting:
	// then Prepare reports whether it mended something, and is only called to find
	// out. It may be nil.
	Prepare func(ctx context.Context, id string, lastWords []string) (mended bool, err error)
	Grace   time.Duration // how long the program may take to end; 0: 10 s
	Replace bool          // stop a running container that is outdated and start the new one
}

// CarrierState is what EnsureCarrier found or made.
type CarrierState struct {
	Container string // the engine's id
	Name      string
	// Outdated: it runs, from another image or with other settings than wanted,
	// and goes on serving until it is replaced.
	Outdated bool
	Started  bool // this call started it
}

// CarrierName is the name of this controller's container of a kind.
func (e *Engine) CarrierName(kind string) string { return "teal-" + kind + "-" + e.controller }

// EnsureCarrier makes the container exist and run. It may be repeated. One that
// runs is never stopped unless it is outdated and Replace is set. One that keeps
// exiting is started anew if Prepare mended something, and else is an error with
// its last words; a stranger's container of its name is a permanent
// [reconcile.Failure].
func (e *Engine) EnsureCarrier(ctx context.Context, want CarrierSpec) (CarrierState, error) {
	state := CarrierState{Name: e.CarrierName(want.Kind)}
	mark, err := want.fingerprint()
	if err != nil {
		return state, err
	}
	for range tries {
		found, err := e.inspect(ctx, state.Name)
		if errdefs.IsNotFound(err) {
			if err := e.createCarrier(ctx, want, state.Name, mark); err != nil {
				return state, err
			}
			continue
		}
		if err != nil {
			return state, err
		}
		if done, err := e.settleCarrier(ctx, want, mark, found, &state); done || err != nil {
			return state, err
		}
	}
	return state, fmt.Errorf("container %s: gave up after %d tries", state.Name, tries)
}

// settleCarrier moves a found container one step towards what is wanted.
func (e *Engine) settleCarrier(ctx context.Context, want CarrierSpec, mark string, found container.InspectResponse, state *CarrierState) (done bool, err error) {
	labels := found.Config.Labels
	if labels[spec.LabelController] != e.controller || labels[spec.LabelRole] != spec.RoleProxy {
		return true, permanent(reconcile.ReasonNameTaken, "the name %s is taken by a container that is not this controller's; rename or remove it", state.Name)
	}
	state.Container = found.ID
	outdated := labels[labelProxy] != mark || e.imageMoved(ctx, want.Image, found.Image)
	switch reconcile.ContainerState(found.State.Status) {
	case reconcile.Running:
		if outdated && want.Replace {
			return false, e.removeProxy(ctx, found.ID, want.Grace)
		}
		state.Outdated = outdated
		return e.steady(ctx, found)
	case reconcile.Restarting:
		if outdated {
			return false, e.removeProxy(ctx, found.ID, want.Grace)
		}
		return false, e.mendCarrier(ctx, want, found, state.Name)
	case reconcile.Paused:
		return false, e.do(ctx, e.limits.Change, func(ctx context.Context, a dockerAPI) error { return a.ContainerUnpause(ctx, found.ID) })
	case reconcile.Created, reconcile.Exited:
		if outdated {
			return false, e.discard(ctx, found.ID)
		}
		return true, e.startCarrier(ctx, want, found.ID, state)
	case reconcile.Removing, reconcile.Dead:
		return false, e.discard(ctx, found.ID)
	}
	return true, fmt.Errorf("container %s is %q", state.Name, found.State.Status)
}

// proven is how long a container that was restarted must have run to be
// believed: nginx takes 2.5 s to give up a port.
const proven = 5 * time.Second

// steady reports whether a running container stays up: one that keeps exiting
// runs, too, between two restarts.
func (e *Engine) steady(ctx context.Context, found container.InspectResponse) (bool, error) {
	if found.RestartCount == 0 || time.Since(engineTime(found.State.StartedAt)) >= proven {
		return true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, proven)
	defer cancel()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return true, nil
		case <-tick.C:
		}
		now, err := e.inspect(ctx, found.ID)
		if errdefs.IsNotFound(err) || err == nil && (!now.State.Running || now.State.Restarting) {
			return false, nil
		}
		if err != nil && ctx.Err() == nil {
			return false, err
		}
	}
}

// mendCarrier stops a container that keeps exiting, so that it is started anew,
// if there was something to mend; else it says what the container said.
func (e *Engine) mendCarrier(ctx context.Context, want CarrierSpec, found container.InspectResponse, name string) error {
	words := distinct(e.lastLines(ctx, found.ID))
	if len(words) == 0 {
		words = []string{"(it wrote nothing)"}
	}
	if want.Prepare != nil {
		mended, err := want.Prepare(ctx, found.ID, words)
		if err != nil {
			return fmt.Errorf("mend %s: %w", name, err)
		}
		if mended {
			e.log.Warn("container kept exiting and is started anew", keyContainer, name, keyError, strings.Join(words, " | "))
			return e.stopOurs(ctx, found.ID, want.grace())
		}
	}
	reason := reconcile.ReasonEngineRefused
	if text := strings.ToLower(strings.Join(words, " ")); strings.Contains(text, "address already in use") {
		reason = reconcile.ReasonPortTaken
	}
	return infra(reason, "container %s keeps exiting (status %d, %d restarts): %s",
		name, found.State.ExitCode, found.RestartCount, strings.Join(words, " | "))
}

// stamp is what nginx begins a line with: "2026/11/22 19:12:38 ".
var stamp = regexp.MustCompile(`^[0-9]{4}/[0-9]{2}/[0-9]{2} [0-9:]{8} `)

// distinct returns the last different lines, without their times: a program
// that is started again and again says the same again and again.
func distinct(lines []string) []string {
	const most = 5
	var out []string
	for _, line := range slices.Backward(lines) {
		line = stamp.ReplaceAllString(line, "")
		if len(out) < most && !slices.Contains(out, line) {
			out = append(out, line)
		}
	}
	slices.Reverse(out)
	return out
}

// startCarrier prepares and starts a container that does not run.
func (e *Engine) startCarrier(ctx context.Context, want CarrierSpec, id string, state *CarrierState) error {
	if err := portsFree(ctx, want.Listen); err != nil {
		return err
	}
	if want.Prepare != nil {
		if _, err := want.Prepare(ctx, id, nil); err != nil {
			return fmt.Errorf("prepare %s: %w", state.Name, err)
		}
	}
	err := e.do(ctx, e.limits.Change, func(ctx context.Context, a dockerAPI) error {
		return a.ContainerStart(ctx, id, container.StartOptions{})
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", state.Name, err)
	}
	state.Started = true
	e.log.Info("container was started", keyContainer, state.Name, keyImage, want.Image)
	return nil
}

// imageMoved reports whether the reference stands for another image on this
// engine than the container was made from. An image that is not here any more,
// or cannot be asked for, says nothing about a container that is.
func (e *Engine) imageMoved(ctx context.Context, ref, id string) bool {
	here, err := e.inspectImage(ctx, ref)
	return err == nil && here.ID != id
}

func (s CarrierSpec) grace() time.Duration {
	if s.Grace <= 0 {
		return 10 * time.Second
	}
	return s.Grace
}
