// Package machine holds tests of what a machine does to Teal: it is rebooted, its
// disk fills up, its memory ends, and somebody damages the records. They run the
// real program on a host of its own, with a real Docker Engine that they may stop
// and kill, and count what a client of constant rate loses.
package machine
