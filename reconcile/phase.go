package reconcile

import "time"

// moves is the table of allowed moves between phases. A move that is not here
// is a defect of the planner, and to makes it loudly.
var moves = map[Phase][]Phase{
	Idle:        {Preparing},
	Preparing:   {Starting, Aborting, Superseding, Idle},
	Starting:    {Verifying, Aborting, Superseding, Idle},
	Verifying:   {Staged, Starting, Aborting, Superseding, Idle},
	Staged:      {Switching, Starting, Aborting, Superseding},
	Switching:   {Confirming, Aborting, Superseding},
	Confirming:  {Switching, Aborting, Idle},
	Aborting:    {Idle},
	Superseding: {Idle},
}

// Limits that no desired state sets.
const (
	// startLimit is how long containers may take from the first create to all
	// of them having been started, failures of the infrastructure not counted.
	startLimit = 10 * time.Minute
	// switchLimit is how long the proxy may take to serve the candidate.
	switchLimit = time.Minute
	// driftLimit is how long stable may take to become able to serve again
	// while the proxy serves something else.
	driftLimit = 30 * time.Second
	// abortLimit is how long an abort waits for stable to take the traffic back.
	abortLimit = 30 * time.Second
	// lookAgain is when to look again where only an event is awaited: events
	// may be lost.
	lookAgain = 2 * time.Second
	// settleTime is how long a container without a healthcheck must have run to
	// count as up, for dependencies.
	settleTime = time.Second
	// dependencyDeadline is added to what a dependency's healthcheck needs.
	dependencyDeadline = 2 * time.Minute
	// jobDeadline is how long a job may run, whose end others await.
	jobDeadline = time.Hour
	// crashLoops is how many restarts of a dependency are a crash loop.
	crashLoops = 3
)

// Words returns the phase's name for people.
func (p Phase) Words() string {
	if p == Idle {
		return "Idle"
	}
	return string(p)
}

// early reports whether p is before the intent to switch.
func (p Phase) early() bool {
	switch p {
	case Preparing, Starting, Verifying, Staged:
		return true
	case Idle, Switching, Confirming, Aborting, Superseding:
	}
	return false
}

// noTime is the zero time: no deadline.
var noTime time.Time
