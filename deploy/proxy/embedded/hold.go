package embedded

import (
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	holdStep   = 50 * time.Millisecond
	holdJitter = 50 * time.Millisecond
)

// hold waits a moment for a target to come back, or for another table. It
// returns moved to try again; otherwise the wait is over. Nothing of the
// request's body is read meanwhile, and the request is in flight nowhere.
func (x *exchange) hold() outcome {
	now := time.Now()
	if x.holdTill.IsZero() {
		x.holdTill = now.Add(x.route.Hold.D())
		if x.p.held.Add(1) > int64(x.p.limits.Held) {
			x.giveUp(http.StatusServiceUnavailable, "too-many-held", "Too many requests are waiting for this app to come back.")
			return answered
		}
	}
	if !now.Before(x.holdTill) {
		x.giveUpUnreached()
		return answered
	}
	wait := min(x.holdTill.Sub(now), holdStep+rand.N(holdJitter))
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-x.live.changed:
	case <-x.r.Context().Done():
		x.endHold()
		x.count()
		return clientGone
	}
	return moved
}

func (x *exchange) giveUpUnreached() {
	if isTimeout(x.lastErr) {
		x.giveUp(http.StatusGatewayTimeout, "no-target", "The app could not be reached in time.")
		return
	}
	x.giveUp(http.StatusBadGateway, "no-target", "The app does not accept connections now.")
}

func (x *exchange) giveUp(status int, reason, text string) {
	x.endHold()
	x.bad, x.whole = true, true
	x.answer(status, reason, text)
	x.count()
}

func (x *exchange) endHold() {
	if !x.holdTill.IsZero() {
		x.p.held.Add(-1)
		x.holdTill = time.Time{}
	}
}
