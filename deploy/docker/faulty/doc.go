// Package faulty is a proxy in front of a Docker Engine's socket, for tests: it
// passes every call on, and does to some of them what a bad day does.
//
// It promises:
//   - A call is known by the name of the client's method that makes it
//     ([CallOf]), and its test fails when Teal uses a method that has no name here.
//   - A fault hits as many calls as it was told and no more; who was hit is counted.
//   - A call without a fault is passed on as it is: streams, uploads and hijacked
//     connections included.
package faulty
