package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"teal/cmd/load/loadgen"
)

const (
	// rushLength is how long one round of requests as fast as possible takes.
	rushLength = 4 * time.Second
	// steadyRate and steadyLength are the rounds that the latency is read from.
	steadyRate   = 1000
	steadyLength = 5 * time.Second
)

// contestant is one of the proxies that are compared, and what was measured.
type contestant struct {
	name string
	url  string
	pids func() ([]int, error) // of its processes
	cpu  []time.Duration       // per request, by round
	rps  []float64             // by round
	p99  []time.Duration       // by round
	lost int64                 // requests at the steady rate that failed, in all
}

// proxies compares what one request costs through plain nginx, nginx driven by
// Teal, and Teal's default proxy, in front of the same container.
func (b *bench) proxies(ctx context.Context) (err error) {
	if err := b.fresh(ctx, wish{version: 1, upgraded: time.Second}.String()); err != nil {
		return err
	}
	app, embedded, err := b.containers(ctx)
	if err != nil {
		return err
	}
	target := net.JoinHostPort(app.Address, "8080")
	all, stop, err := nginxes(ctx, target)
	defer func() { err = errors.Join(err, stop()) }()
	if err != nil {
		return err
	}
	all = append(all, &contestant{
		name: "Teal's default proxy", url: "http://" + b.trial.Listen + "/", pids: func() ([]int, error) { return []int{embedded.PID}, nil },
	})
	for _, c := range all { // warm up
		if _, err := hurry(ctx, c.url, time.Second); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	for range proxyRounds {
		for _, c := range all {
			if err := c.round(ctx); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	b.compared(all)
	return nil
}

// nginxes starts the nginx that are compared. stop is never nil.
// The table is of processes of this machine: how an engine keeps the files of
// containers would be in it otherwise.
func nginxes(ctx context.Context, target string) (all []*contestant, stop func() error, err error) {
	var stops []func() error
	stop = func() error {
		var errs []error
		for _, f := range slices.Backward(stops) {
			errs = append(errs, f())
		}
		return errors.Join(errs...)
	}
	begin := func(name, title string, serve func(*server) error) error {
		s, err := startProcess(ctx, name)
		if err != nil {
			return err
		}
		stops = append(stops, s.stop)
		all = append(all, &contestant{name: title, url: "http://" + s.address + "/", pids: func() ([]int, error) { return family(s.pid) }})
		return serve(s)
	}
	for _, k := range []struct {
		name, title string
		set         plainSettings
	}{
		{"alone", "plain nginx, proxy_pass alone", alone},
		{"kept", "plain nginx, kept connections to the app", kept},
		{"logged", "the same with an access log in a file", logged},
	} {
		if err == nil {
			err = begin(k.name, k.title, func(s *server) error { return s.plain(ctx, target, k.set) })
		}
	}
	if err == nil {
		err = begin("driven", "nginx driven by Teal", func(s *server) error {
			d, err := s.drive(ctx)
			if err != nil {
				return err
			}
			stops = append(stops, d.stop)
			return d.serve(ctx, target, "", 0)
		})
	}
	return all, stop, err
}

// round measures the contestant once, at full speed and at a steady rate.
func (c *contestant) round(ctx context.Context) error {
	pids, err := c.pids()
	if err != nil {
		return err
	}
	before, err := cpuOf(pids)
	if err != nil {
		return err
	}
	r, err := hurry(ctx, c.url, rushLength)
	if err != nil {
		return err
	}
	after, err := cpuOf(pids)
	if err != nil {
		return err
	}
	p99, lost, err := steady(ctx, c.url)
	if err != nil {
		return err
	}
	c.lost += lost
	c.cpu = append(c.cpu, (after-before)/time.Duration(r.requests))
	c.rps, c.p99 = append(c.rps, r.perSec), append(c.p99, p99)
	note("%s: %.0f requests/s, %s CPU per request, p99 %s at %d requests/s", c.name, r.perSec, c.cpu[len(c.cpu)-1], p99, steadyRate)
	return nil
}

// steady sends requests at a steady rate and returns their p99 and how many
// failed: a plain proxy may run out of ports on a busy machine.
func steady(ctx context.Context, url string) (p99 time.Duration, lost int64, err error) {
	client, err := loadgen.New(ctx, loadgen.Config{URL: url, Rate: steadyRate, Connections: driveConnections})
	if err != nil {
		return 0, 0, err
	}
	client.Start(ctx)
	defer client.Stop()
	over := time.NewTimer(steadyLength)
	defer over.Stop()
	select {
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	case <-over.C:
	}
	r := client.Stop()
	return r.Latency.P99, r.Failed, nil
}

// compared prints the table; ratios are taken round by round.
func (b *bench) compared(all []*contestant) {
	b.print("Proxies in front of the same container (%d rounds each, taking turns; %d kept connections, half POST; as fast as possible with wrk, p99 and failed at %d requests/s):\n",
		proxyRounds, driveConnections, steadyRate)
	var rows [][]string
	for _, c := range all {
		rows = append(rows, []string{
			c.name, fmt.Sprintf("%.0f", median(c.rps)), fmt.Sprintf("%.1f µs", float64(median(c.cpu))/float64(time.Microsecond)),
			fmt.Sprintf("%.1f ms", float64(median(c.p99))/float64(time.Millisecond)), strconv.FormatInt(c.lost, 10), c.ratio(all[0]), c.ratio(all[1]),
		})
	}
	b.table([]string{"proxy", "requests/s", "proxy CPU per request", "p99", "failed", "CPU, to proxy_pass alone", "CPU, to kept connections"}, rows)
}

// ratio is the CPU per request of c to that of other, with its range.
func (c *contestant) ratio(other *contestant) string {
	var all []float64
	for i := range c.cpu {
		all = append(all, float64(c.cpu[i])/float64(other.cpu[i]))
	}
	return fmt.Sprintf("%.2f (%.2f to %.2f)", median(all), slices.Min(all), slices.Max(all))
}
