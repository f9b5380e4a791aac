// Package format plants faults of form.
package format

// Mode is written as gofumpt does not.
const Mode = 0644 // want gofumpt
