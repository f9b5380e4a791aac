package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"teal/cmd/internal/trial"
	"teal/cmd/load/loadgen"
	"teal/deploy/workbench"
	"teal/reconcile"
)

// demo is one run of the demo.
type demo struct {
	bench  *workbench.Bench
	folder string
	trial  *trial.Trial
	out    timeline
	client *loadgen.Generator
	wish   string // the desired state as it is in the file
}

// errLost ends a demo in which requests failed; the report says which.
var errLost = errors.New("requests failed")

func (d *demo) url() string { return "http://" + d.trial.Listen + "/" }

func (d *demo) run(ctx context.Context) error {
	if err := d.prepare(ctx); err != nil {
		return err
	}
	if err := d.begin(ctx); err != nil {
		return err
	}
	if err := d.load(ctx); err != nil {
		return err
	}
	err := d.acts(ctx)
	report := d.client.Stop()
	if err != nil {
		return errors.Join(err, fmt.Errorf("until then:\n%s", report))
	}
	d.hints(report)
	d.out.print("%d requests, %d failed", report.Sent, report.Failed)
	if report.Failed > 0 {
		return fmt.Errorf("%w:\n%s", errLost, report)
	}
	return nil
}

// prepare removes an earlier demo and makes the images and the work folder.
func (d *demo) prepare(ctx context.Context) error {
	removed, err := d.trial.Clean(ctx, d.bench)
	if err != nil {
		return fmt.Errorf("remove the earlier demo: %w", err)
	}
	if removed.Containers > 0 {
		d.out.say("removed the earlier demo (%d containers)", removed.Containers)
	}
	if _, err := d.bench.RemoveImages(ctx, d.purpose()); err != nil {
		return fmt.Errorf("remove the earlier demo: %w", err)
	}
	if err := trial.PortFree(ctx, d.trial.Listen); err != nil {
		return fmt.Errorf("%w: choose another port, for example DEMO_PORT=8001 make demo", err)
	}
	if err := os.MkdirAll(d.folder, 0o755); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join("examples", "hello", "compose.yaml"))
	if err != nil {
		return fmt.Errorf("read the example: %w", err)
	}
	d.wish = string(text)
	return d.images(ctx)
}

// begin starts the controller and waits for v1.
func (d *demo) begin(ctx context.Context) error {
	saved, err := d.trial.Edit(d.wish)
	if err != nil {
		return err
	}
	if err := d.trial.Start(ctx); err != nil {
		return err
	}
	d.out.say("started the controller (pid %d): teal run -f %s --http %s", d.trial.PID(), d.trial.File(), d.trial.Listen)
	if _, err := d.trial.App(ctx, "v1 serves", serving); err != nil {
		return err
	}
	err = d.trial.Until(ctx, "v1 answers", func() (bool, error) { return d.answers(ctx) })
	if err != nil {
		return err
	}
	d.out.say("v1 answers on %s, %.2f s after the start (the proxy's container included)", d.url(), time.Since(saved).Seconds())
	return nil
}

func serving(s reconcile.Status) bool { return s.Serving.OK && s.Synced.OK }

func (d *demo) answers(ctx context.Context) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url(), nil)
	if err != nil {
		return false, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, err
	}
	return resp.StatusCode == http.StatusOK, resp.Body.Close()
}

// edit begins a lap of the client, changes the image in the file and saves it.
func (d *demo) edit(tag string) (time.Time, error) {
	d.client.Lap()
	from := d.wish[strings.Index(d.wish, "image: hello:"):]
	from, _, _ = strings.Cut(from, "\n")
	d.wish = strings.Replace(d.wish, from, "image: hello:"+tag, 1)
	return d.trial.Edit(d.wish)
}

// hints say how to look at what runs and how to remove it.
func (d *demo) hints(report loadgen.Report) {
	d.out.print("")
	d.out.print("It still runs. Look at it:")
	d.out.print("  curl -i %s", d.url())
	d.out.print("  %s status --socket %s", d.trial.Binary, d.trial.Socket())
	d.out.print("  %s history --socket %s", d.trial.Binary, d.trial.Socket())
	d.out.print("  edit %s and save it; the log is in %s", d.trial.File(), d.trial.Log())
	d.out.print("Remove all of it:")
	d.out.print("  make demo-clean")
	d.out.print("")
	for _, w := range report.Warnings {
		d.out.print("warning: %s", w)
	}
	d.out.print("%d GET, %d POST; latency p50 %s, p99 %s, max %s", report.Gets, report.Posts,
		report.Latency.P50.Round(10*time.Microsecond), report.Latency.P99.Round(10*time.Microsecond), report.Latency.Max.Round(10*time.Microsecond))
}

// clean removes all that the demo made.
func (d *demo) clean(ctx context.Context) error {
	removed, err := d.trial.Clean(ctx, d.bench)
	if err != nil {
		return err
	}
	images, err := d.bench.RemoveImages(ctx, d.purpose())
	if err != nil {
		return err
	}
	d.out.print("removed %d containers, %d networks, %d images and %s", removed.Containers, removed.Networks, removed.Images+images, d.folder)
	return nil
}
