package api

import (
	"errors"
	"net/http"
	"strings"
)

// Reason is a short constant word for why a request was refused.
type Reason string

// Reasons of refusals, with the HTTP status each is sent as.
const (
	ReasonInvalid         Reason = "Invalid"         // 400: the request is malformed or the project is not acceptable
	ReasonUnauthenticated Reason = "Unauthenticated" // 401: no token, or none that is good here
	ReasonForbidden       Reason = "Forbidden"       // 403: the token's role may not do this
	ReasonUnknownApp      Reason = "UnknownApp"      // 404
	ReasonUnknownRollout  Reason = "UnknownRollout"  // 404
	ReasonUnknownToken    Reason = "UnknownCommand"  // 404
	ReasonUnknownSource   Reason = "UnknownSource"   // 404
	ReasonUnknownPath     Reason = "UnknownPath"     // 404: client and controller differ in version
	ReasonStale           Reason = "StaleRollout"    // 409: the rollout that was meant is not the present one
	ReasonNotNow          Reason = "NotApplicable"   // 409: the verb does not apply to how things are
	ReasonWatched         Reason = "WatchedSource"   // 409: a watched file says what this project is
	ReasonTooLarge        Reason = "TooLarge"        // 413
	ReasonTooMany         Reason = "TooManyAttempts" // 429: too many failed attempts of one address
	ReasonUnavailable     Reason = "Unavailable"     // 503: starting, stopping, or the engine is away
	ReasonTimeout         Reason = "Timeout"         // 504: it took longer than a request may
	ReasonInternal        Reason = "Internal"        // 500
)

// Error is a refusal: what was wrong, why, and what to do next. It is the body
// of every answer that is not a success.
type Error struct {
	Message string   `json:"error"` // one sentence without a full stop
	Reason  Reason   `json:"reason"`
	Hint    string   `json:"hint,omitempty"`    // what to type next
	Details []string `json:"details,omitempty"` // one problem each
}

// Error returns the message and the details, for logs.
func (e *Error) Error() string {
	if len(e.Details) == 0 {
		return e.Message
	}
	return e.Message + ": " + strings.Join(e.Details, "; ")
}

// Status returns the HTTP status code that e is sent with.
func (e *Error) Status() int {
	switch e.Reason {
	case ReasonInvalid:
		return http.StatusBadRequest
	case ReasonUnauthenticated:
		return http.StatusUnauthorized
	case ReasonForbidden:
		return http.StatusForbidden
	case ReasonTooMany:
		return http.StatusTooManyRequests
	case ReasonUnknownApp, ReasonUnknownRollout, ReasonUnknownToken, ReasonUnknownSource, ReasonUnknownPath:
		return http.StatusNotFound
	case ReasonStale, ReasonNotNow, ReasonWatched:
		return http.StatusConflict
	case ReasonTooLarge:
		return http.StatusRequestEntityTooLarge
	case ReasonUnavailable:
		return http.StatusServiceUnavailable
	case ReasonTimeout:
		return http.StatusGatewayTimeout
	case ReasonInternal:
	}
	return http.StatusInternalServerError
}

// IsReason reports whether err is, or wraps, an [Error] with the given reason.
func IsReason(err error, reason Reason) bool {
	var e *Error
	return errors.As(err, &e) && e.Reason == reason
}

// ErrUnreachable says that no controller answers where it was looked for. It is
// wrapped with the place and the system's words.
var ErrUnreachable = errors.New("controller not reachable")
