// Package docker is the Docker Engine's side of Teal: it observes the
// containers that are ours by label and performs the steps that were decided
// elsewhere. It decides nothing by itself.
//
// It promises that every effect may be repeated and asked for again after any
// crash; that a container, network or volume without our labels is never
// changed, but for an adopted container, which is stopped when a step says so;
// that every call has a time limit; and that a failure names the host and says
// whether trying again can help. A cancelled call has an unknown outcome, and so every
// effect begins by looking.
//
// Engines with API 1.41 (Docker 20.10) and newer are served by the same code;
// the version is negotiated, anew after every lost connection.
package docker
