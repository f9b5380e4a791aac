// Command demo shows Teal at work on this machine: it makes a small web app in
// three good versions and a broken one, runs it with the real teal binary behind
// Teal's proxy, and then updates it, breaks it, takes it back and kills the
// controller in the middle of an update, while a client counts every request.
//
// It asks nothing, may be run again at any time, and ends with the line
// "N requests, 0 failed"; with anything else it exits with 1. What it started
// runs on until "make demo-clean".
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"teal/cmd/internal/trial"
	"teal/deploy/workbench"
)

// limit bounds the whole demo.
const limit = 3 * time.Minute

// defaultFolder holds all that the demo writes, unless DEMO_FOLDER names another.
// It is relative, to keep the path of the socket in it short.
const defaultFolder = ".cache/demo"

func main() {
	clean := flag.Bool("clean", false, "remove all that the demo made, and do nothing else")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(ctx, limit)
	err := run(ctx, *clean)
	cancel()
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "demo: %v\ndemo: what was started stays: make demo-clean removes it\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, clean bool) (err error) {
	port, err := port()
	if err != nil {
		return err
	}
	bench, err := workbench.Open(ctx)
	if err != nil {
		return fmt.Errorf("%w (make engine says how to get one)", err)
	}
	defer func() {
		if closeErr := bench.Close(); err == nil {
			err = closeErr
		}
	}()
	folder := cmp.Or(os.Getenv("DEMO_FOLDER"), defaultFolder)
	d := &demo{
		bench: bench, folder: folder,
		out:   timeline{w: os.Stdout, began: time.Now()},
		trial: &trial.Trial{Binary: "bin/teal", Folder: folder, Listen: "127.0.0.1:" + strconv.Itoa(port)},
	}
	if clean {
		return d.clean(ctx)
	}
	return d.run(ctx)
}

// port reads DEMO_PORT.
func port() (int, error) {
	text := os.Getenv("DEMO_PORT")
	if text == "" {
		return 8000, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 65535 {
		return 0, fmt.Errorf("DEMO_PORT=%s: must be a port, for example DEMO_PORT=8001", text)
	}
	return n, nil
}
