//go:build !race

package sim

// ordinary is how many seeds run if nobody says how many: about a minute of
// processor time.
const ordinary = 8000
