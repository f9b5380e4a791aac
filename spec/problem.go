package spec

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a desired state, said to whoever
// wrote it.
type Problem struct {
	File    string `json:"file,omitempty"`   // as it was named, or below the source's folder
	Line    int    `json:"line,omitempty"`   // from 1; 0: not known
	Column  int    `json:"column,omitempty"` // from 1; 0: not known
	Key     string `json:"key,omitempty"`    // full path: services.was.x-teal.health
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"` // what to write instead
	// Reason is why a key of Compose is not honoured (see [RefusedKeys]). Empty:
	// the problem is another.
	Reason string `json:"reason,omitempty"`
}

// Error returns "file:line: key: message; hint".
func (p Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		b.WriteString("; " + p.Hint)
	}
	return b.String()
}

// Errors are all problems of a desired state, sorted by file, line and key. It
// is never empty when it is returned as an error.
type Errors []Problem

// Error returns one line for each problem.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// sorted returns e in a fixed order and without repetitions.
func (e Errors) sorted() Errors {
	slices.SortFunc(e, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Key, b.Key), cmp.Compare(a.Message, b.Message), cmp.Compare(a.Hint, b.Hint))
	})
	return slices.Compact(e)
}

// Error is why [Load] refused its input. It unwraps to [Errors].
type Error struct {
	// Source lists what was read or looked for before it failed: what to watch
	// for a better version.
	Source   Source
	Problems Errors
}

// Error returns one line for each problem.
func (e *Error) Error() string { return e.Problems.Error() }

// Unwrap returns the problems.
func (e *Error) Unwrap() error { return e.Problems }

// finding is a problem before its place is looked up.
type finding struct {
	at      path
	where   position // zero: look at up
	message string
	hint    string
	reason  string // of a key that is refused by name
}
