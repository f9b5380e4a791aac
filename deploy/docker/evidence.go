package docker

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/containerd/errdefs"

	"teal/reconcile"
	"teal/spec"
)

// What is kept of a container's output.
const (
	evidenceLines = 50
	evidenceWidth = 1 << 10 // bytes of one line
	evidenceBytes = 4 << 20 // bytes read at most, to find the last lines in
)

// evidence collects what is left of containers before they are removed. A
// container that is gone already is reported as such.
func (e *Engine) evidence(ctx context.Context, step reconcile.Step) (*reconcile.Evidence, error) {
	out := &reconcile.Evidence{At: time.Now()}
	for _, id := range step.Containers {
		found, err := e.inspect(ctx, id)
		if errdefs.IsNotFound(err) {
			out.Containers = append(out.Containers, reconcile.ContainerEvidence{Name: id, State: "removed"})
			continue
		}
		if err != nil {
			return nil, err
		}
		lines := e.lastLines(ctx, found.ID)
		c := reconcile.ContainerEvidence{
			Name:  strings.TrimPrefix(found.Name, "/"),
			State: found.State.Status, ExitCode: found.State.ExitCode,
			OOMKilled: found.State.OOMKilled, Restarts: found.RestartCount,
		}
		if found.Config.Labels[spec.LabelRole] == spec.RoleTest {
			out.Test = lines
		} else {
			c.Logs = lines
		}
		out.Containers = append(out.Containers, c)
	}
	return out, nil
}

// lastLines returns the last lines of a container. That they cannot be read (a
// log driver that only writes) is evidence too, and no reason to keep a failed
// container.
func (e *Engine) lastLines(ctx context.Context, id string) []string {
	out := &bounded{left: evidenceBytes}
	if err := e.logs(ctx, id, evidenceLines, false, out); err != nil && !errors.Is(err, errEnough) {
		return []string{"(the log could not be read: " + printable(err.Error()) + ")"}
	}
	return tidy(out.kept.String())
}

// errEnough ends the reading of a log that has too long lines.
var errEnough = errors.New("enough was read")

// bounded keeps the first bytes written to it and refuses the rest.
type bounded struct {
	kept bytes.Buffer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	n := min(len(p), b.left)
	b.left -= n
	b.kept.Write(p[:n])
	if n < len(p) {
		return n, errEnough
	}
	return n, nil
}

// tidy returns the last lines of text, each bounded and printable.
func tidy(text string) []string {
	text = strings.TrimRight(text, "\r\n")
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	lines = lines[max(0, len(lines)-evidenceLines):]
	for i, line := range lines {
		lines[i] = printable(line)
	}
	return lines
}

// printable removes control characters, so that a log cannot write to an
// operator's terminal, and bounds the length.
func printable(line string) string {
	line = strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, line)
	if len(line) <= evidenceWidth {
		return line
	}
	cut := evidenceWidth - len("…")
	for !utf8.RuneStart(line[cut]) {
		cut--
	}
	return line[:cut] + "…"
}
