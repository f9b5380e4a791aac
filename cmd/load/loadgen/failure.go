package loadgen

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"
)

// Kind says in one word how a request failed.
type Kind string

// Kinds of failures.
const (
	Refused   Kind = "refused"   // no connection could be made
	Reset     Kind = "reset"     // the connection was reset or broke while writing
	Closed    Kind = "closed"    // the connection ended before the answer was complete
	TimedOut  Kind = "timeout"   // no complete answer within the limit
	Status    Kind = "status"    // answered, but not with 2xx
	Replayed  Kind = "replayed"  // net/http was about to send it a second time
	Saturated Kind = "saturated" // not sent: too many were under way
	Other     Kind = "other"
)

// Failure is one failed request, kept word for word.
type Failure struct {
	At      time.Time `json:"at"` // when it was seen
	Due     time.Time `json:"due"`
	Method  string    `json:"method"`
	Kind    Kind      `json:"kind"`
	Text    string    `json:"text"`
	Version string    `json:"version,omitempty"` // that answered, if one did
}

var errReplayed = errors.New("net/http began to repeat the request on another connection")

// kindOf sorts an error of the transport; connected says whether a connection
// was there. Some errors of net/http for a connection that the server closed are
// not exported, so that what is left over then counts as [Closed].
func kindOf(err error, connected bool) Kind {
	var timeout net.Error
	var op *net.OpError
	switch {
	case errors.Is(err, errReplayed):
		return Replayed
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return TimedOut
	case errors.As(err, &op) && op.Op == "dial":
		return Refused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Reset
	case connected:
		return Closed
	}
	return Other
}
