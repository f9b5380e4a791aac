package reconcile

import (
	"fmt"
	"slices"
	"time"

	"teal/spec"
)

// crashed is the verdict on a candidate whose containers end.
func (t *turn) crashed(limit int) *Failure {
	for _, x := range t.of(t.candidate()) {
		switch {
		case x.Restarts-t.rec.Candidate.Restarts[x.ID] >= max(limit, 1):
			return &Failure{Class: Verdict, Reason: ReasonCrashLoop, Message: fmt.Sprintf("%s restarted %d times%s", x.Name, x.Restarts, lastExit(x))}
		case x.State == Exited || x.State == Dead:
			return &Failure{Class: Verdict, Reason: ReasonExited, Message: fmt.Sprintf("%s exited with %s", x.Name, exitWords(x))}
		}
	}
	return nil
}

// probedInVain reports whether a container that is not ready had its chance:
// it does not run, or a probe of it failed since probing began. After a restart
// of Teal probing begins anew, past the deadline too.
func (t *turn) probedInVain() bool {
	c := t.rec.Candidate
	own := t.of(&c.Placement)
	if c.Adopted && len(own) == 0 && !t.blind() {
		return true
	}
	for _, x := range own {
		if ready(x, c.Health, t.in.Now) {
			continue
		}
		if x.State != Running || x.Probe.Attempts > x.Probe.Successes {
			return true
		}
	}
	return false
}

func (t *turn) unhealthyWords() string {
	for _, x := range t.of(t.candidate()) {
		if !ready(x, t.rec.Candidate.Health, t.in.Now) {
			return fmt.Sprintf("%s not ready after %s: %s", x.Name, t.rec.Candidate.Health.Deadline, words(x))
		}
	}
	return "not ready"
}

// words is what is known of a container's health, for people.
func words(c Container) string {
	switch {
	case c.State != Running:
		return fmt.Sprintf("%s, exit code %s", c.State, exitWords(c))
	case c.Probe.Words == "":
		return "not probed yet"
	}
	return c.Probe.Words
}

// verified is how many replicas the candidate must still have.
func (t *turn) verified() int {
	return min(max(t.rec.Candidate.Replicas, 1), t.replicas())
}

// copies are the containers of replica n among p's, on whichever host: what was
// verified before the hosts changed goes on to count.
func (t *turn) copies(p *Placement, n int) []Container {
	return filter(t.of(p), func(c Container) bool { return c.Replica == n || c.Foreign })
}

// spoiled is the verdict on a verified candidate that is not good any more. What
// is not seen because a host does not answer is not gone.
func (t *turn) spoiled() *Failure {
	c := t.rec.Candidate
	for n := 1; n <= t.verified(); n++ {
		if len(t.copies(&c.Placement, n)) == 0 && !t.blind() {
			return &Failure{Class: Verdict, Reason: ReasonUnhealthy, Message: fmt.Sprintf("replica %d is gone", n)}
		}
	}
	limit := c.Settings.Health.Restarts
	if t.rec.Phase == Confirming {
		limit = 1 // after the switch nothing may end
	}
	if f := t.crashed(limit); f != nil {
		return f
	}
	for n := 1; n <= t.verified(); n++ {
		if own := t.copies(&c.Placement, n); len(own) > 0 && allBroken(own, c.Health) {
			if seen := filter(own, func(x Container) bool { return !x.Lost }); len(seen) > 0 {
				own = seen // what is seen to be broken is no fault of a host
			}
			return t.brokenVerdict(own[0])
		}
	}
	return nil
}

func allBroken(cs []Container, h spec.Health) bool {
	return !slices.ContainsFunc(cs, func(c Container) bool { return !broken(c, h) })
}

// brokenVerdict is the verdict because of x, which is broken. With its host not
// answering either, it is the host's fault.
func (t *turn) brokenVerdict(x Container) *Failure {
	f := &Failure{Class: Verdict, Reason: ReasonUnhealthy, Message: fmt.Sprintf("%s: %s", x.Name, words(x))}
	for _, a := range t.in.World.Away {
		if x.Lost && a.Host == x.Host {
			f.Class, f.Reason, f.Message = Infra, ReasonHostAway, fmt.Sprintf("%s; %s", a, f.Message)
		}
	}
	return f
}

// stillReady reports whether what was verified passes its probes. Replicas that
// are not seen because a host does not answer are not counted, if leave is set
// and there are others.
func (t *turn) stillReady(leave bool) bool {
	c := t.rec.Candidate
	seen := 0
	for n := 1; n <= t.verified(); n++ {
		own := t.copies(&c.Placement, n)
		if len(own) == 0 && leave && t.blind() {
			continue
		}
		if !slices.ContainsFunc(own, func(x Container) bool { return ready(x, c.Health, t.in.Now) }) {
			return false
		}
		seen++
	}
	return seen > 0
}

// overdue is the host that keeps a candidate, past its deadline, from being
// verified.
func (t *turn) overdue() (AwayHost, bool) {
	c := t.rec.Candidate
	own := t.of(&c.Placement)
	for n := 1; n <= t.replicas() && t.due(); n++ {
		for _, a := range t.in.World.Away {
			if a.Host == t.place(n) && !t.hasReplica(own, n, func(x Container) bool { return ready(x, c.Health, t.in.Now) }) {
				return a, true
			}
		}
	}
	return AwayHost{}, false
}

// ended are the start times of p's containers that have ended.
func (t *turn) ended(p *Placement) map[string]time.Time {
	var out map[string]time.Time
	for _, x := range t.of(p) {
		if x.State == Exited {
			if out == nil {
				out = map[string]time.Time{}
			}
			out[x.ID] = x.StartedAt
		}
	}
	return out
}

// restarts are the present restart counts of the candidate's containers.
func (t *turn) restarts(p *Placement) map[string]int {
	var out map[string]int
	for _, x := range t.of(p) {
		if x.Restarts > 0 {
			if out == nil {
				out = map[string]int{}
			}
			out[x.ID] = x.Restarts
		}
	}
	return out
}

// lastExit tells how c ended when it was restarted. While it runs again, the
// engine says 0 for that, whatever it was: the evidence has its last lines.
func lastExit(c Container) string {
	if c.State == Running {
		return ""
	}
	return ", last exit code " + exitWords(c)
}

// exitWords tell how c ended: 137 alone does not say that it was its memory.
func exitWords(c Container) string {
	if c.OOMKilled {
		return fmt.Sprintf("%d (out of memory: it reached its limit)", c.ExitCode)
	}
	return fmt.Sprint(c.ExitCode)
}
