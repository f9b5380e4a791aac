package spec

import "time"

// Every default of a desired state stands here, with its reason. They suit a
// plain web app that says nothing about itself.

// Defaults of services.
const (
	// defaultReplicas: one is what an operator who says nothing means; with
	// several hosts, one on each.
	defaultReplicas = 1
	// defaultGrace is Compose's own: how long a process may take to end.
	defaultGrace = Duration(10 * time.Second)
	// defaultRestart: what runs comes back after a crash or a reboot without
	// Teal, and stays away after somebody stopped it by hand.
	defaultRestart = "unless-stopped"
	// restartNever is for dependencies that somebody waits for to complete: they
	// must not be started again.
	restartNever = "no"
)

// Defaults of the gate.
const (
	// gateTimeout: a person gets a day; longer, and the candidate is stale.
	gateTimeout = Duration(24 * time.Hour)
	// gateOnTimeout: nobody looked, so nothing changes.
	gateOnTimeout = TimeoutAbort
)

// Defaults of the route.
const (
	anyHost = "*"
	anyPath = "/"
	// defaultHold: a request rather waits for a restart of a few seconds than
	// fails; clients give up at 30 s and more.
	defaultHold = Duration(10 * time.Second)
)

// Defaults of health.
const (
	// probeInterval while verifying: an app that is up is noticed at once, and
	// twenty probes a second are no load.
	probeInterval = Duration(50 * time.Millisecond)
	// probeTimeout: slower than this is not healthy for users either.
	probeTimeout = Duration(2 * time.Second)
	// probeSuccesses in a row: one can be luck while an app still starts.
	probeSuccesses = 3
	// probeFailures in a row: one can be a pause of a garbage collector.
	probeFailures = 3
	// healthDeadline: slow starters take a minute; two are a fault.
	healthDeadline = Duration(2 * time.Minute)
	// healthRestarts: what crashed three times crashes a fourth time.
	healthRestarts = 3
	// probePath is where every web app answers something.
	probePath = "/"
)

var (
	// anyAnswer: nothing is known of the app, so that a redirect to a login or a
	// 404 for "/" shows that it serves; 5xx shows that it does not.
	anyAnswer = []StatusRange{{200, 499}}
	// goodAnswer: whoever names a path means that it must work.
	goodAnswer = []StatusRange{{200, 399}}
)

// Defaults of what comes after.
const (
	// testTimeout: a smoke test, not a test suite.
	testTimeout = Duration(5 * time.Minute)
	// drainTime is longer than nearly all requests, and shorter than patience.
	drainTime = Duration(30 * time.Second)
	// bakeMaxFailed and bakeMinRequests hold once bake has a time: fewer requests
	// are chance, more failures than one in twenty are not.
	bakeMaxFailed   = 0.05
	bakeMinRequests = 20
	// standbyTime: most bad releases are noticed within ten minutes.
	standbyTime = Duration(10 * time.Minute)
)

// defaultRollout is what an empty x-teal block means, but for the port.
func defaultRollout() Rollout {
	return Rollout{
		Active:    ActiveAuto,
		Strategy:  BlueGreen,
		Promotion: Promotion{Mode: PromotionAuto},
		Route:     Route{Host: anyHost, Path: anyPath, Hold: defaultHold},
		Health: Health{
			Interval: probeInterval, Timeout: probeTimeout,
			Successes: probeSuccesses, Failures: probeFailures,
			Deadline: healthDeadline, Restarts: healthRestarts,
		},
		Drain:   Drain{Requests: drainTime, Upgraded: drainTime},
		Bake:    Bake{MaxFailed: bakeMaxFailed, MinRequests: bakeMinRequests},
		Standby: Standby{For: standbyTime},
	}
}
