// Package ssh keeps one ssh connection to a host and carries everything over
// it: connections to sockets and ports of that host, and commands.
//
// It promises that a host's key is believed only if a known_hosts file has it,
// on every hop; that however many callers there are, at most one connection to
// a host exists or is being made; that a connection which stopped answering is
// given up within the keepalive's limit and made anew for the next caller; and
// that no private key, passphrase or command ends up in a log.
package ssh
