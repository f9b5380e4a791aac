// Package sim drives the real controller over fakes with a seeded scheduler and
// a fake clock, breaks the world around it, kills it between any two effects,
// and checks from outside that the safety properties S1 to S17 hold after every
// effect, and L1 to L7 once the world calms down. S13 is not checked here, since
// one pass is made at a time, nor is L8, which needs real requests: docs/proofs.md
// says what checks those.
//
//	go test ./controller/sim -sim.seeds 100000          more seeds
//	go test ./controller/sim -sim.from 4711 -sim.seeds 1 one of them
//
// A failure prints its seed and what happened; the same seed happens again in
// the same way. Seeds that ever failed are kept in badSeeds.
package sim
