package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"

	"teal/reconcile"
)

// permanent is a failure that trying again cannot mend.
func permanent(reason reconcile.Reason, format string, args ...any) *reconcile.Failure {
	return &reconcile.Failure{Class: reconcile.Permanent, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// infra is a failure that may be gone later.
func infra(reason reconcile.Reason, format string, args ...any) *reconcile.Failure {
	return &reconcile.Failure{Class: reconcile.Infra, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// words are what the engine says where its status (500) says nothing. They have
// been the same since Docker 1.9; letter case tells an address from a port.
var words = []struct {
	text   string
	reason reconcile.Reason
}{
	{"no space left on device", reconcile.ReasonDiskFull},
	{"disk quota exceeded", reconcile.ReasonDiskFull},
	{"port is already allocated", reconcile.ReasonPortTaken},
	{"address already in use", reconcile.ReasonPortTaken},
	{"Address already in use", reconcile.ReasonAddressTaken},
	{"is ambiguous", reconcile.ReasonEngineUnavailable}, // see findNetwork, which mends it
}

// notItsOwn reports whether a container cannot start because it publishes on an
// address that is none of the host's.
func notItsOwn(err error) bool {
	return strings.Contains(err.Error(), "cannot assign requested address")
}

// halfStarted reports whether an engine that ended in the middle of starting a
// container cannot start it any more: its runtime has a task of that id, or the
// folder of one, that the engine knows nothing of (seen with 20.10, killed and
// stopped).
func halfStarted(err error, id string) bool {
	text := err.Error()
	return strings.Contains(text, "task "+id+": already exists") || strings.Contains(text, id+": file exists")
}

// foreignAddress reports whether a container cannot start because its address is
// of another subnet than its network's: that was made anew, or had a double.
func foreignAddress(err error) bool {
	return strings.Contains(err.Error(), "does not belong to any of this network's subnets")
}

// said returns the reason that the engine's own words give, if they do.
func said(err error) (reconcile.Reason, bool) {
	text := err.Error()
	for _, w := range words {
		if strings.Contains(text, w.text) {
			return w.reason, true
		}
	}
	return "", false
}

// failure classifies an error of the engine.
func failure(err error) *reconcile.Failure {
	if known, ok := errors.AsType[*reconcile.Failure](err); ok {
		return known
	}
	if reason, ok := said(err); ok {
		return infra(reason, "%v", err)
	}
	switch {
	case unanswered(err):
		return infra(reconcile.ReasonEngineUnavailable, "%v", err)
	case errdefs.IsInvalidArgument(err), errdefs.IsPermissionDenied(err), errdefs.IsUnauthorized(err), errdefs.IsNotImplemented(err):
		return permanent(reconcile.ReasonEngineRefused, "%v", err)
	}
	return infra(reconcile.ReasonEngineUnavailable, "%v", err)
}

// unanswered reports whether err means that no answer came from the engine, so
// that the outcome of what was asked is unknown.
func unanswered(err error) bool {
	return client.IsErrConnectionFailed(err) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}
