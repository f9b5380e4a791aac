package api

import (
	"time"

	"teal/reconcile"
	"teal/spec"
)

// ApplyRequest is the body of POST /v1/apply: a resolved project, as package
// spec loads it.
type ApplyRequest struct {
	Project spec.Project `json:"project"`
	// Prune removes services that were accepted before and are not named now;
	// without it they are reported as orphaned and left alone.
	Prune bool `json:"prune,omitempty"`
	// By says who asks, for the event history.
	By string `json:"by,omitempty"`
}

// Accepted is what came of one service of an accepted project.
type Accepted struct {
	reconcile.Accepted          // Changed: this request made the generation
	Kind               string   `json:"kind"`              // app or dependency
	Changes            []Change `json:"changes,omitempty"` // against what was accepted before
}

// Change is one difference between two desired states.
type Change struct {
	Key string `json:"key"` // in the operator's words: "image", "x-teal.active"
	// From and To are how the value reads before and after; empty: it was or is
	// not there. Values of environment variables are not shown.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

// ApplyResult is the answer to an apply or a removal.
type ApplyResult struct {
	Apps []Accepted `json:"apps"` // sorted by name
	// Warnings are things worth knowing that refuse nothing.
	Warnings []string `json:"warnings,omitempty"`
}

// RemoveRequest asks for a project to be removed: DELETE /v1/projects/{project}.
type RemoveRequest struct {
	Project string `json:"project"`
	By      string `json:"by,omitempty"`
}

// PlanRequest is the body of POST /v1/plan.
type PlanRequest struct {
	// Project is the wish to plan for; nil: the one accepted last.
	Project *spec.Project `json:"project,omitempty"`
	Prune   bool          `json:"prune,omitempty"`
}

// PlanResult says what would be done, app by app. Apps are independent of each
// other except where an entry says that one waits for another.
type PlanResult struct {
	Apps     []AppPlan `json:"apps"` // sorted by name
	Warnings []string  `json:"warnings,omitempty"`
}

// AppPlan is what would be done for one app or dependency, in order.
type AppPlan struct {
	App        spec.Name   `json:"app"`
	Kind       string      `json:"kind"`       // app or dependency
	Generation int64       `json:"generation"` // the one the wish has, or would get
	Changed    bool        `json:"changed"`    // accepting it would make a new generation
	Orphaned   bool        `json:"orphaned,omitempty"`
	Pruned     bool        `json:"pruned,omitempty"`
	Changes    []Change    `json:"changes,omitempty"`
	Entries    []PlanEntry `json:"entries,omitempty"` // empty: nothing to do
	// Blocked says why the wish would not be pursued now (held, pinned).
	Blocked string `json:"blocked,omitempty"`
}

// PlanKind is the kind of a plan's entry.
type PlanKind string

// Kinds of plan entries.
const (
	PlanStep PlanKind = "step" // an effect
	PlanWait PlanKind = "wait" // for containers, dependencies, drains
	PlanGate PlanKind = "gate" // for a human or a check
)

// PlanEntry is one line of a plan.
type PlanEntry struct {
	Kind PlanKind           `json:"kind"`
	Step reconcile.StepKind `json:"step,omitempty"` // of PlanStep
	Text string             `json:"text"`           // what, in one clause
	Why  string             `json:"why,omitempty"`  // the reason, in one clause
	// Limit is how long a wait or gate may take. 0: no limit, or not a wait.
	Limit spec.Duration `json:"limit,omitempty"`
}

// StatusList is the answer to GET /v1/status.
type StatusList struct {
	At         time.Time          `json:"at"` // the controller's clock: ages are told against it
	Controller ControllerStatus   `json:"controller"`
	Apps       []reconcile.Status `json:"apps"`              // sorted by name
	Sources    []SourceStatus     `json:"sources,omitempty"` // in the order they were configured
}

// ControllerStatus is what the controller says about itself.
type ControllerStatus struct {
	ID      string    `json:"id"`
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	// Engine and Proxy: whether each answered when last asked, in Message why not.
	Engine reconcile.Condition `json:"engine"`
	Proxy  reconcile.Condition `json:"proxy"`
	// Records: whether they can be written and are whole, in Message why not.
	Records reconcile.Condition `json:"records"`
	// Hosts are in the order they were configured; none while there is only one,
	// without a name.
	Hosts []HostStatus `json:"hosts,omitempty"`
	// Listen are the addresses the proxy serves on, "http://0.0.0.0:80".
	Listen []string `json:"listen,omitempty"`
}

// HostStatus is one host: a Docker Engine that apps are placed on.
type HostStatus struct {
	Name    string `json:"name"`
	URL     string `json:"url,omitempty"`     // of its engine
	Address string `json:"address,omitempty"` // where it publishes ports; empty: it has the proxy
	// Answers: whether it did when last asked, in Message why not.
	Answers   reconcile.Condition `json:"answers"`
	Engine    string              `json:"engine,omitempty"`     // version of its Docker Engine
	EngineAPI string              `json:"engine_api,omitempty"` // API version in use
}

// SourceStatus is one watched set of files, or one repository.
type SourceStatus struct {
	// Name, URL (without credentials) and Follow (what is followed there) are of a
	// source that is pulled; empty for files.
	Name   string `json:"name,omitempty"`
	URL    string `json:"url,omitempty"`
	Follow string `json:"follow,omitempty"`
	// Commit is the one whose files are in force; nil: none yet, or files.
	Commit *spec.Origin `json:"commit,omitempty"`
	Next   time.Time    `json:"next,omitzero"` // when it is looked at again
	// Projects of a source that can have several, in the order of their files.
	Projects []SourceProject `json:"projects,omitempty"`

	Files   []string `json:"files"`
	Project string   `json:"project,omitempty"` // empty until it was accepted once
	// Valid is the condition SpecInvalid turned round: not OK means that the last
	// reading was refused and what was accepted before goes on.
	Valid    reconcile.Condition `json:"valid"`
	Problems []string            `json:"problems,omitempty"` // file:line: key: what is wrong
	Read     time.Time           `json:"read,omitzero"`      // last looked at
	Accepted time.Time           `json:"accepted,omitzero"`  // last accepted
}

// SourceProject is one project of a source that can have several.
type SourceProject struct {
	File    string `json:"file"`              // in the repository
	Project string `json:"project,omitempty"` // empty until it could be understood once
	// Valid: not OK means that the last reading was refused and what was accepted
	// before goes on.
	Valid    reconcile.Condition `json:"valid"`
	Problems []string            `json:"problems,omitempty"`
	Accepted time.Time           `json:"accepted,omitzero"` // last accepted
}

// SyncRequest asks for sources to be looked at now: POST /v1/sync.
type SyncRequest struct {
	Source string `json:"source,omitempty"` // empty: all that are pulled
	// Since makes a repeated request the same one: a look that began then or later
	// is enough. Zero: now.
	Since time.Time `json:"since,omitzero"`
}

// SyncResult says how the sources stand after that.
type SyncResult struct {
	Since   time.Time      `json:"since"` // to ask again with
	Sources []SourceStatus `json:"sources"`
	// Waiting: not all of them were looked at in the time that a request may take.
	Waiting bool `json:"waiting,omitempty"`
}

// CommandRequest is the body of POST /v1/apps/{project}/{service}/commands.
type CommandRequest struct {
	// Token is made by the client and unique (at most [MaxToken] bytes): repeating
	// a request with it is safe.
	Token string         `json:"token"`
	Verb  reconcile.Verb `json:"verb"`
	// Rollout is the id of the rollout that is meant. It may be empty for undo
	// and retry, which then mean what is there when the command is taken.
	Rollout string `json:"rollout,omitempty"`
	By      string `json:"by,omitempty"`
}

// CommandState is how far a command has come.
type CommandState string

// States of a command.
const (
	CommandWaiting CommandState = "waiting" // accepted, not yet taken
	CommandDone    CommandState = "done"    // it took effect
	CommandRefused CommandState = "refused" // it was taken and did not apply
)

// CommandResult is what is known of a command.
type CommandResult struct {
	Token  string       `json:"token"`
	State  CommandState `json:"state"`
	Answer string       `json:"answer,omitempty"` // refused: why, in words
}

// EventQuery selects events.
type EventQuery struct {
	// App: the zero name is every app, one without service a project's.
	App   spec.Name `json:"app"`
	After uint64    `json:"after"` // only events with a higher number
	Limit int       `json:"limit"` // at most this many; 1 to [MaxEvents]
}

// EventPage is a run of events, oldest first.
type EventPage struct {
	Events []reconcile.Event `json:"events"`
	// Last is what to pass as After to go on from here. It moves on even when
	// events in between did not match.
	Last uint64 `json:"last"`
	// More: the limit was reached and there are further events now.
	More bool `json:"more,omitempty"`
}

// HistoryList is finished rollouts, newest first.
type HistoryList struct {
	Rollouts []reconcile.Rollout `json:"rollouts"`
}

// LogQuery selects log lines of one app's containers.
type LogQuery struct {
	App     spec.Name   `json:"app"`
	Rollout string      `json:"rollout,omitempty"` // only of this rollout, running or not
	Colour  spec.Colour `json:"colour,omitempty"`  // only of this colour
	Tail    int         `json:"tail"`              // last lines of each container, 0 to [MaxTail]
	Follow  bool        `json:"follow,omitempty"`
}

// LogLine is one line an app wrote.
type LogLine struct {
	Container string      `json:"container"` // its name
	Colour    spec.Colour `json:"colour,omitempty"`
	Text      string      `json:"text"` // without the line end
	// Evidence: kept from a container that is gone.
	Evidence bool `json:"evidence,omitempty"`
}

// Version is the answer to GET /v1/version.
type Version struct {
	Version   string    `json:"version"`
	Go        string    `json:"go"`
	API       string    `json:"api"` // [APIVersion]
	ID        string    `json:"id"`  // of the controller
	Started   time.Time `json:"started"`
	Engine    string    `json:"engine,omitempty"`     // version of the Docker Engine; empty: it did not answer
	EngineAPI string    `json:"engine_api,omitempty"` // API version in use
}

// APIVersion is the version of the wire format, and its path.
const APIVersion = "v1"

// Limits of requests. Anything beyond is refused, not cut.
const (
	MaxBody   = 8 << 20 // bytes of a request's body
	MaxToken  = 128     // bytes of a command's token
	MaxEvents = 1000    // events of one page
	MaxTail   = 10000   // log lines per container
	MaxLimit  = 1000    // rollouts of one history answer
)
