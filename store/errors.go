package store

import (
	"errors"
	"fmt"
)

var (
	// ErrNewer says that a newer version of Teal wrote what was to be read. It
	// is left as it is.
	ErrNewer = errors.New("written by a newer version of teal; use that version, or restore a backup")
	// ErrGeneration says that a generation would go back.
	ErrGeneration = errors.New("a generation must not go back")
	// ErrUnknown says that no such app is kept.
	ErrUnknown = errors.New("no such app")
	// ErrWanted says that an app was to be forgotten that is wanted again.
	ErrWanted = errors.New("the app is wanted again")
	// ErrCommand says that an answer was given to a command that does not wait.
	ErrCommand = errors.New("no such command waits")
	// ErrTooMany says that too many commands wait for one app.
	ErrTooMany = errors.New("too many commands wait for this app")
	// ErrInvalid says that what was to be kept contradicts itself.
	ErrInvalid = errors.New("not a valid desired state")
)

// RepairCommand is what builds the records anew. A start does so by itself when
// it finds them damaged.
const RepairCommand = "teal run --rebuild"

// LockedError says that another process has the store open.
type LockedError struct {
	PID  int    // of the process; 0 if the system does not say
	Path string // of the store
}

// Error names the holder.
func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("%s is in use by another process", e.Path)
	}
	return fmt.Sprintf("%s is in use: the lock is held by pid %d", e.Path, e.PID)
}

// KeyError says that a store, or a backup, cannot be read without the host key
// it was written with. Nothing was changed. It is no damage: with the key all is
// there.
type KeyError struct {
	Path  string // of the store
	File  string // where the key was looked for; empty: none was named
	Key   string // the id of the key that is needed; empty: any would do
	Words string // what is wrong with File
}

// Error says which key is needed, and what was found.
func (e *KeyError) Error() string {
	if e.Key == "" {
		return fmt.Sprintf("the host key %s %s", e.File, e.Words)
	}
	return fmt.Sprintf("%s is encrypted with the host key %s, and %s %s", e.Path, e.Key, e.File, e.Words)
}

// DamagedError says that the file cannot be trusted. It was not changed.
type DamagedError struct {
	Path  string
	Words string // what was found
}

// Error says what was found and what to type.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("%s is damaged (%s) and was left as it is; the next start of teal run moves it aside and builds the records anew from what runs",
		e.Path, e.Words)
}

// foundError is damage found where the path is not known.
type foundError string

func (w foundError) Error() string { return string(w) }

func damagedf(format string, args ...any) error {
	return foundError(fmt.Sprintf(format, args...))
}

// located turns damage found inside the file at path into a DamagedError.
func located(path string, err error) error {
	if words, ok := errors.AsType[foundError](err); ok {
		return &DamagedError{Path: path, Words: string(words)}
	}
	return err
}
