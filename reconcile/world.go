package reconcile

import (
	"time"

	"teal/spec"
)

// World is what one pass observed of one app. It is never kept.
type World struct {
	Containers []Container `json:"containers"` // ours by label, of this app; sorted by name
	Test       *Container  `json:"test,omitempty"`
	Served     Served      `json:"served"`
	// Away are the hosts that were to be looked at and did not answer; sorted by
	// name. What they ran when they were last seen is in Containers, marked Lost.
	Away []AwayHost `json:"away,omitempty"`
	// Dependencies holds, by service, what depends_on refers to.
	Dependencies map[string]DependencyState `json:"dependencies,omitempty"`
}

// Seen is what the engines show of one app.
type Seen struct {
	Containers []Container // sorted by name; Probe is left empty
	Test       *Container  // the one-shot test, if there is one
	Away       []AwayHost  // hosts that did not answer; sorted by name
}

// AwayHost is a host that does not answer.
type AwayHost struct {
	Host  string `json:"host"`
	Words string `json:"words"` // why, in its own or the client's words
}

// Look says where to look for an app's containers.
type Look struct {
	Hosts   []string // that it is placed on; others are looked at if they had containers of it
	Adopted []spec.Adopted
}

// ContainerState is the engine's word for what a container does.
type ContainerState string

// States of a container.
const (
	Created    ContainerState = "created"
	Running    ContainerState = "running"
	Paused     ContainerState = "paused"
	Restarting ContainerState = "restarting"
	Removing   ContainerState = "removing"
	Exited     ContainerState = "exited"
	Dead       ContainerState = "dead"
)

// EngineHealth is the verdict of the engine's own HEALTHCHECK.
type EngineHealth string

// Verdicts of the engine's HEALTHCHECK; empty when there is none.
const (
	HealthNone      EngineHealth = ""
	HealthStarting  EngineHealth = "starting"
	HealthHealthy   EngineHealth = "healthy"
	HealthUnhealthy EngineHealth = "unhealthy"
)

// Container is one observed container.
type Container struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	Colour     spec.Colour    `json:"colour,omitempty"`
	Replica    int            `json:"replica"` // from 1
	Revision   string         `json:"revision"`
	Generation int64          `json:"generation"`
	Rollout    string         `json:"rollout,omitempty"`
	Image      string         `json:"image"`
	State      ContainerState `json:"state"`
	ExitCode   int            `json:"exit_code"`
	OOMKilled  bool           `json:"oom_killed,omitempty"`
	Restarts   int            `json:"restarts"` // by the engine's restart policy
	StartedAt  time.Time      `json:"started_at"`
	Address    string         `json:"address,omitempty"` // host:port the proxy reaches it at; empty: not routed
	// Reach holds, by port inside the container, where that port is reached from
	// elsewhere, as host:port. Ports that are not in it are reached at the host of
	// Address.
	Reach map[int]string `json:"reach,omitempty"`
	Host  string         `json:"host,omitempty"` // the name of its host
	// Lost: its host does not answer; all else is as it was last seen.
	Lost bool `json:"lost,omitempty"`
	// Foreign: it was there before Teal (spec.Adopted). Teal only ever stops it.
	Foreign bool         `json:"foreign,omitempty"`
	Health  EngineHealth `json:"health,omitempty"`
	Probe   Probe        `json:"probe"`
}

// Probe is what health knows about one container since it began to probe this
// run of it.
type Probe struct {
	Attempts  int       `json:"attempts"`
	Successes int       `json:"successes"` // in a row, up to now
	Failures  int       `json:"failures"`  // in a row, up to now
	Since     time.Time `json:"since"`     // first of the successes in a row
	Words     string    `json:"words"`     // of the last probe: "GET /health → 503"
}

// DependencyState is how far a service that others depend on has come.
type DependencyState struct {
	Started   bool   `json:"started"`
	Healthy   bool   `json:"healthy"`
	Completed bool   `json:"completed"`
	Words     string `json:"words"` // for people: "starting", "exited with 1"
}

// Met reports whether the state satisfies c.
func (s DependencyState) Met(c spec.Condition) bool {
	switch c {
	case spec.Started:
		return s.Started || s.Completed
	case spec.Healthy:
		return s.Healthy
	case spec.Completed:
		return s.Completed
	}
	return false
}

// Served is what the proxy said, when asked, that it serves for one app.
type Served struct {
	Known   bool      `json:"known"` // the proxy answered
	Route   *Route    `json:"route,omitempty"`
	Traffic []Traffic `json:"traffic,omitempty"`
}

// Traffic is what the proxy counted for one colour and revision since it
// learned of them; entries stay while requests are in flight.
type Traffic struct {
	Colour   spec.Colour `json:"colour"`
	Revision string      `json:"revision"`
	InFlight int         `json:"in_flight"` // plain requests
	Upgraded int         `json:"upgraded"`  // upgraded connections
	Requests int64       `json:"requests"`  // ended
	Failures int64       `json:"failures"`  // answered 5xx, or not at all
	P50      float64     `json:"p50"`       // seconds to the end of the response
	P95      float64     `json:"p95"`
	P99      float64     `json:"p99"`
}

// Route is what the proxy serves for one app.
type Route struct {
	App      spec.Name `json:"app"`
	Host     string    `json:"host"` // lower case; "*": every host
	Path     string    `json:"path"`
	Backends []Backend `json:"backends"` // sorted by colour; weights sum to 100
	Preview  Preview   `json:"preview"`
	// Drain limits what retired backends may finish; the proxy enforces it for
	// upgraded connections.
	Drain   spec.Drain    `json:"drain"`
	Hold    spec.Duration `json:"hold"`
	MaxBody int64         `json:"max_body"`
	Timeout spec.Duration `json:"timeout"`
}

// Backend is one colour behind a route.
type Backend struct {
	Colour   spec.Colour `json:"colour"`
	Revision string      `json:"revision"`
	Weight   int         `json:"weight"`  // 0 to 100
	Targets  []string    `json:"targets"` // host:port, sorted
}

// Preview leads to one colour whatever its weight.
type Preview struct {
	Colour spec.Colour `json:"colour,omitempty"` // empty: no preview
	Host   string      `json:"host,omitempty"`
	Token  string      `json:"token,omitempty"`
}
