// Package loadgen is an open-loop HTTP client of constant rate, to count what
// a switch of traffic loses.
//
// It promises:
//   - Requests leave on a schedule, whatever the answers do. A request that
//     cannot leave because too many are under way is counted as failed, kind
//     [Saturated], never skipped.
//   - Every request that was due is counted exactly once: Sent = OK + Failed +
//     InFlight at every [Generator.Snapshot].
//   - Nothing is repeated. The bodies of its POSTs cannot be replayed, and a GET
//     that net/http begins to repeat by itself on another connection is stopped
//     and counted as failed, kind [Replayed].
//   - Load goes to this machine and to private networks only: every address is
//     checked when it is dialled.
//   - When the client itself was late it says so in [Report.Warnings].
package loadgen
