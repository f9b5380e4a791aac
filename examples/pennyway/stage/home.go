package stage

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// home is the example's folder.
func home(ctx context.Context) (string, error) {
	root, err := module(ctx)
	return filepath.Join(root, "examples", "pennyway"), err
}

// module is the root of the repository.
func module(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

const (
	answerLimit = 2 * time.Minute
	pollEvery   = 50 * time.Millisecond
)

// Answers waits until version answers through the bastion, at most two minutes.
func (s *Stage) Answers(ctx context.Context, version string) error {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		got, err := s.version(ctx)
		if err == nil && got == version {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for version %s at %s: %w (last: version %q, %w)", version, s.URL(), ctx.Err(), got, err)
		case <-tick.C:
		}
	}
}

// version asks once, on a connection of its own.
func (s *Stage) version(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL(), nil)
	if err != nil {
		return "", err
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %s", resp.Status)
	}
	return resp.Header.Get("Version"), nil
}
