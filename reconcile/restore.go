package reconcile

import (
	"strconv"
	"strings"
)

// RestoredBy is who is named as asking for the override that a restore leaves.
const RestoredBy = "restore"

// FromBackup is what of a record a backup can vouch for. Who serves, which
// rollout is under way and what stands by is not among it: the world went on
// since then, and only the proxy and the labels know.
func FromBackup(r Record) Record {
	return Record{
		Name: r.Name, Generation: r.Generation, Image: r.Image, ImageGeneration: r.ImageGeneration,
		Hold: r.Hold, Override: r.Override, Rollouts: r.Rollouts, Ahead: r.Ahead, Restored: true,
	}
}

// catchUp compares a record from a backup with what runs, once. If what serves
// carries a newer generation than the restored wish, that wish is of the past and
// is not followed: what serves stays until the next generation, which is counted
// above everything that was found.
func (t *turn) catchUp() move {
	if !t.rec.Restored {
		return onward
	}
	t.rec.Restored = false
	var ahead int64
	for _, c := range t.containers() {
		ahead = max(ahead, c.Generation)
		if n, err := strconv.ParseInt(strings.TrimPrefix(c.Rollout, "r-"), 10, 64); err == nil {
			t.rec.Rollouts = max(t.rec.Rollouts, n)
		}
	}
	if t.in.Desired.Service.Rollout == nil && t.rec.Stable == nil {
		t.adoptRunning()
	}
	if ahead <= t.in.Desired.Generation {
		return again
	}
	t.rec.Ahead = ahead
	if t.inUse() {
		t.rec.Generation = max(t.rec.Generation, t.in.Desired.Generation)
		t.rec.Override = &Override{Generation: t.in.Desired.Generation, Since: t.in.Now, By: RestoredBy}
		t.warn(ReasonRestored, "generation %d runs, and the wish in the backup is %d: what runs stays until the next change, or until teal retry",
			ahead, t.in.Desired.Generation)
	}
	return again
}

// inUse reports whether something of the app serves, or runs if it has no route.
func (t *turn) inUse() bool {
	if t.in.Desired.Service.Rollout != nil {
		_, live := t.live()
		return live
	}
	return len(filter(t.containers(), up)) > 0
}
