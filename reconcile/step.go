package reconcile

import (
	"fmt"
	"time"

	"teal/spec"
)

// StepKind names an effect.
type StepKind string

// Effects. Each may be repeated: when its result is already there, it is done.
const (
	StepResolve  StepKind = "resolve"  // ask which digest an image reference stands for
	StepPull     StepKind = "pull"     // bring an image to the host
	StepEnsure   StepKind = "ensure"   // create a replica unless it exists, start it unless it runs
	StepStop     StepKind = "stop"     // stop a container and keep it (recreate's way back)
	StepRemove   StepKind = "remove"   // stop a container and remove it
	StepRoute    StepKind = "route"    // make the proxy serve Route for the app
	StepUnroute  StepKind = "unroute"  // make the proxy serve nothing for the app
	StepTest     StepKind = "test"     // start the one-shot test container
	StepEvidence StepKind = "evidence" // collect exit codes and last log lines
)

// Step is one effect decided by the planner. Only the fields of its kind are set.
type Step struct {
	Kind StepKind  `json:"kind"`
	App  spec.Name `json:"app"`
	Why  string    `json:"why"` // for people: the reason, in one clause

	Image  Image           `json:"image,omitzero"`       // resolve, pull
	Policy spec.PullPolicy `json:"pull_policy,omitzero"` // resolve
	// Generation is the one the image is resolved for.
	Generation int64    `json:"generation,omitempty"`
	Ensure     *Ensure  `json:"ensure,omitempty"` // ensure
	Route      *Route   `json:"route,omitempty"`  // route
	Test       *TestRun `json:"test,omitempty"`   // test
	// Container is the engine's id of the one to stop or remove, Grace how long
	// it may take to end by itself, Label its name for people.
	Container string        `json:"container,omitempty"`
	Label     string        `json:"label,omitempty"`
	Grace     spec.Duration `json:"grace,omitempty"`
	// Foreign: the container of stop was there before Teal and has no labels of ours.
	Foreign bool `json:"foreign,omitempty"`
	// Host is where the container of stop, remove and test is; Hosts are where
	// an image is to be resolved (the first that answers) or pulled (all).
	Host  string   `json:"host,omitempty"`
	Hosts []string `json:"hosts,omitempty"`
	// Located holds the hosts of Containers, by the engine's id.
	Located map[string]string `json:"located,omitempty"`
	// Containers are the engine's ids evidence is collected from, LastProbes the
	// words of their last probes by container name.
	Containers []string          `json:"containers,omitempty"`
	LastProbes map[string]string `json:"last_probes,omitempty"`
}

// Ensure describes the replica that must run.
type Ensure struct {
	Colour     spec.Colour `json:"colour,omitempty"`
	Replica    int         `json:"replica"`
	Revision   Revision    `json:"revision"`
	Generation int64       `json:"generation"`
	Rollout    string      `json:"rollout,omitempty"`
	Host       string      `json:"host,omitempty"`
	// Seat counts the app's replicas on that host, from 0: which of the ports of
	// its colour it takes.
	Seat int `json:"seat,omitempty"`
	// HealthPort is the port inside the container that is probed, if it is not
	// the routed one; 0: it is.
	HealthPort int `json:"health_port,omitempty"`
}

// TestRun describes the one-shot test container of a rollout.
type TestRun struct {
	Rollout  string      `json:"rollout"`
	Colour   spec.Colour `json:"colour"`
	Revision Revision    `json:"revision"` // of the candidate: networks, image
	Target   string      `json:"target"`   // name of the candidate's first container
	Test     spec.Test   `json:"test"`
}

// String says what the step does, for people.
func (s Step) String() string {
	switch s.Kind {
	case StepResolve:
		return "resolve image " + s.Image.Ref
	case StepPull:
		return "pull image " + s.Image.Ref
	case StepEnsure:
		return fmt.Sprintf("run %sreplica %d of revision %s", colourWord(s.Ensure.Colour), s.Ensure.Replica, short(s.Ensure.Revision.ID)) + onHost(s.Ensure.Host)
	case StepStop:
		return "stop container " + s.Label + onHost(s.Host)
	case StepRemove:
		return "remove container " + s.Label + onHost(s.Host)
	case StepRoute:
		return "route " + s.Route.words()
	case StepUnroute:
		return "remove the route"
	case StepTest:
		return "run the test against " + string(s.Test.Colour)
	case StepEvidence:
		return "collect exit codes and logs"
	}
	return string(s.Kind)
}

func colourWord(c spec.Colour) string {
	if c == "" {
		return ""
	}
	return string(c) + " "
}

// onHost is where something is, for people; the only host has no name.
func onHost(host string) string {
	if host == "" {
		return ""
	}
	return " on " + host
}

func short(id string) string {
	if len(id) > 8 {
		return id[:8]
	}
	return id
}

// words says which colour gets what share.
func (r *Route) words() string {
	out := ""
	for _, b := range r.Backends {
		if out != "" {
			out += ", "
		}
		out += fmt.Sprintf("%d %% to %s", b.Weight, b.Colour)
	}
	if r.Preview.Colour != "" {
		out += ", preview " + string(r.Preview.Colour)
	}
	return out
}

// Outcome is what came of a step.
type Outcome struct {
	Failure  *Failure  `json:"failure,omitempty"`  // nil: done
	Image    Image     `json:"image,omitzero"`     // resolve
	Evidence *Evidence `json:"evidence,omitempty"` // evidence
}

// FailureClass says what a failure means for the rollout.
type FailureClass string

// Classes of failures.
const (
	Infra     FailureClass = "infra"     // try the same again later
	Permanent FailureClass = "permanent" // trying again cannot help: hold
	Verdict   FailureClass = "verdict"   // the revision is not good: hold
)

// Reason is a short constant word for why something is as it is.
type Reason string

// Reasons of failures, conditions and events.
const (
	ReasonImageNotFound       Reason = "ImageNotFound"
	ReasonImageDenied         Reason = "ImageDenied"
	ReasonImageInvalid        Reason = "ImageInvalid"
	ReasonRegistryUnavailable Reason = "RegistryUnavailable"
	ReasonEngineUnavailable   Reason = "EngineUnavailable"
	ReasonEngineRefused       Reason = "EngineRefused"
	ReasonHostAway            Reason = "HostAway"
	ReasonNameTaken           Reason = "NameTaken"
	ReasonPortTaken           Reason = "PortTaken"
	ReasonAddressTaken        Reason = "AddressTaken"
	ReasonDiskFull            Reason = "DiskFull"
	ReasonDiskLow             Reason = "DiskLow"
	ReasonProxyUnavailable    Reason = "ProxyUnavailable"
	ReasonProxyRefused        Reason = "ProxyRefused"

	ReasonUnhealthy      Reason = "Unhealthy"
	ReasonCrashLoop      Reason = "CrashLoop"
	ReasonExited         Reason = "Exited"
	ReasonTestFailed     Reason = "TestFailed"
	ReasonTestPassed     Reason = "TestPassed"
	ReasonBakeFailed     Reason = "BakeFailed"
	ReasonGateTimeout    Reason = "GateTimeout"
	ReasonAborted        Reason = "Aborted"
	ReasonPinnedAway     Reason = "PinnedAway"
	ReasonUndone         Reason = "Undone"
	ReasonSwitchFailed   Reason = "SwitchFailed"
	ReasonStartTimeout   Reason = "StartTimeout"
	ReasonRouteDrift     Reason = "RouteDrift"
	ReasonDependency     Reason = "WaitingForDependency"
	ReasonHeld           Reason = "Held"
	ReasonPinned         Reason = "Pinned"
	ReasonAwaitPromotion Reason = "AwaitingPromotion"
	ReasonOverridden     Reason = "Overridden"
	ReasonNotReady       Reason = "NotReady"
	ReasonNothingRuns    Reason = "NothingRuns"
	ReasonOrphaned       Reason = "Orphaned"
	ReasonSuperseded     Reason = "Superseded"
	ReasonRolloutStarted Reason = "RolloutStarted"
	ReasonVerified       Reason = "Verified"
	ReasonSwitched       Reason = "Switched"
	ReasonPromoted       Reason = "Promoted"
	ReasonRolledBack     Reason = "RolledBack"
	ReasonWithdrawn      Reason = "Withdrawn"
	ReasonStandbyEnded   Reason = "StandbyEnded"
	ReasonRemoved        Reason = "Removed"
	ReasonDegraded       Reason = "Degraded"
	ReasonAdopted        Reason = "Adopted"
	ReasonClockSet       Reason = "ClockSet"
	ReasonRebuilt        Reason = "RecordsRebuilt"
	ReasonRestored       Reason = "RecordsRestored"
	ReasonOutsideWindow  Reason = "OutsideWindow" // its deploy window is not open
	ReasonFrozen         Reason = "Frozen"
)

// Failure says what went wrong.
type Failure struct {
	Class   FailureClass `json:"class"`
	Reason  Reason       `json:"reason"`
	Message string       `json:"message"` // the words of whoever refused
	// RetryAfter is what the refusing side asked for. 0: not said.
	RetryAfter spec.Duration `json:"retry_after,omitempty"`
}

// Error makes a Failure usable as an error.
func (f *Failure) Error() string { return string(f.Reason) + ": " + f.Message }

// Command is an operator's word to one app.
type Command struct {
	Token   string    `json:"token"` // unique; a repeated token is the same command
	Verb    Verb      `json:"verb"`
	Rollout string    `json:"rollout,omitempty"` // the rollout it was meant for
	By      string    `json:"by,omitempty"`
	At      time.Time `json:"at"`
}

// Verb is what a command asks for.
type Verb string

// Verbs of commands.
const (
	VerbPromote Verb = "promote" // open the gate of the staged rollout
	VerbAbort   Verb = "abort"   // give the rollout up
	VerbUndo    Verb = "undo"    // back to the revision that served before
	VerbRetry   Verb = "retry"   // release the hold
)

// Event is one line for the operator's history.
type Event struct {
	At      time.Time `json:"at"`
	App     spec.Name `json:"app"`
	Warning bool      `json:"warning,omitempty"`
	Reason  Reason    `json:"reason"`
	Message string    `json:"message"`
	Rollout string    `json:"rollout,omitempty"`
}
