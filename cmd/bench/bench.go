package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"teal/cmd/internal/trial"
	"teal/deploy/workbench"
	"teal/reconcile"
)

// purpose marks the images and containers of benchmarks.
const purpose = "bench"

// image is the app that is deployed. What differs between versions is in the
// environment, so that one image serves for all.
const image = "tealbench:app"

// bench is one run of the benchmarks.
type bench struct {
	options
	engine *workbench.Bench
	trial  *trial.Trial
	out    io.Writer
	// app is the program that is deployed, and appFile where it is kept: a folder
	// that is not removed between two parts.
	app     []byte
	appFile string
}

// begin removes what an earlier run left, makes the image, and says what is
// measured on.
func (b *bench) begin(ctx context.Context) error {
	if _, err := b.trial.Clean(ctx, b.engine); err != nil {
		return fmt.Errorf("remove an earlier benchmark: %w", err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	b.appFile = folder + "-app"
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", b.appFile, "./examples/hello/app")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build examples/hello/app: %w: %s", err, out)
	}
	var err error
	if b.app, err = os.ReadFile(b.appFile); err != nil {
		return fmt.Errorf("read the app: %w", err)
	}
	if err := b.engine.Make(ctx, workbench.Image{Ref: image, For: purpose, Binary: b.app}); err != nil {
		return err
	}
	engine, err := b.engine.Version(ctx)
	if err != nil {
		return err
	}
	b.print("Measured %s on %d cores, %s of memory, Docker Engine %s, %s.\n",
		time.Now().Format("2006-01-02"), runtime.NumCPU(), memory(), engine, runtime.Version())
	return nil
}

// cleanLimit bounds the removal of all that was made.
const cleanLimit = 2 * time.Minute

// end removes what was made, also after an interrupt.
func (b *bench) end() error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanLimit)
	defer cancel()
	if _, err := b.trial.Clean(ctx, b.engine); err != nil {
		return err
	}
	if _, err := b.engine.Remove(ctx, workbench.LabelMade, purpose); err != nil {
		return err
	}
	_, err := b.engine.RemoveImages(ctx, purpose)
	return errors.Join(err, os.RemoveAll(b.appFile))
}

// fresh starts a controller with nothing but wish, and waits until it serves.
func (b *bench) fresh(ctx context.Context, wish string) error {
	if _, err := b.trial.Clean(ctx, b.engine); err != nil {
		return err
	}
	if err := trial.PortFree(ctx, b.trial.Listen); err != nil {
		return fmt.Errorf("%w: choose another one with -port", err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if _, err := b.trial.Edit(wish); err != nil {
		return err
	}
	if err := b.trial.Start(ctx); err != nil {
		return err
	}
	return b.quiet(ctx)
}

// quiet waits until the app serves and nothing but its stable colour is left.
func (b *bench) quiet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	_, err := b.trial.App(ctx, "all is settled", func(s reconcile.Status) bool {
		return s.Serving.OK && s.Synced.OK && s.Phase == reconcile.Idle && len(s.Colours) == 1
	})
	return err
}

// memory is the machine's memory, for people.
func memory() string {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return "unknown"
	}
	var kib int64
	if _, err := fmt.Sscanf(string(text), "MemTotal: %d kB", &kib); err != nil {
		return "unknown"
	}
	return fmt.Sprintf("%.0f GiB", float64(kib)/(1<<20))
}

// wish is a desired state of the benchmarked app.
type wish struct {
	version  int
	env      map[string]string
	upgraded time.Duration // drain limit of WebSockets
}

func (w wish) String() string {
	var env strings.Builder
	fmt.Fprintf(&env, "      VERSION: %q\n", fmt.Sprint(w.version))
	for k, v := range w.env {
		fmt.Fprintf(&env, "      %s: %q\n", k, v)
	}
	return fmt.Sprintf(`name: tealbench
services:
  web:
    image: %s
    pull_policy: never
    stop_grace_period: 1s
    environment:
%s    x-teal:
      route: {port: 8080}
      health: {http: /health}
      drain: {requests: 30s, upgraded: %s}
      standby: 0s
`, image, &env, w.upgraded)
}
