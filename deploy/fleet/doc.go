// Package fleet makes several Docker Engines one: it implements the
// controller's port of that name over hosts that are reached by a local socket,
// by TCP with mutual TLS, or over ssh.
//
// It promises that a host is only asked about an app that is placed on it or
// had containers on it; that a host which hangs keeps nobody waiting who does
// not need it, and those who do at most its limit, once; that a host which does
// not answer is never taken for an empty one; and that every error names its
// host. With a single host it is that host's engine and nothing more.
package fleet
