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
	var all time.Time
	err := d.trial.Until(ctx, version+" alone answers", func() (bool, error) {
		var done bool
		all, done = onlyVersion(d.client.SinceLap(), version, time.Now())
		return done, nil
	})
	if err != nil {
		return err
	}
	d.out.say("%s has all traffic, %.2f s later", version, all.Sub(edited).Seconds())
	return nil
}

// settled is how long no other version may have answered.
const settled = 200 * time.Millisecond

// onlyVersion reports since when every request was answered by version, and
// whether that was long enough before now to believe it.
func onlyVersion(seen map[string]loadgen.Seen, version string, now time.Time) (time.Time, bool) {
	mine, ok := seen[version]
	if !ok {
		return time.Time{}, false
	}
	since := mine.FirstSent
	for v, s := range seen {
		if v != version && s.LastSent.After(since) {
			since = s.LastSent
		}
	}
	return since, now.Sub(since) > settled && mine.LastSent.After(since)
}
