package main

import (
	"time"

	"teal/cmd/load/loadgen"
)

// window is a time in which an app may lose requests by the nature of a fault.
type window struct {
	name     string
	from, to time.Time // to is zero while it is open
}

// excuseFor names the window that a failed request falls into; empty: none.
func excuseFor(windows []window, f loadgen.Failure) string {
	for _, w := range windows {
		if f.At.Before(w.from) || (!w.to.IsZero() && f.Due.After(w.to)) {
			continue
		}
		return w.name
	}
	return ""
}

// excuse opens a window.
func (a *app) excuse(name string, at time.Time) {
	a.excuses = append(a.excuses, window{name: name, from: at})
}

// closeExcuses ends the windows that are open since before.
func (a *app) closeExcuses(before, at time.Time) {
	for i := range a.excuses {
		if w := &a.excuses[i]; w.to.IsZero() && w.from.Before(before) {
			w.to = at
		}
	}
}
