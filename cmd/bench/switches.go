package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"teal/cmd/load/loadgen"
)

// kind is a kind of app that is switched under load.
type kind struct {
	name string
	env  map[string]string
	slow bool // requests of 2 s are in flight all the time
	ws   bool // WebSockets are open all the time
}

// upgradedDrain is the drain limit of WebSockets in these runs.
const upgradedDrain = 2 * time.Second

var kinds = []kind{
	{name: "stops on SIGTERM"},
	{name: "ignores SIGTERM", env: map[string]string{"IGNORE_SIGTERM": "1"}},
	{name: "exits at once on SIGTERM, requests of 2 s in flight", env: map[string]string{"EXIT_AT_ONCE": "1"}, slow: true},
	{name: "20 WebSockets open", ws: true},
}

// switchings counts what rollouts under load lose.
func (b *bench) switchings(ctx context.Context) error {
	var rows [][]string
	for _, k := range kinds {
		row, err := b.switchingsOf(ctx, k)
		if err != nil {
			return fmt.Errorf("app that %s: %w", k.name, err)
		}
		rows = append(rows, row)
	}
	b.print("%d rollouts under %g requests/s, half of them POST, on kept connections, nothing repeated:\n", b.switches, b.rate)
	b.table([]string{"app", "requests", "failed", "p50", "p99", "max", "beside"}, rows)
	return nil
}

func (b *bench) switchingsOf(ctx context.Context, k kind) ([]string, error) {
	w := wish{version: 1, env: k.env, upgraded: upgradedDrain}
	if err := b.fresh(ctx, w.String()); err != nil {
		return nil, err
	}
	load, err := b.start(ctx, k)
	if err != nil {
		return nil, err
	}
	defer load.stop()
	retired := map[string]time.Time{}
	for n := range b.switches {
		w.version++
		_, switched, err := b.oneEdit(ctx, load.main, w)
		if err != nil {
			return nil, errors.Join(err, fmt.Errorf("at switch %d:\n%s", n+1, load.main.Stop()))
		}
		retired[strconv.Itoa(w.version-1)] = switched
		note("%s: switch %d, %d requests, %d failed", k.name, n+1, load.main.Snapshot().Sent, load.main.Snapshot().Failed)
	}
	return load.row(k, retired), nil
}

// load is all that runs against the app while it is switched.
type load struct {
	main, slow *loadgen.Generator
	sockets    *loadgen.Sockets
}

// slowRate is how many requests of 2 s per second are sent: 20 are in flight.
const slowRate = 10

func (b *bench) start(ctx context.Context, k kind) (load, error) {
	var l load
	var err error
	if l.main, err = loadgen.New(ctx, loadgen.Config{URL: "http://" + b.trial.Listen + "/", Rate: b.rate}); err != nil {
		return l, err
	}
	l.main.Start(ctx)
	if k.slow {
		l.slow, err = loadgen.New(ctx, loadgen.Config{URL: "http://" + b.trial.Listen + "/slow?for=2s", Rate: slowRate, Post: -1})
		if err != nil {
			l.stop()
			return l, err
		}
		l.slow.Start(ctx)
	}
	if k.ws {
		l.sockets, err = loadgen.NewSockets(ctx, loadgen.SocketConfig{URL: "ws://" + b.trial.Listen + "/ws", Count: 20, Ping: 250 * time.Millisecond})
		if err != nil {
			l.stop()
			return l, err
		}
		l.sockets.Start(ctx)
	}
	return l, nil
}

func (l load) stop() {
	l.main.Stop()
	if l.slow != nil {
		l.slow.Stop()
	}
	if l.sockets != nil {
		l.sockets.Stop()
	}
}

// row stops the load and says what was lost.
func (l load) row(k kind, retired map[string]time.Time) []string {
	r := l.main.Stop()
	beside := append([]string{}, r.Warnings...)
	for _, f := range r.Errors {
		beside = append(beside, fmt.Sprintf("%s %s: %s", f.Method, f.Kind, f.Text))
	}
	if l.slow != nil {
		s := l.slow.Stop()
		beside = append(beside, fmt.Sprintf("%d requests of 2 s, %d failed", s.Sent, s.Failed))
	}
	if l.sockets != nil {
		beside = append(beside, lives(l.sockets.Stop(), retired))
	}
	return []string{
		k.name, strconv.FormatInt(r.Sent, 10), "**" + strconv.FormatInt(r.Failed, 10) + "**",
		ms(r.Latency.P50), ms(r.Latency.P99), ms(r.Latency.Max), strings.Join(beside, "; "),
	}
}

// early is how much sooner than its limit an end is still the limit's: the
// switch is known to within the time between two requests.
const early = 100 * time.Millisecond

// lives says how long WebSockets lived on after their version lost its traffic.
func lives(r loadgen.SocketReport, retired map[string]time.Time) string {
	var ended, cut int
	shortest := time.Duration(-1)
	for _, l := range r.Lives {
		at, gone := retired[l.Version]
		if l.Reason == "" || !gone {
			continue
		}
		ended++
		after := l.Closed.Sub(at)
		if after < upgradedDrain-early {
			cut++
		}
		if shortest < 0 || after < shortest {
			shortest = after
		}
	}
	return fmt.Sprintf("%d of %d WebSockets ended by a switch, %d of them before their drain limit of %s (the shortest lived on for %s), %d handshakes refused",
		ended, len(r.Lives), cut, upgradedDrain, ms(shortest), r.Refused)
}
