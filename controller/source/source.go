// Package source watches the files that desired states come from.
//
// It promises that a change is seen within milliseconds where the system tells
// of it and within the polling interval where it does not; that only content
// counts, so that touching a file does nothing; that a file caught in the
// middle of being written, renamed or swapped is read again before anything is
// said about it; and that what cannot be read is reported as such, never as an
// empty wish.
package source

import (
	"time"

	"teal/reconcile"
	"teal/spec"
)

// Update is what a source says: of one of its projects, or of itself.
type Update struct {
	// Part tells the projects of one source apart; empty where there is one. With
	// Err, empty is the source as a whole.
	Part    string
	Project spec.Project // if Err is nil
	// Prune: services that the project no longer names are to be removed, and with
	// All, projects that the source no longer has.
	Prune bool
	// Err says why the files could not be understood, with all problems.
	Err error
	// Reason is why, where the source knows; empty: the files are not right.
	Reason reconcile.Reason
	// Notice is something worth an event that is no error: there is no project.
	Notice string
	// All ends a reading of a source with several projects: Parts are all that it
	// has now. There is no project.
	All   bool
	Parts []string
	At    time.Time
}

// State is how a source stands that is pulled from somewhere else.
type State struct {
	Name   string
	URL    string // without credentials
	Follow string // what is followed there: "branch main"
	// Commit is the one whose files are in force; nil: none yet.
	Commit *spec.Origin
	Next   time.Time // when it is looked at again
	// Takes are projects that the operator said it gets, whoever had them before.
	Takes []string
}
