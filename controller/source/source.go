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

	"teal/spec"
)

// Update is what one reading of a source came to.
type Update struct {
	Project spec.Project // if Err is nil
	// Prune: services that the project no longer names are to be removed.
	Prune bool
	// Err says why the files could not be understood, with all problems.
	Err error
	At  time.Time
}
