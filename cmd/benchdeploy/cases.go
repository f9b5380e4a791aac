package main

import (
	"context"
	"fmt"
	"time"

	"teal/cmd/load/loadgen"
)

// results are one side's.
type results struct{ update, killed, sick, broken result }

// result is what one case showed.
type result struct {
	first time.Duration // from the start to the first request that the new version answered
	alone time.Duration // to the last one that the old version answered, or the new one if it was taken back
	both  time.Duration // how long both versions answered
	over  time.Duration // to when the tool said that it was over
	wrong int64         // requests that a version which is not healthy answered
	share float64       // of the new version in the last seconds, 0 to 1
	sick  time.Duration // from the first failed request to the last one
	sent  int64
	fails bool // it still failed when the watch ended

	failed int64
}

const (
	watch   = 30 * time.Second // how long is looked on after what happened
	recent  = 5 * time.Second  // what "the last seconds" are
	settle  = 2 * time.Second  // so long the old version must be silent
	pollGap = 50 * time.Millisecond
	limit   = 12 * time.Minute // of one case
)

// update is a deployment where all goes well.
func update(ctx context.Context, sd side, g *loadgen.Generator) (result, error) {
	g.Lap()
	began, end, err := sd.deploy(ctx, next)
	if err != nil {
		return result{}, err
	}
	if err := until(ctx, "only the new version answers", func() bool { return silent(g, good) && answered(g, next) }); err != nil {
		return result{}, err
	}
	r := timing(g, began, next)
	r.over, err = over(ctx, began, end)
	return r, err
}

// timing reads off who answered since the start: by when each request was sent.
func timing(g *loadgen.Generator, began time.Time, version string) result {
	seen := g.SinceLap()
	r := result{first: seen[version].FirstSent.Sub(began), alone: seen[good].LastSent.Sub(began)}
	if r.alone > r.first {
		r.both = r.alone - r.first
	}
	return r
}

// killed is a deployment whose tool is killed in the middle.
func killed(ctx context.Context, sd side, g *loadgen.Generator) (result, error) {
	g.Lap()
	began, _, err := sd.deploy(ctx, another)
	if err != nil {
		return result{}, err
	}
	if err := sd.interrupt(ctx); err != nil {
		return result{}, err
	}
	if err := pause(ctx, watch); err != nil {
		return result{}, err
	}
	r := timing(g, began, another)
	g.Lap()
	if err := pause(ctx, recent); err != nil {
		return r, err
	}
	last := g.Lap()
	if n := last[another].Count + last[good].Count; n > 0 {
		r.share = float64(last[another].Count) / float64(n)
	}
	return r, nil
}

// neverHealthy is a deployment of a version that does not get well.
func neverHealthy(ctx context.Context, sd side, g *loadgen.Generator) (result, error) {
	g.Lap()
	began, end, err := sd.deploy(ctx, sick)
	if err != nil {
		return result{}, err
	}
	var r result
	if r.over, err = over(ctx, began, end); err != nil {
		return r, err
	}
	if err := pause(ctx, recent); err != nil {
		return r, err
	}
	seen := g.Lap()[sick]
	if r.wrong = seen.Count; r.wrong > 0 {
		r.first, r.both = seen.FirstSent.Sub(began), seen.LastSent.Sub(seen.FirstSent)
	}
	return r, nil
}

// breaks is a deployment of a version that breaks just after it got the traffic.
func breaks(ctx context.Context, sd side, g *loadgen.Generator) (result, error) {
	before := g.Snapshot().Failed
	if _, _, err := sd.deploy(ctx, relapse); err != nil {
		return result{}, err
	}
	if err := until(ctx, "requests fail", func() bool { return g.Snapshot().Failed > before+5 }); err != nil {
		return result{}, err
	}
	first, last, count := time.Now(), time.Now(), before
	for time.Since(first) < watch {
		if n := g.Snapshot().Failed; n > count {
			last, count = time.Now(), n
		}
		if err := pause(ctx, pollGap); err != nil {
			return result{}, err
		}
	}
	return result{sick: last.Sub(first), fails: time.Since(last) < settle}, nil
}

func answered(g *loadgen.Generator, version string) bool { return g.SinceLap()[version].Count > 0 }

// silent reports that a version has not answered for a while.
func silent(g *loadgen.Generator, version string) bool {
	return time.Since(g.SinceLap()[version].Last) > settle
}

// over waits until the tool says that it is over, and returns how long it took.
func over(ctx context.Context, began time.Time, end func(context.Context) error) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := end(ctx); err != nil {
		return 0, fmt.Errorf("wait for the end of the deployment: %w", err)
	}
	return time.Since(began), nil
}

func until(ctx context.Context, what string, met func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for !met() {
		if err := pause(ctx, pollGap); err != nil {
			return fmt.Errorf("wait until %s: %w", what, err)
		}
	}
	return nil
}

// pause lets time pass, which is what is measured here.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
