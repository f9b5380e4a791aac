package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// report prints the table and under which conditions it came about.
func report(ctx context.Context, out io.Writer, o options, old, ours results) error {
	tries := 3
	if o.full {
		tries = 30
	}
	rows := [][3]string{
		{"", "deploy.sh", "Teal"},
		{"---", "---", "---"},
		{"start → first request answered by the new version", seconds(old.update.first), seconds(ours.update.first)},
		{"start → all requests answered by the new version", seconds(old.update.alone), seconds(ours.update.alone)},
		{"both versions answered for", seconds(old.update.both), seconds(ours.update.both)},
		{"failed requests", failures(old.update), failures(ours.update)},
		{"killed halfway: share of the new version half a minute later", percent(old.killed.share), percent(ours.killed.share)},
		{"… and failed requests", failures(old.killed), failures(ours.killed)},
		{"never healthy: requests that it answered all the same", fmt.Sprint(old.sick.wrong), fmt.Sprint(ours.sick.wrong)},
		{"… and given up after", seconds(old.sick.over) + fmt.Sprintf(" (%d tries)", tries), seconds(ours.sick.over) + " (deadline 1m)"},
		{"… and failed requests", failures(old.sick), failures(ours.sick)},
		{"breaks just after the switch: requests failed for", ending(old.broken), ending(ours.broken)},
		{"… and failed requests", failures(old.broken), failures(ours.broken)},
	}
	for _, r := range rows {
		if _, err := fmt.Fprintf(out, "| %s | %s | %s |\n", r[0], r[1], r[2]); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "\n%s, %d cores, %s, %s; bastion and app host are network namespaces of one machine; an app that takes 3 s to start, "+
		"with a MariaDB and a Redis; %g requests/s, half POST, on kept connections, nothing repeated.\n",
		time.Now().Format(time.DateOnly), runtime.NumCPU(), version(ctx, "nginx", "-v"), version(ctx, "dockerd", "--version"), o.rate)
	return err
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

func percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }

func failures(r result) string { return fmt.Sprintf("%d of %d", r.failed, r.sent) }

func ending(r result) string {
	if r.fails {
		return fmt.Sprintf("all of the %.0f s that were watched, and on", watch.Seconds())
	}
	return seconds(r.sick)
}

// version is the first line that a program says of itself.
func version(ctx context.Context, argv ...string) string {
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return argv[0] + " (version unknown)"
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return strings.TrimSpace(line)
}
