package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// driveConnections is how many kept connections send as fast as they are
// answered.
const driveConnections = 64

// drive sends n requests, every second one a POST, and returns how long that
// took. Any request that is not answered with 200 is an error.
func drive(ctx context.Context, url string, n int64) (time.Duration, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	client := &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: driveConnections, MaxConnsPerHost: driveConnections},
		Timeout:   30 * time.Second,
	}
	defer client.CloseIdleConnections()
	var next atomic.Int64
	var work sync.WaitGroup
	began := time.Now()
	for range driveConnections {
		work.Go(func() {
			for ctx.Err() == nil {
				i := next.Add(1)
				if i > n {
					return
				}
				if err := one(ctx, client, url, i%2 == 0); err != nil {
					cancel(err)
				}
			}
		})
	}
	work.Wait()
	if err := context.Cause(ctx); err != nil {
		return 0, fmt.Errorf("send requests: %w", err)
	}
	return time.Since(began), nil
}

var errStatus = errors.New("answered with another status than 200")

func one(ctx context.Context, client *http.Client, url string, post bool) error {
	method, body := http.MethodGet, io.Reader(nil)
	if post {
		method, body = http.MethodPost, strings.NewReader("hello")
	}
	req, err := http.NewRequestWithContext(ctx, method, url+"health", body)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	err = errors.Join(err, resp.Body.Close())
	if resp.StatusCode != http.StatusOK {
		err = errors.Join(err, errStatus)
	}
	return err
}
