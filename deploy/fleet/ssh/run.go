package ssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/ssh"
)

// maxOutput is how much each output of a command may write, in bytes.
const maxOutput = 64 << 20

// ExitError says that a command ended with another status than 0.
type ExitError struct {
	Status int    // 255 if a signal ended it
	Signal string // the signal's name, if one did
	Stderr []byte
}

// Error tells the status and what was written to standard error.
func (e *ExitError) Error() string {
	what := fmt.Sprintf("exit status %d", e.Status)
	if e.Signal != "" {
		what = "ended by signal " + e.Signal
	}
	if text := bytes.TrimSpace(e.Stderr); len(text) > 0 {
		what += ": " + string(text)
	}
	return what
}

// Run runs a command line with the account's shell and returns what it wrote.
// An exit status other than 0 is an [*ExitError]. At most eight commands run at
// once, others wait. When ctx ends, the command's channel is closed; whether it
// goes on there is not known.
func (c *Client) Run(ctx context.Context, command string, stdin io.Reader) (stdout, stderr []byte, err error) {
	l, err := c.connected(ctx)
	if err != nil {
		return nil, nil, err
	}
	select {
	case l.sessions <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("%s: wait for other commands: %w", c, ctx.Err())
	}
	done := make(chan result, 1)
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		<-l.sessions
		return nil, nil, fmt.Errorf("%s: %w", c, ErrClosed)
	}
	c.running.Go(func() { // opening a session knows no context
		defer func() { <-l.sessions }()
		done <- l.run(ctx, command, stdin)
	})
	c.mu.Unlock()
	select {
	case r := <-done:
		if r.err != nil {
			r.err = fmt.Errorf("%s: run a command: %w", c, r.err)
		}
		return r.stdout, r.stderr, r.err
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("%s: run a command: %w", c, ctx.Err())
	}
}

type result struct {
	stdout, stderr []byte
	err            error
}

func (l *link) run(ctx context.Context, command string, stdin io.Reader) result {
	session, err := l.last().NewSession()
	if err != nil {
		return result{err: fmt.Errorf("open a session: %w", err)}
	}
	defer func() { _ = session.Close() }() // the other side has closed it when all went well
	stop := context.AfterFunc(ctx, func() { _ = session.Close() })
	defer stop()
	out, errs := &limited{left: maxOutput}, &limited{left: maxOutput}
	session.Stdin, session.Stdout, session.Stderr = stdin, out, errs
	err = session.Run(command)
	r := result{stdout: out.kept.Bytes(), stderr: errs.kept.Bytes(), err: err}
	if exit, ok := errors.AsType[*ssh.ExitError](err); ok {
		r.err = &ExitError{Status: exit.ExitStatus(), Signal: exit.Signal(), Stderr: r.stderr}
	}
	return r
}

// limited keeps what is written to it, up to a limit.
type limited struct {
	kept bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if len(p) > l.left {
		return 0, errors.New("the command wrote too much")
	}
	l.left -= len(p)
	return l.kept.Write(p)
}
