package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"teal/cmd/teal/internal/view"
	"teal/controller/api"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitBadInput    = 2
	exitTimeout     = 3
	exitUnreachable = 4
)

// failure is an error with an exit code and what to type next.
type failure struct {
	code    int
	message string // one sentence without a full stop; empty: all was said already
	details []string
	hint    string
}

// Error returns the message.
func (f *failure) Error() string { return f.message }

func badInput(hint, format string, args ...any) *failure {
	return &failure{code: exitBadInput, message: fmt.Sprintf(format, args...), hint: hint}
}

// report tells err to people and returns the exit code.
func (p *program) report(err error) int {
	if err == nil {
		return exitDone
	}
	f := p.classify(err)
	out := ""
	if f.message != "" {
		out = "teal: " + view.Clean(f.message) + "\n"
	}
	for _, d := range f.details {
		out += "  " + view.Clean(d) + "\n"
	}
	if f.hint != "" {
		out += "  → " + view.Clean(f.hint) + "\n"
	}
	if _, err := fmt.Fprint(p.Stderr, out); err != nil {
		return max(f.code, exitFailed)
	}
	return f.code
}

// classify finds the exit code and the words for any error.
func (p *program) classify(err error) *failure {
	var f *failure
	var refused *api.Error
	var did *worked
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &refused):
		return &failure{code: refusedCode(refused.Reason), message: refused.Message, details: refused.Details, hint: refused.Hint}
	case errors.Is(err, api.ErrUnreachable):
		return p.unreachable(err)
	case isUntrusted(err):
		return &failure{code: exitFailed, message: err.Error(), hint: "--ca FILE (TEAL_CA) names the certificate of who signed it"}
	case errors.Is(err, context.DeadlineExceeded):
		return &failure{code: exitTimeout, message: "timed out: " + err.Error(), hint: "teal status"}
	case errors.Is(err, context.Canceled):
		return &failure{code: exitFailed, message: "interrupted; the controller goes on by itself", hint: "teal status"}
	case errors.As(err, &did):
		return &failure{code: exitFailed, message: err.Error()}
	}
	return &failure{code: exitBadInput, message: err.Error(), hint: "teal --help"}
}

func refusedCode(r api.Reason) int {
	switch r {
	case api.ReasonInvalid, api.ReasonUnknownApp, api.ReasonUnknownRollout, api.ReasonUnknownSource, api.ReasonTooLarge, api.ReasonWatched:
		return exitBadInput
	case api.ReasonTimeout:
		return exitTimeout
	case api.ReasonUnavailable:
		return exitUnreachable
	case api.ReasonStale, api.ReasonNotNow, api.ReasonUnknownPath, api.ReasonUnknownToken, api.ReasonInternal,
		api.ReasonUnauthenticated, api.ReasonForbidden, api.ReasonTooMany:
	}
	return exitFailed
}

func (p *program) unreachable(err error) *failure {
	f := &failure{code: exitUnreachable, message: err.Error(), hint: "start it: teal run -f compose.yaml   or name its socket: --socket PATH"}
	if p.serverURL() != "" {
		f.hint = "look there: teal run --api ADDRESS listens only when it is told to"
		return f
	}
	if errors.Is(err, fs.ErrPermission) {
		f.hint = "the socket belongs to another user: run this as the one that runs teal run"
	}
	return f
}

// noSuchVerb refuses arguments of teal itself: they are mistyped verbs.
func (p *program) noSuchVerb(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range root.Commands() {
		names = append(names, c.Name())
	}
	if near := nearest(args[0], names); near != "" {
		return badInput("teal "+near, "there is no verb %q", args[0])
	}
	return badInput("teal --help", "there is no verb %q", args[0])
}

// flagMistake adds the nearest flag to cobra's words.
func flagMistake(c *cobra.Command, err error) error {
	hint := strings.TrimSpace(c.CommandPath() + " --help")
	if missing, ok := errors.AsType[*pflag.NotExistError](err); ok {
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := nearest(missing.GetSpecifiedName(), names); near != "" {
			hint = c.CommandPath() + " --" + near
		}
	}
	return badInput(hint, "%v", err)
}

// nearest returns the name that was probably meant, or "".
func nearest(typed string, names []string) string {
	best, least := "", max(2, len(typed)/3)+1
	for _, n := range names {
		if len(typed) > 2 && strings.HasPrefix(n, strings.ToLower(typed)) {
			return n
		}
		if d := levenshtein.ComputeDistance(strings.ToLower(typed), n); d < least {
			best, least = n, d
		}
	}
	return best
}
