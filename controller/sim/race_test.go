//go:build race

package sim

// ordinary is how many seeds run if nobody says how many: the race detector
// makes them ten times slower.
const ordinary = 800
