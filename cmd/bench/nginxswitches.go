package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"teal/cmd/load/loadgen"
)

// weightChanges is how many changes of weights are made beside the switches.
const weightChanges = 200

// nginxSwitches counts what switches and changes of weights through the nginx
// driver lose, and how often nginx reloads for them.
func (b *bench) nginxSwitches(ctx context.Context) error {
	if err := b.engine.MakeNginx(ctx, nginxImage, purpose); err != nil {
		return err
	}
	var rows [][]string
	for _, k := range []struct {
		name   string
		remote bool
	}{{"in a folder of this host", false}, {"behind the engine, as on any host", true}} {
		row, err := b.nginxSwitchesOf(ctx, k.remote)
		if err != nil {
			return fmt.Errorf("files %s: %w", k.name, err)
		}
		rows = append(rows, append([]string{k.name}, row...))
	}
	b.print("nginx driven by Teal: %d switches and %d changes of weights under %g requests/s, half of them POST, on kept connections, nothing repeated:\n",
		b.switches, weightChanges, b.rate)
	b.table([]string{"nginx' files", "requests", "failed", "reloads", "p50", "p99", "max", "a switch (median)", "a change of weights (median)"}, rows)
	return nil
}

func (b *bench) nginxSwitchesOf(ctx context.Context, remote bool) (row []string, err error) {
	s, err := startServer(ctx, "switched", remote)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	blue, stopBlue, err := b.startApp(ctx, "blue")
	if err != nil {
		return nil, err
	}
	defer stopBlue()
	green, stopGreen, err := b.startApp(ctx, "green")
	if err != nil {
		return nil, err
	}
	defer stopGreen()
	d, err := s.drive(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	if err := d.serve(ctx, blue, green, 0); err != nil {
		return nil, err
	}
	reloads := d.Reloads()
	client, err := loadgen.New(ctx, loadgen.Config{URL: "http://" + s.address + "/", Rate: b.rate})
	if err != nil {
		return nil, err
	}
	client.Start(ctx)
	defer client.Stop()
	shares := make([]int, b.switches)
	for i := range shares {
		shares[i] = 100 * ((i + 1) % 2)
	}
	switches, err := changes(ctx, d, blue, green, shares)
	if err != nil {
		return nil, errors.Join(err, fmt.Errorf("while switching:\n%s", client.Stop()))
	}
	shares = make([]int, weightChanges)
	for i := range shares {
		shares[i] = (i*37 + 13) % 101 // all over 0 to 100, never twice the same in a row
	}
	weights, err := changes(ctx, d, blue, green, shares)
	if err != nil {
		return nil, errors.Join(err, fmt.Errorf("while changing weights:\n%s", client.Stop()))
	}
	r := client.Stop()
	if r.Failed > 0 || len(r.Warnings) > 0 {
		note("%s", r)
	}
	return []string{
		strconv.FormatInt(r.Sent, 10), "**" + strconv.FormatInt(r.Failed, 10) + "**", "**" + strconv.Itoa(d.Reloads()-reloads) + "**",
		ms(r.Latency.P50), ms(r.Latency.P99), ms(r.Latency.Max), ms(median(switches)), ms(median(weights)),
	}, nil
}

// changeEvery is the least time from one change to the next.
const changeEvery = 100 * time.Millisecond

// changes gives green one share after another, and returns how long each took
// until it was applied and read back.
func changes(ctx context.Context, d *driven, blue, green string, shares []int) ([]time.Duration, error) {
	tick := time.NewTicker(changeEvery)
	defer tick.Stop()
	var took []time.Duration
	for _, share := range shares {
		began := time.Now()
		if err := d.serve(ctx, blue, green, share); err != nil {
			return nil, err
		}
		seen, err := d.Read(ctx)
		if err != nil {
			return nil, fmt.Errorf("read back table %d: %w", d.seq, err)
		}
		took = append(took, time.Since(began))
		for _, back := range seen.Served(benched).Route.Backends {
			if want := map[bool]int{true: share, false: 100 - share}[back.Revision == "green"]; back.Weight != want {
				return nil, fmt.Errorf("table %d: %s has weight %d, not %d", d.seq, back.Revision, back.Weight, want)
			}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
	return took, nil
}

// startApp runs the app as a process of this machine.
func (b *bench) startApp(ctx context.Context, version string) (address string, stop func(), err error) {
	if address, err = freeAddress(ctx); err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, b.appFile)
	cmd.Env = append(os.Environ(), "PORT="+address[strings.LastIndexByte(address, ':')+1:], "VERSION="+version)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("start the app: %w", err)
	}
	stop = func() {
		// It is killed, and so ends with an error that says nothing.
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	if err := answering(ctx, address); err != nil {
		stop()
		return "", nil, err
	}
	return address, stop, nil
}
