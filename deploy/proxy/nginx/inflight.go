package nginx

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"teal/reconcile"
	"teal/spec"
)

// slotKey names a counter of requests in flight. nginx counts per app, colour
// and kind, for all its workers together, old ones that a reload has replaced
// among them, from a request's head to the last byte of its answer, and an
// upgraded connection to its end.
//
// It does not count by revision, because then every rollout would need a reload.
// That is enough for a drain: a new revision is started on a colour only after
// the one before has left it, drained and removed. Where a revision takes a slot
// over in place, what is in flight counts for both until the slot is seen idle.
type slotKey struct {
	app      spec.Name
	colour   spec.Colour
	upgraded bool
}

// inFlight asks for all counters. The figure of a busy one is exact for 1, and
// the next lower power of two for more.
func inFlight(c *conversation, keys []slotKey) (map[slotKey]int, error) {
	out := map[slotKey]int{}
	busy := keys
	for n := 1; n <= mostKnown && len(busy) > 0; n *= 2 {
		questions := make([]question, len(busy))
		for i, k := range busy {
			questions[i] = busyQuestion(k, n)
		}
		replies, err := c.ask(questions)
		if err != nil {
			return nil, err
		}
		var more []slotKey
		for i, r := range replies {
			switch r.status {
			case http.StatusConflict:
				out[busy[i]] = n
				more = append(more, busy[i])
			case http.StatusOK:
			default:
				return nil, fmt.Errorf("ask nginx what is in flight: status %d", r.status)
			}
		}
		busy = more
	}
	return out, nil
}

// traffic is what is in flight, and what the log lines said.
func (d *Driver) traffic(c *conversation, s *state) ([]reconcile.AppTraffic, error) {
	if s == nil {
		return nil, nil
	}
	apps := slices.Concat(s.Apps, s.Gone)
	var keys []slotKey
	for _, a := range apps {
		for _, colour := range []spec.Colour{spec.Blue, spec.Green} {
			if a.slot(colour).Revision != "" {
				keys = append(keys, slotKey{a.App, colour, false}, slotKey{a.App, colour, true})
			}
		}
	}
	busy, err := inFlight(c, keys)
	if err != nil {
		return nil, err
	}
	var out []reconcile.AppTraffic
	for i := range apps {
		if t := d.appTraffic(&apps[i], busy); len(t) > 0 {
			out = append(out, reconcile.AppTraffic{App: apps[i].App, Traffic: t})
		}
	}
	slices.SortFunc(out, func(a, b reconcile.AppTraffic) int { return strings.Compare(a.App.String(), b.App.String()) })
	return out, nil
}

func (d *Driver) appTraffic(a *appState, busy map[slotKey]int) []reconcile.Traffic {
	var out []reconcile.Traffic
	for _, colour := range []spec.Colour{spec.Blue, spec.Green} {
		slot := a.slot(colour)
		if slot.Revision == "" {
			continue
		}
		key := slotKey{app: a.App, colour: colour}
		plain, upgraded := busy[key], busy[slotKey{a.App, colour, true}]
		t := d.counts.of(a.App, colour, slot.Revision)
		t.InFlight, t.Upgraded = plain, upgraded
		out = append(out, t)
		if slot.Before == "" || slot.Before == d.memory.gone[key] {
			continue
		}
		if plain+upgraded == 0 {
			d.memory.gone[key] = slot.Before
			continue
		}
		t = d.counts.of(a.App, colour, slot.Before)
		t.InFlight, t.Upgraded = plain, upgraded
		out = append(out, t)
	}
	return out
}
