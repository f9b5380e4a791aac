// Package faults holds the tests of what Teal does when its engine fails: the
// built program, on Docker Engines of its own (deploy/rig), under a constant
// load whose every lost request is counted.
//
// It promises that each line of docs/faults.md is tested here, or says there
// where else.
package faults
