package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"teal/examples/pennyway/stage"
)

// script is the old way: the CI job runs deploy.sh on the app host over ssh.
type script struct {
	stage *stage.Stage
	full  bool
	job   context.CancelFunc // kills the CI job of the last deployment
}

func (s *script) reset(ctx context.Context) error {
	s.cancel()
	if _, err := s.stage.Apps[0].Run(ctx, "sh", "-c", "docker rm -f was_blue was_green 2>&1 | grep -v 'No such container' || true"); err != nil {
		return err
	}
	return s.stage.Legacy(ctx)
}

func (s *script) cancel() {
	if s.job != nil {
		s.job()
	}
}

func (s *script) deploy(ctx context.Context, version string) (time.Time, func(context.Context) error, error) {
	ctx, s.job = context.WithCancel(ctx)
	tries := "TRIES=3"
	if s.full {
		tries = "TRIES=30"
	}
	cmd := s.stage.Deploy(ctx, version, tries)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return began, nil, fmt.Errorf("start the job: %w", err)
	}
	done := make(chan struct{})
	go func() {
		err := cmd.Wait()
		note("deploy.sh %s ended after %s (%v)", version, time.Since(began).Round(time.Second), err)
		close(done)
	}()
	return began, func(ctx context.Context) error {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}, nil
}

// interrupt cancels the CI job while the script sleeps: ssh ends, and the script
// with it at its next word. Nothing happens by itself after that.
func (s *script) interrupt(ctx context.Context) error {
	const halfway = 15 * time.Second
	if err := pause(ctx, halfway); err != nil {
		return err
	}
	s.cancel()
	return nil
}

// The old colour is stopped about 33 s after the new container was started, which
// listens after 3.
func (s *script) relapsing(ctx context.Context) error {
	return s.stage.Release(ctx, relapse, "START_DELAY=3s", "BREAK=later=40s")
}

// end removes the old set-up from the hosts: containers, volume, nginx's file.
func (s *script) end(ctx context.Context) error {
	s.cancel()
	down := fmt.Sprintf("cd %s && docker-compose down -v", s.stage.LegacyFolder())
	_, err := s.stage.Apps[0].Run(ctx, "sh", "-c", down)
	_, reload := s.stage.Bastion.Run(ctx, "sh", "-c", "rm -f /etc/nginx/conf.d/nginx.conf && nginx -s reload")
	return errors.Join(err, reload)
}

func absolute(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("find teal: %w (make build)", err)
	}
	return path, nil
}
