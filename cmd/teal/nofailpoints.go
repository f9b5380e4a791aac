//go:build !failpoints

package main

// failpoint is told of no effect: only a test binary ends at one (failpoints.go).
var failpoint func(name string)

// reach tells of an effect of this package.
func reach(string) {}
