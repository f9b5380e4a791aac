package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	upLimit  = time.Minute // how long a program may take until it answers
	endLimit = time.Minute // how long it may take to end
)

// service is a program of a host that runs until it is stopped.
type service struct {
	name  string
	log   string // path of what it wrote
	pid   int    // of nsenter, which waits for it outside the host
	ended chan struct{}
}

// serve starts argv on the host as a service and returns once ready returns nil.
// What it writes goes to NAME.log in the host's folder.
func (h *Host) serve(ctx context.Context, name string, ready func(context.Context) error, argv ...string) error {
	s := &service{name: name, log: filepath.Join(h.folder, name+".log"), ended: make(chan struct{})}
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	cmd := h.holder.command(context.WithoutCancel(ctx), argv...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := errors.Join(cmd.Start(), log.Close()); err != nil {
		return err
	}
	s.pid = cmd.Process.Pid
	go func() {
		_ = cmd.Wait() // services are ended by signals: the log says the rest
		close(s.ended)
	}()
	h.mu.Lock()
	h.services = append(h.services, s)
	h.mu.Unlock()
	err = until(ctx, upLimit, func() error {
		if s.over() {
			return nil
		}
		return ready(ctx)
	})
	if err == nil && s.over() {
		err = errors.New("it ended by itself")
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, s.lastWords())
	}
	return nil
}

func (s *service) over() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// await waits until the service has ended.
func (s *service) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, endLimit)
	defer cancel()
	select {
	case <-s.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %s", ctx.Err(), s.lastWords())
	}
}

// lastWords are the end of its log.
func (s *service) lastWords() string {
	const most = 1500
	text, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	return trimmed(text[max(0, len(text)-most):])
}
