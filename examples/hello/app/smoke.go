package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

const smokeLimit = 5 * time.Second

// smoke checks a running app from outside, as a one-shot test would: its
// health, its page, and that it reads a body. The URL is the argument, or
// TEAL_URL, which Teal sets for a test container.
func smoke(args []string) error {
	base := os.Getenv("TEAL_URL")
	if len(args) > 0 {
		base = args[0]
	}
	if base == "" {
		return errors.New("smoke: want a URL as argument or in TEAL_URL")
	}
	base = strings.TrimSuffix(base, "/")
	ctx, cancel := context.WithTimeout(context.Background(), smokeLimit)
	defer cancel()
	if _, err := ask(ctx, http.MethodGet, base+"/health", ""); err != nil {
		return err
	}
	body, err := ask(ctx, http.MethodGet, base+"/", "")
	if err != nil {
		return err
	}
	var shown struct {
		Version string `json:"version"`
		Bytes   int    `json:"bytes"`
	}
	if err := json.Unmarshal(body, &shown); err != nil {
		return fmt.Errorf("GET %s/: %w", base, err)
	}
	const sent = "a small body"
	if body, err = ask(ctx, http.MethodPost, base+"/echo", sent); err != nil {
		return err
	}
	if err := json.Unmarshal(body, &shown); err != nil {
		return fmt.Errorf("POST %s/echo: %w", base, err)
	}
	if shown.Bytes != len(sent) {
		return fmt.Errorf("POST %s/echo: sent %d bytes, the app read %d", base, len(sent), shown.Bytes)
	}
	fmt.Printf("ok: %s is version %s\n", base, shown.Version)
	return nil
}

func ask(ctx context.Context, method, url, body string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, url, err)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, url, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: answered %s: %s", method, url, resp.Status, strings.TrimSpace(string(answer)))
	}
	return answer, nil
}
