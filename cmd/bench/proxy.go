package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"

	"teal/deploy/workbench"
	"teal/spec"
)

const (
	// rounds of each proxy, taking turns so that a busy machine hits both alike.
	proxyRounds = 5
	// perRound is how many requests one round sends.
	perRound = 20_000
	// soakParts is how often memory is looked at on the way.
	soakParts = 5
)

// proxy measures what the embedded proxy takes per request, side by side with
// the ten-line reverse proxy of the standard library, in front of the same
// container, and its memory over many requests.
func (b *bench) proxy(ctx context.Context) error {
	if err := b.fresh(ctx, wish{version: 1, upgraded: time.Second}.String()); err != nil {
		return err
	}
	app, teal, err := b.containers(ctx)
	if err != nil {
		return err
	}
	plain, stop, err := startPlain(ctx, net.JoinHostPort(app.Address, "8080"))
	if err != nil {
		return err
	}
	defer stop()
	tealSide := side{name: "embedded proxy", url: "http://" + b.trial.Listen + "/", pid: teal.PID}
	if err := b.compare(ctx, &tealSide, &plain); err != nil {
		return err
	}
	return b.watchMemory(ctx, tealSide)
}

// containers finds the app's and the proxy's container.
func (b *bench) containers(ctx context.Context) (app, proxy workbench.Running, err error) {
	id, err := b.trial.ID()
	if err != nil {
		return app, proxy, err
	}
	running, err := b.engine.Running(ctx, id)
	if err != nil {
		return app, proxy, err
	}
	for _, r := range running {
		switch r.Role {
		case spec.RoleProxy:
			proxy = r
		case spec.RoleReplica:
			app = r
		}
	}
	if app.Address == "" || proxy.PID == 0 {
		return app, proxy, fmt.Errorf("find the app and the proxy among %v", running)
	}
	return app, proxy, nil
}

// side is one of the two proxies and what was measured of it.
type side struct {
	name string
	url  string
	pid  int
	cpu  []time.Duration // per request, by round
	rps  []time.Duration // wall time per request, by round
}

// round sends perRound requests and notes what they took.
func (s *side) round(ctx context.Context) error {
	before, err := cpuTime(s.pid)
	if err != nil {
		return err
	}
	took, err := drive(ctx, s.url, perRound)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	after, err := cpuTime(s.pid)
	if err != nil {
		return err
	}
	s.cpu = append(s.cpu, (after-before)/perRound)
	s.rps = append(s.rps, took/perRound)
	note("%s: %s CPU per request, %s in all", s.name, s.cpu[len(s.cpu)-1], took)
	return nil
}

func (b *bench) compare(ctx context.Context, teal, plain *side) error {
	for _, s := range []*side{teal, plain} { // warm up
		if _, err := drive(ctx, s.url, perRound/4); err != nil {
			return err
		}
	}
	var ratios []float64
	for range proxyRounds {
		if err := errors.Join(teal.round(ctx), plain.round(ctx)); err != nil {
			return err
		}
		last := len(teal.cpu) - 1
		ratios = append(ratios, float64(teal.cpu[last])/float64(plain.cpu[last]))
	}
	b.print("CPU per request of two proxies in front of the same container (%d rounds of %d requests each, taking turns; %d kept connections, half POST):\n",
		proxyRounds, perRound, driveConnections)
	var rows [][]string
	for _, s := range []*side{teal, plain} {
		rows = append(rows, []string{
			s.name, fmt.Sprintf("%d µs", median(s.cpu).Microseconds()), fmt.Sprintf("%.0f", float64(time.Second)/float64(median(s.rps))),
		})
	}
	b.table([]string{"proxy", "CPU per request (median)", "requests/s (median)"}, rows)
	b.print("Ratio embedded / standard library: **%.2f** (median; %.2f to %.2f).\n", median(ratios), slices.Min(ratios), slices.Max(ratios))
	return nil
}

// watchMemory reads the proxy's memory on the way through many requests.
func (b *bench) watchMemory(ctx context.Context, s side) error {
	var head, cells []string
	for part := range int64(soakParts + 1) {
		kib, err := memoryOf(s.pid)
		if err != nil {
			return err
		}
		done := strconv.FormatInt(part*b.soak/soakParts, 10)
		note("memory after %s requests: %d KiB", done, kib)
		head, cells = append(head, done), append(cells, fmt.Sprintf("%.1f MiB", float64(kib)/1024))
		if part == soakParts {
			break
		}
		if _, err := drive(ctx, s.url, b.soak/soakParts); err != nil {
			return err
		}
	}
	b.print("Resident memory of the embedded proxy after so many requests (beside the rounds above):\n")
	b.table(head, [][]string{cells})
	return nil
}

// startPlain starts this program again as the standard library's reverse proxy.
func startPlain(ctx context.Context, target string) (s side, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return s, nil, fmt.Errorf("find this program: %w", err)
	}
	listen, err := freeAddress(ctx)
	if err != nil {
		return s, nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), plainListen+"="+listen, plainTarget+"="+target)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return s, nil, fmt.Errorf("start the plain proxy: %w", err)
	}
	stop = func() {
		// It is killed, and so ends with an error that says nothing.
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	s = side{name: "standard library, ten lines", url: "http://" + listen + "/", pid: cmd.Process.Pid}
	if err := answering(ctx, listen); err != nil {
		stop()
		return s, nil, err
	}
	return s, stop, nil
}

func freeAddress(ctx context.Context) (string, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// answering waits until something accepts connections at address.
func answering(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var dialer net.Dialer
	for {
		c, err := dialer.DialContext(ctx, "tcp", address)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", address, err)
		case <-tick.C:
		}
	}
}
