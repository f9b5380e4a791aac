// Package access decides who may speak to the API over the network: tokens, what
// they may do, and the listener they come through. The unix socket needs none of
// it: its file mode says who may.
//
// It promises that a token is random (256 bits), is shown once and kept only as
// its SHA-256; that it is compared in constant time; that a token taken away or
// run out ends what it is used for within a second; that failed attempts of one
// address are slowed down and logged without what was tried; and that nothing
// but loopback is spoken to without TLS.
package access
