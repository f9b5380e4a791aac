// Package crash kills the controller with SIGKILL before and after every effect
// and every write, in every scenario, on the real engine, and starts it again.
//
// A cell is one scenario with one kill. It passes if the controller was killed
// where it was meant to be, the state that the scenario ends in without a kill is
// reached all the same (containers, route, status, history, nothing left over),
// and a client of constant rate (half POST, connections kept, nothing repeated)
// saw no request fail from before the kill to the end.
//
// The points are those that the sources have: a test reads them and fails when an
// effect has none. `go test` runs a sample of cells, `make crash` all of them.
package crash
