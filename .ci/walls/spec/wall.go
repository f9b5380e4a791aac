// Package spec plants faults: spec imports nothing of ours and has no clock.
package spec

import (
	"math/rand/v2"
	"time"

	_ "github.com/docker/docker/client" // want depguard
	_ "github.com/robfig/cron/v3" // want depguard
	_ "go.etcd.io/bbolt" // want depguard

	_ "teal/controller/leaf" // want depguard
	_ "teal/deploy/leaf" // want depguard
	_ "teal/health/leaf" // want depguard
	_ "teal/reconcile/leaf" // want depguard
	_ "teal/spec/leaf"
	_ "teal/store/leaf" // want depguard
)

// Clock reads the clock and rolls dice.
func Clock() (time.Time, int) {
	n := rand.IntN(6)    // want forbidigo
	return time.Now(), n // want forbidigo
}
