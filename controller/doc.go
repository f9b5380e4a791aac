// Package controller says when: it keeps the queue of apps to look at, runs the
// passes, listens to the engine, the prober, the watched files and the
// operators, and carries out what package reconcile decides.
//
// It promises that at most one pass of an app is under way at any time; that a
// decision is stored before any of its effects begins; that a pass over a
// settled world writes nothing; that only a read back of the proxy is believed;
// that a side which does not answer is never taken for an empty one; and that
// nothing of an operator's app is touched when the controller starts, stops,
// or meets input that it does not understand. It imports the adapters through
// the interfaces of ports.go only.
package controller
