package git

import (
	"errors"
	"fmt"
	"net"

	"teal/reconcile"
)

// Reasons why a source cannot be followed. What was accepted before goes on.
const (
	ReasonUnreachable  reconcile.Reason = "SourceUnreachable"  // the server, or the network, did not do its part
	ReasonCredentials  reconcile.Reason = "CredentialsRefused" // the server does not let these credentials in
	ReasonHostKey      reconcile.Reason = "HostKeyRefused"     // the server's key is not one that is known
	ReasonNoRepository reconcile.Reason = "RepositoryMissing"  // there is no such repository, or it is not shown
	ReasonRefGone      reconcile.Reason = "RefMissing"         // branch or tag is not there, or not any more
	ReasonRewritten    reconcile.Reason = "HistoryRewritten"   // the ref does not follow from what was there before
	ReasonNothing      reconcile.Reason = "NothingMatches"     // the path names nothing in the repository
	ReasonUntrusted    reconcile.Reason = "Untrusted"          // the commit or tag is not signed as asked
	ReasonLocal        reconcile.Reason = "SourceFailed"       // this machine did not do its part
)

// FollowError is why a source cannot be followed now.
type FollowError struct {
	Reason  reconcile.Reason
	Message string // one clause
	Hint    string // what to type or look at next
	Err     error
}

// Error returns message and hint.
func (f *FollowError) Error() string {
	if f.Hint == "" {
		return f.Message
	}
	return f.Message + "; " + f.Hint
}

// Unwrap returns the cause.
func (f *FollowError) Unwrap() error { return f.Err }

// faultOf makes any error a fault.
func faultOf(err error) *FollowError {
	if f, ok := errors.AsType[*FollowError](err); ok {
		return f
	}
	return &FollowError{Reason: ReasonLocal, Message: err.Error(), Err: err}
}

// unreachable says that a server did not do its part.
func unreachable(err error) *FollowError {
	return &FollowError{Reason: ReasonUnreachable, Message: cleaned(err.Error()), Err: err}
}

// plain takes out of an error of the network what differs from one try to the
// next, the port of this side.
func plain(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		return fmt.Errorf("%s: %w", op.Op, op.Err)
	}
	return err
}
