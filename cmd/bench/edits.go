package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"teal/cmd/load/loadgen"
)

// watchRate is how many requests per second watch for the new version. It
// limits how exactly the moment is known: 5 ms.
const watchRate = 200

// ingress is the network that the containers of a routed app are created on.
const ingress = "teal-ingress"

// edits measures from a saved edit to all traffic on the new version.
func (b *bench) edits(ctx context.Context) error {
	var rows [][]string
	for _, delay := range []time.Duration{0, time.Second, 3 * time.Second} {
		row, err := b.editsOf(ctx, delay)
		if err != nil {
			return fmt.Errorf("start-up of %s: %w", delay, err)
		}
		rows = append(rows, row)
	}
	b.print("From a saved edit to all traffic on the new version (%d edits each, default health settings):\n", b.runs)
	b.table([]string{"app's start-up", "edit → traffic", "of it create + start, beside it", "of it Teal: median", "min", "max"}, rows)
	return nil
}

func (b *bench) editsOf(ctx context.Context, delay time.Duration) ([]string, error) {
	w := wish{version: 1, env: map[string]string{"START_DELAY": delay.String()}, upgraded: time.Second}
	if err := b.fresh(ctx, w.String()); err != nil {
		return nil, err
	}
	client, err := loadgen.New(ctx, loadgen.Config{URL: "http://" + b.trial.Listen + "/", Rate: watchRate})
	if err != nil {
		return nil, err
	}
	client.Start(ctx)
	defer client.Stop()
	var totals, engines, ours []time.Duration
	for range b.runs {
		w.version++
		edited, switched, err := b.oneEdit(ctx, client, w)
		if err != nil {
			return nil, err
		}
		total := switched.Sub(edited)
		engine, err := b.engine.StartUp(ctx, image, ingress, purpose)
		if err != nil {
			return nil, err
		}
		note("start-up %s, edit %d: %s, create + start %s", delay, w.version-1, ms(total), ms(engine))
		totals, engines = append(totals, total), append(engines, engine)
		ours = append(ours, total-delay-engine)
	}
	if r := client.Stop(); r.Failed > 0 {
		return nil, fmt.Errorf("requests were lost:\n%s", r)
	}
	return []string{
		delay.String(), ms(median(totals)), ms(median(engines)),
		"**" + ms(median(ours)) + "**", ms(slices.Min(ours)), ms(slices.Max(ours)),
	}, nil
}

// oneEdit saves w, waits until it has all traffic and all is settled, and
// returns when it was saved and when it had all traffic.
func (b *bench) oneEdit(ctx context.Context, client *loadgen.Generator, w wish) (edited, switched time.Time, err error) {
	client.Lap()
	if edited, err = b.trial.Edit(w.String()); err != nil {
		return edited, switched, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if switched, err = b.trial.Traffic(ctx, client, strconv.Itoa(w.version)); err != nil {
		return edited, switched, err
	}
	return edited, switched, b.quiet(ctx)
}

func median[N ~int64 | ~float64](all []N) N {
	sorted := slices.Sorted(slices.Values(all))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

func ms(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + " ms" }
