package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"teal/controller/schedule"
	"teal/reconcile"
	"teal/spec"
)

// windows gives services deploy windows and freezes, in one seed of four. It
// draws from numbers of its own, so that the other seeds stay what they were.
type windows struct {
	r    *run
	rng  *rand.Rand
	on   bool
	book schedule.Book
}

func newWindows(r *run) *windows {
	kept := slices.Contains(badSeeds, r.seed)
	for _, seeds := range badShapes {
		kept = kept || slices.Contains(seeds, r.seed)
	}
	return &windows{r: r, rng: rand.New(rand.NewPCG(r.seed, 0xca1e)), on: r.seed%4 == 2 && !kept}
}

// edit changes when a service may be rolled out, now and then.
func (w *windows) edit(s *spec.Service) {
	if !w.on || s == nil || w.rng.IntN(3) != 0 {
		return
	}
	var c spec.Calendar
	if w.rng.IntN(3) != 0 {
		c.Windows = []spec.Range{{Cron: "*/10 * * * *", For: spec.Duration(3 * time.Minute)}}
	}
	if w.rng.IntN(3) == 0 {
		now := time.Now().UTC()
		c.Freezes = []spec.Range{{
			From: now.Format("2006-01-02T15:04:05"), To: now.Add(time.Duration(1+w.rng.IntN(20)) * time.Minute).Format("2006-01-02T15:04:05"), Why: "sim",
		}}
	}
	s.Calendars = nil
	if len(c.Windows)+len(c.Freezes) > 0 {
		s.Calendars = []spec.Calendar{c}
	}
}

// admit has an operator begin what waits, now and then.
func (w *windows) admit(app spec.Name) {
	if w.on && w.rng.IntN(4) == 0 {
		w.r.send(app, reconcile.VerbPromote, reconcile.Waiting(w.r.book.state(app).Desired.Generation))
	}
}

// held: W1 nothing begins outside of its windows but a way back, and no gate
// opens there by itself.
func (w *windows) held(app spec.Name, before reconcile.State, d reconcile.Decision) {
	old, rec := before.Record, d.Record
	shut := w.book.Closed(before.Desired.Service.Calendars, time.Now())
	if shut == nil || rec.Candidate == nil || old.Stable == nil || !old.Stable.Revision.Known() {
		return
	}
	w.r.checked(W1)
	c := rec.Candidate
	back := c.Trigger == reconcile.TriggerUndo || c.SkipGates || c.Admitted ||
		old.Standby != nil && old.Standby.Revision.ID == c.Revision.ID || before.Previous != nil && before.Previous.Revision.ID == c.Revision.ID
	switch {
	case back:
	case old.Candidate == nil || old.Candidate.Rollout != c.Rollout:
		w.r.fail(W1, "%s of %s began although: %s", c.Rollout, app, shut)
	case rec.Phase == reconcile.Switching && old.Phase == reconcile.Staged && c.Settings.Promotion.Mode != spec.PromotionAuto && !c.Promoted:
		w.r.fail(W1, "the gate of %s of %s opened by itself although: %s", c.Rollout, app, shut)
	}
}
