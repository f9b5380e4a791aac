package reconcile

import (
	"time"

	"teal/spec"
)

// Phase is where an app's rollout stands. The table in phase.go lists the
// allowed moves.
type Phase string

// Phases of a rollout. The zero Record is Idle.
const (
	Idle        Phase = ""
	Preparing   Phase = "Preparing"   // image is being fetched, dependencies are awaited
	Starting    Phase = "Starting"    // containers are being created and started
	Verifying   Phase = "Verifying"   // probes must succeed without a break
	Staged      Phase = "Staged"      // verified, without live traffic; test and gates
	Switching   Phase = "Switching"   // the intent to switch is recorded; the proxy is being told
	Confirming  Phase = "Confirming"  // the proxy serves the candidate; bake
	Aborting    Phase = "Aborting"    // back to stable, remove the candidate, hold
	Superseding Phase = "Superseding" // as Aborting, without a hold: something newer is wanted
)

// Record is what the store keeps of one app or dependency: all that a pass
// needs to know beyond what it observes. It is a value; Next returns a new one.
type Record struct {
	Name       spec.Name `json:"name"`
	Generation int64     `json:"generation"` // newest generation whose consequence is recorded
	Image      Image     `json:"image"`      // of ImageGeneration's wish, resolved once
	// ImageGeneration is the generation Image was resolved for.
	ImageGeneration int64      `json:"image_generation"`
	Phase           Phase      `json:"phase,omitempty"`
	PhaseSince      time.Time  `json:"phase_since"`
	Deadline        time.Time  `json:"deadline"` // of the phase, or of route drift while Idle; zero: none
	Stable          *Placement `json:"stable,omitempty"`
	Candidate       *Candidate `json:"candidate,omitempty"`
	Standby         *Standby   `json:"standby,omitempty"`
	Drain           *Drain     `json:"drain,omitempty"`
	Hold            *Hold      `json:"hold,omitempty"`
	Override        *Override  `json:"override,omitempty"`
	Backoff         *Backoff   `json:"backoff,omitempty"`
	// Admitted is the generation that may begin outside of its windows, because a
	// person said so; 0: none.
	Admitted int64  `json:"admitted,omitempty"`
	Rollouts int64  `json:"rollouts"`           // counts rollouts, for their ids
	Degraded string `json:"degraded,omitempty"` // why stable was not chosen but found
	// Restored: it came from a backup, and what runs was not compared with it yet.
	Restored bool `json:"restored,omitempty"`
	// Ahead is the newest generation that containers carried then, if it was newer
	// than the restored wish's; the next generation is above it.
	Ahead int64 `json:"ahead,omitempty"`
}

// Image is an image reference and the content it stood for when it was resolved.
type Image struct {
	Ref string `json:"ref,omitempty"` // as wanted
	// Digest is the registry's manifest digest, or, when Local, the engine's image id.
	Digest string `json:"digest,omitempty"`
	Local  bool   `json:"local,omitempty"` // no registry knows it
}

// Revision is everything needed to make a container again.
type Revision struct {
	ID        string         `json:"id"`
	Image     Image          `json:"image"`
	Container spec.Container `json:"container"`
	Port      int            `json:"port,omitempty"` // 0: not routed
}

// Known reports whether containers of r can be made. A revision that was
// rebuilt from labels alone only has an ID.
func (r Revision) Known() bool { return r.Container.Image != "" }

// Placement is a revision on a colour.
type Placement struct {
	Colour     spec.Colour `json:"colour,omitempty"`
	Revision   Revision    `json:"revision"`
	Health     spec.Health `json:"health"`
	Generation int64       `json:"generation"`
	Rollout    string      `json:"rollout,omitempty"`
	Since      time.Time   `json:"since"` // stable since
	// Adopted: it is a container that was there before Teal, which is never
	// started, changed or removed.
	Adopted bool `json:"adopted,omitempty"`
	// Origin is the commit that asked for it; nil: none did.
	Origin *spec.Origin `json:"origin,omitempty"`
}

// Trigger says why a rollout was started.
type Trigger string

// Triggers of rollouts.
const (
	TriggerChange Trigger = "change" // the desired state wants another revision
	TriggerActive Trigger = "active" // active names the other colour
	TriggerUndo   Trigger = "undo"
)

// Candidate is the revision being rolled out.
type Candidate struct {
	Placement
	Trigger Trigger `json:"trigger"`
	// Settings are frozen when the rollout begins: an edit applies to the next one.
	Settings  spec.Rollout `json:"settings"`
	Started   time.Time    `json:"started"`    // of the rollout
	Accepted  time.Time    `json:"accepted"`   // when its wish was accepted
	Pulled    bool         `json:"pulled"`     // the image is on the host
	Created   bool         `json:"created"`    // a container was asked for
	SkipGates bool         `json:"skip_gates"` // active, undo: gates and bake are skipped, health never
	Pinned    bool         `json:"pinned"`     // active pins the other colour: stops at Staged
	Promoted  bool         `json:"promoted"`   // the gate was opened by a command
	// Admitted: a person let it begin outside of the windows.
	Admitted bool       `json:"admitted,omitempty"`
	Test     TestResult `json:"test,omitempty"`
	Verified time.Time  `json:"verified"` // when it became Staged
	// Replicas are how many were verified. One that is wanted since then is made
	// when the rollout is over, or verified in its turn while it is Staged.
	Replicas int       `json:"replicas,omitempty"`
	Switched time.Time `json:"switched"` // when the proxy was first seen serving it
	// Baseline is the colour's traffic count when the bake began.
	Baseline Count `json:"baseline"`
	// Restarts are the counts its containers had when they became the
	// candidate, and again at the switch; only later ones count against it.
	Restarts map[string]int `json:"restarts,omitempty"`
	// Ended are the start times of those of its containers that had ended when
	// they became the candidate, or were stopped from outside: they are started
	// again.
	Ended map[string]time.Time `json:"ended,omitempty"`
	// Revived is how often some of them were started again after they had been
	// stopped from outside.
	Revived int `json:"revived,omitempty"`
	// Unseen is since when its verification waits for a host that does not answer.
	Unseen time.Time `json:"unseen,omitzero"`
	// Verdict is why it is being aborted.
	Verdict *Failure `json:"verdict,omitempty"`
	// Evidence was collected before its containers were removed.
	Evidence *Evidence `json:"evidence,omitempty"`
}

// TestResult is the state of the one-shot test.
type TestResult string

// Results of the test; empty while it has not ended.
const (
	TestPassed TestResult = "passed"
	TestFailed TestResult = "failed"
)

// Count is a number of requests and how many of them failed.
type Count struct {
	Requests int64 `json:"requests"`
	Failures int64 `json:"failures"`
}

// Standby is the old colour, kept hot for an instant way back.
type Standby struct {
	Placement
	Until time.Time `json:"until"` // zero: until the next rollout
}

// Drain is a revision without traffic that finishes its requests before its
// containers are removed.
type Drain struct {
	Colour   spec.Colour `json:"colour,omitempty"`
	Revision string      `json:"revision"`
	// Replica is the number of a replica taken out of a colour that goes on
	// serving; 0: the colour serves no more.
	Replica int `json:"replica,omitempty"`
	// Containers are the engine's ids of what is taken out of a colour that goes
	// on serving.
	Containers []string  `json:"containers,omitempty"`
	Since      time.Time `json:"since"` // when it was first seen without traffic and to be removed
	Until      time.Time `json:"until"` // at the latest
}

// Hold keeps a failed revision from being tried again for its generation.
type Hold struct {
	Generation int64     `json:"generation"`
	Revision   string    `json:"revision,omitempty"` // empty: the image was never resolved
	Image      string    `json:"image"`
	Rollout    string    `json:"rollout,omitempty"`
	Reason     Reason    `json:"reason"`
	Message    string    `json:"message"`
	Since      time.Time `json:"since"`
	Evidence   *Evidence `json:"evidence,omitempty"`
}

// Override keeps stable as it is, against the desired state, until the next
// generation. It is what undo leaves behind.
type Override struct {
	Generation int64     `json:"generation"`
	Since      time.Time `json:"since"`
	By         string    `json:"by,omitempty"`
}

// Backoff is a wait after a failure of the infrastructure.
type Backoff struct {
	Attempts int       `json:"attempts"`
	Since    time.Time `json:"since,omitzero"` // when it began
	Next     time.Time `json:"next"`
	Failure  Failure   `json:"failure"`
	Step     StepKind  `json:"step"`
}

// Evidence is what is left of removed containers.
type Evidence struct {
	At         time.Time           `json:"at"`
	Containers []ContainerEvidence `json:"containers,omitempty"`
	// Test is the output of the one-shot test, when it ran.
	Test []string `json:"test,omitempty"`
}

// ContainerEvidence is what is left of one removed container.
type ContainerEvidence struct {
	Name      string   `json:"name"`
	State     string   `json:"state"`
	ExitCode  int      `json:"exit_code"`
	OOMKilled bool     `json:"oom_killed,omitempty"`
	Restarts  int      `json:"restarts,omitempty"`
	LastProbe string   `json:"last_probe,omitempty"`
	Logs      []string `json:"logs,omitempty"` // last lines, oldest first
}

// Rollout is one finished attempt, as history keeps it.
type Rollout struct {
	ID         string      `json:"id"`
	App        spec.Name   `json:"app"`
	Trigger    Trigger     `json:"trigger"`
	Generation int64       `json:"generation"`
	Colour     spec.Colour `json:"colour,omitempty"`
	Revision   Revision    `json:"revision"`
	Health     spec.Health `json:"health"`
	From       string      `json:"from,omitempty"` // revision that was stable before
	Result     Result      `json:"result"`
	Failure    *Failure    `json:"failure,omitempty"`
	Evidence   *Evidence   `json:"evidence,omitempty"`
	Accepted   time.Time   `json:"accepted"`
	Started    time.Time   `json:"started"`
	Verified   time.Time   `json:"verified"`
	Switched   time.Time   `json:"switched"`
	Ended      time.Time   `json:"ended"`
	// Origin is the commit that asked for it; of an undo, the one that asked for
	// the revision when it came first. nil: none did.
	Origin *spec.Origin `json:"origin,omitempty"`
}

// Result is how a rollout ended.
type Result string

// Results of rollouts.
const (
	Succeeded  Result = "succeeded"
	RolledBack Result = "rolled-back" // had traffic, went back
	Failed     Result = "failed"      // never had traffic
	Superseded Result = "superseded"
	Adopted    Result = "adopted" // became stable because nothing else could serve
)
