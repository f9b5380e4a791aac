package reconcile

import (
	"maps"
	"time"

	"teal/spec"
)

// mostRevivals is how often in one rollout candidates that were stopped from
// outside are started again.
const mostRevivals = 3

// revive takes candidates that were stopped from outside for not started yet. The
// engine starts a container again that ends by itself; one that it leaves ended
// was stopped by somebody, or with the engine, which says nothing about the
// version. After the switch every end is a verdict: stable is there to go back to.
func (t *turn) revive() bool {
	c := t.rec.Candidate
	stopped := filter(t.of(&c.Placement), func(x Container) bool {
		return x.State == Exited && !x.Foreign && !x.Lost && startedAgain(c.Revision.Container)
	})
	if len(stopped) == 0 || c.Revived >= mostRevivals {
		return false
	}
	e := t.edit()
	e.Revived++
	e.Ended = maps.Clone(e.Ended)
	if e.Ended == nil {
		e.Ended = map[string]time.Time{}
	}
	for _, x := range stopped {
		e.Ended[x.ID] = x.StartedAt
		t.warn(ReasonExited, "%s was stopped from outside, exit code %d; it is started again", x.Name, x.ExitCode)
	}
	return true
}

// startedAgain reports whether the engine starts a container of s again, however
// it ended.
func startedAgain(s spec.Container) bool {
	return s.Restart == "always" || s.Restart == "unless-stopped"
}
