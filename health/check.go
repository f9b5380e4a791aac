package health

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"time"
	"unicode"

	"teal/reconcile"
	"teal/spec"
)

// verdict is what one probe says about a container.
type verdict int

const (
	unknown  verdict = iota // nothing: the fault is on our side
	passed                  // it works
	failed                  // it does not
	starting                // it says itself that it is not up yet: no success, and no failure
)

// String returns the word for v.
func (v verdict) String() string {
	switch v {
	case unknown:
		return "unknown"
	case passed:
		return "passed"
	case failed:
		return "failed"
	case starting:
		return "starting"
	}
	return "?"
}

// outcome is what came of one probe.
type outcome struct {
	verdict verdict
	words   string // "GET /health → 503"
}

// check makes one probe. It ends when ctx does.
type check func(ctx context.Context) outcome

// within makes one probe that takes no longer than timeout.
func (c check) within(ctx context.Context, timeout time.Duration) outcome {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, wordsError("timed out after "+timeout.String()))
	defer cancel()
	return c(ctx)
}

// wordsError is an error in our own words: they may be shown.
type wordsError string

func (e wordsError) Error() string { return string(e) }

// newCheck returns the probe that want asks for.
func (p *Prober) newCheck(want reconcile.ProbeTarget) check {
	switch want.Health.Kind {
	case spec.HealthHTTP:
		return newHTTPCheck(p.opts.Dial, want.Address, want.Health)
	case spec.HealthTCP:
		return newTCPCheck(p.opts.Dial, want.Address)
	case spec.HealthDocker:
		return newDockerCheck(p.opts.Docker, want.Container)
	}
	return always(outcome{failed, "no probe of kind " + string(want.Health.Kind)})
}

// always is a check whose outcome is known without asking.
func always(out outcome) check {
	return func(context.Context) outcome { return out }
}

// ours are errors of this host: the container was not asked.
var ours = []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL}

// refusals are errors that say something about the container, in our words.
var refusals = []struct {
	err   error
	words string
}{
	{syscall.ECONNREFUSED, "connection refused"},
	{syscall.ECONNRESET, "connection reset"},
	{syscall.EPIPE, "connection reset"},
	{syscall.ECONNABORTED, "connection reset"},
	{syscall.EHOSTUNREACH, "no route to host"},
	{syscall.ENETUNREACH, "network is unreachable"},
	{syscall.ETIMEDOUT, "connection timed out"},
	{io.EOF, "connection closed without an answer"},
	{io.ErrUnexpectedEOF, "connection closed in the middle of the answer"},
}

// refused turns an error of a probe into its outcome. The words never contain
// the error's own text, which may quote what was sent and what was answered;
// otherwise is for what is not known here.
func refused(ctx context.Context, what string, err error, otherwise string) outcome {
	var own wordsError
	if errors.As(context.Cause(ctx), &own) || errors.As(err, &own) {
		return outcome{failed, what + string(own)}
	}
	for _, fault := range ours {
		if errors.Is(err, fault) {
			return outcome{unknown, what + "not probed: " + fault.Error()}
		}
	}
	for _, r := range refusals {
		if errors.Is(err, r.err) {
			return outcome{failed, what + r.words}
		}
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return outcome{failed, what + "no such host"}
	}
	return outcome{failed, what + otherwise}
}

// maxWords is the length of a quotation, in bytes.
const maxWords = 200

// quote makes text of unknown origin one short line.
func quote(text string) string {
	text = strings.ToValidUTF8(text, "?")
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	text = strings.TrimSpace(text)
	if len(text) <= maxWords {
		return text
	}
	return strings.ToValidUTF8(text[:maxWords-len("…")], "") + "…"
}
