package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ledger is the model of one app's traffic: which versions may answer now. It is
// widened before something is done that may lead traffic to a version, and
// narrowed when everything has settled.
type ledger struct {
	may   map[string]bool // may answer now
	waits map[string]bool // wished for and good, behind a gate that nobody opened
	past  map[string]bool // served, or may have; undo may bring it back
	// sure: nothing but the wish decides what must be served in the end. A person's
	// command or a hand on a container makes it unsure until the next wish.
	sure bool
}

func newLedger() ledger {
	return ledger{may: map[string]bool{}, waits: map[string]bool{}, past: map[string]bool{}}
}

// wished: a desired state with this version is about to be accepted.
func (l *ledger) wished(version string, q quality, gated bool) {
	l.sure = true
	switch {
	case q != good:
	case gated:
		l.waits[version] = true
	default:
		l.may[version] = true
	}
}

// opened: a gate is about to be opened, for whatever stands behind it.
func (l *ledger) opened() {
	maps.Copy(l.may, l.waits)
}

// wentBack: somebody is about to ask for a version from before.
func (l *ledger) wentBack() {
	l.sure = false
	maps.Copy(l.may, l.past)
	maps.Copy(l.may, l.waits)
}

// settled: version serves alone, and nothing is under way.
func (l *ledger) settled(version string, wanted string, staged bool) {
	maps.Copy(l.past, l.may) // each of them may have been stable for a while
	l.past[version] = true
	l.may = map[string]bool{version: true}
	waits := map[string]bool{}
	if staged && l.waits[wanted] {
		waits[wanted] = true
	}
	l.waits = waits
}

// forget: the app is gone.
func (l *ledger) forget() { *l = newLedger() }

// judge returns why version must not answer; empty: it may.
func (l *ledger) judge(version string) string {
	if l.may[version] {
		return ""
	}
	allowed := strings.Join(slices.Sorted(maps.Keys(l.may)), ", ")
	switch {
	case l.waits[version]:
		return fmt.Sprintf("%s answered, whose gate nobody opened (allowed: %s)", version, allowed)
	case !strings.HasSuffix(version, string(good)):
		return fmt.Sprintf("%s answered, which is known to be broken (allowed: %s)", version, allowed)
	default:
		return fmt.Sprintf("%s answered, which is not wanted now (allowed: %s)", version, allowed)
	}
}
