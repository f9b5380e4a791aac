package notify

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	limiting "golang.org/x/time/rate"

	"teal/reconcile"
	"teal/spec"
)

// How much is read and summed up at a time, how far a position may lag behind
// events that are not wanted, and after how many attempts it is told or given up.
const (
	readAtOnce  = 500
	laggingMost = 500
	tellAfter   = 3                // attempts in a row until a failure is told
	unfitTries  = 3                // attempts with a message that is refused
	sumUpAfter  = 12               // attempts with one message until it is summed up with what came since
	tellAgain   = time.Hour        // at least, between two events about one target
	longestShut = 30 * time.Minute // between attempts with a target that refuses who sends
	forEver     = 24 * time.Hour   // until a change
)

// teller tells one target.
type teller struct {
	*Notifier
	target   Target
	at       position
	kept     position // as on the disk
	limit    *limiting.Limiter
	late     bool // the limit was reached: what waits is told in one message
	lost     uint64
	attempts int
	next     time.Time // not before
	told     bool      // that it fails
	toldAt   time.Time
}

func newTeller(n *Notifier, t Target) *teller {
	at := n.positions.of(t.Name)
	return &teller{
		Notifier: n, target: t, at: at, kept: at,
		limit: limiting.NewLimiter(limiting.Every(t.limit.every()), t.limit.messages),
	}
}

func (t *teller) run(ctx context.Context) {
	changed := t.opts.Subscribe(ctx)
	for ctx.Err() == nil {
		timer := time.NewTimer(t.turn(ctx))
		select {
		case <-ctx.Done():
		case _, open := <-changed:
			if !open {
				changed = nil // the controller stops; what is due is told until ctx ends
			}
		case <-timer.C:
		}
		timer.Stop()
	}
}

// turn tells what is due and returns how long nothing will be.
func (t *teller) turn(ctx context.Context) time.Duration {
	for ctx.Err() == nil {
		if wait := time.Until(t.next); wait > 0 {
			return wait
		}
		events, end, err := t.due()
		if err != nil {
			t.opts.Logger.Debug("events were not read", "target", t.target.Name, "error", err)
			return t.opts.Pauses.First
		}
		if len(events) == 0 {
			if end == t.at {
				return forEver
			}
			t.moveOn(end, false)
			continue
		}
		if r := t.limit.Reserve(); r.Delay() > 0 {
			t.late, t.next = true, time.Now().Add(r.Delay())
			r.Cancel()
			continue
		}
		t.tell(ctx, events, end)
	}
	return 0
}

// due returns the events that the target is to be told of next, and where what
// was looked at ends.
func (t *teller) due() (wanted []numbered, end position, err error) {
	events, end, lost, err := t.read(t.at, readAtOnce)
	if err != nil {
		return nil, end, err
	}
	t.lost = lost
	for _, e := range events {
		if t.target.wants.has(e.Event) && !t.isOwn(e.Event) {
			wanted = append(wanted, e)
		}
	}
	return wanted, end, nil
}

// isOwn reports whether e is about this target.
func (t *teller) isOwn(e reconcile.Event) bool {
	return (e.Reason == ReasonNotifyFailed || e.Reason == ReasonNotifyBack) && e.Rollout == "" && ownName(e.Message) == t.target.Name
}

// tell sends one message and notes what came of it.
func (t *teller) tell(ctx context.Context, events []numbered, end position) {
	together := t.late && len(events) > 1 || t.attempts >= sumUpAfter || t.lost > 0
	if !together {
		end.After, end.At = events[0].Number, events[0].At
	}
	m, err := t.message(events, together)
	if err == nil {
		limited, cancel := context.WithTimeout(ctx, t.target.timeout)
		err = t.target.sender.send(limited, m)
		cancel()
	}
	switch {
	case err == nil:
		t.delivered(end)
	case ctx.Err() == nil:
		t.failed(err, end)
	}
}

// message is the next one: of the first event, or of all while they come faster
// than they may be sent.
func (t *teller) message(events []numbered, together bool) (message, error) {
	if together {
		return summed(t.opts.ID, events, t.lost), nil
	}
	var from spec.Origin
	if t.opts.Origin != nil && events[0].App.Service != "" {
		from = t.opts.Origin(events[0].App)
	}
	m, err := t.target.words.message(t.opts.ID, events[0], from)
	if err != nil {
		return m, &failure{kind: unfit, words: err.Error()}
	}
	return m, nil
}

// delivered moves the target on.
func (t *teller) delivered(end position) {
	t.late, t.attempts, t.next = false, 0, time.Time{}
	t.moveOn(end, true)
	if t.told {
		t.told = false
		t.note(false, ReasonNotifyBack, "takes messages again")
	}
}

// moveOn keeps how far the target was told; what it did not want is kept
// seldom.
func (t *teller) moveOn(end position, now bool) {
	t.at = end
	if !now && end.After >= t.kept.After && end.After-t.kept.After < laggingMost {
		return
	}
	if err := t.positions.set(t.target.Name, end); err != nil {
		t.opts.Logger.Warn("position of notifications was not kept", "target", t.target.Name, "error", err)
		return
	}
	t.kept = end
}

// failed waits, and tells once that it does.
func (t *teller) failed(err error, end position) {
	f, ok := errors.AsType[*failure](err)
	if !ok {
		f = &failure{words: err.Error()}
	}
	t.attempts++
	t.opts.Logger.Debug("notification was not delivered", "target", t.target.Name, "attempts", t.attempts, "error", f.words)
	pause := backOff(t.opts.Pauses.First, t.opts.Pauses.Longest, t.attempts)
	if f.kind == refused {
		pause = backOff(t.opts.Pauses.Refused, max(longestShut, t.opts.Pauses.Refused), t.attempts)
	}
	t.next = time.Now().Add(max(pause, f.after))
	if f.kind != again || t.attempts >= tellAfter {
		t.tellFailure(f)
	}
	if f.kind == unfit && t.attempts >= unfitTries {
		t.opts.Logger.Warn("notification was given up", "target", t.target.Name, "event", end.After, "error", f.words)
		t.attempts, t.late = 0, false
		t.moveOn(end, true)
	}
	if t.attempts >= sumUpAfter {
		t.late = true
	}
}

func (t *teller) tellFailure(f *failure) {
	if t.told || !t.toldAt.IsZero() && time.Since(t.toldAt) < tellAgain {
		return
	}
	t.told, t.toldAt = true, time.Now()
	t.note(true, ReasonNotifyFailed, f.words+"; what happens meanwhile is kept and told later")
}

// note tells of the target. The name comes first, see ownName.
func (t *teller) note(warning bool, reason reconcile.Reason, words string) {
	t.opts.Note(reconcile.Event{
		At: time.Now().UTC().Round(0), Warning: warning, Reason: reason,
		Message: fmt.Sprintf("%s (%s): %s", t.target.Name, t.target.Place, words),
	})
}

// ownName is the target that one of this package's events is about.
func ownName(message string) string {
	for i, r := range message {
		if r == ' ' {
			return message[:i]
		}
	}
	return message
}

// backOff is first·2ⁿ, at most longest, ± 20 %.
func backOff(first, longest time.Duration, attempts int) time.Duration {
	d := min(first<<min(attempts-1, 16), longest)
	return d*8/10 + time.Duration(rand.Int64N(int64(d*4/10)+1))
}
