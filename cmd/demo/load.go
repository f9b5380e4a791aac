package main

import (
	"context"
	"fmt"
	"time"

	"teal/cmd/load/loadgen"
)

// rate is how many requests per second the demo's client sends.
const rate = 200

// load starts the client that counts.
func (d *demo) load(ctx context.Context) error {
	g, err := loadgen.New(ctx, loadgen.Config{URL: d.url(), Rate: rate})
	if err != nil {
		return fmt.Errorf("make the load client: %w", err)
	}
	d.client = g
	g.Start(ctx)
	d.out.say("a client sends %d requests/s from now on: open loop, half POST, kept connections, nothing repeated", rate)
	return nil
}

// traffic waits until version alone answers, counted from the client's last
// lap, and prints how long after the edit that was.
func (d *demo) traffic(ctx context.Context, version string, edited time.Time) error {
	all, err := d.trial.Traffic(ctx, d.client, version)
	if err != nil {
		return err
	}
	d.out.say("%s has all traffic, %.2f s later", version, all.Sub(edited).Seconds())
	return nil
}
