// Command load sends HTTP requests at a constant rate to this machine or a
// private network and says what was lost. It exits with 0 when nothing failed,
// 1 when something did, and 2 when it was asked for what it cannot do.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"teal/cmd/load/loadgen"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

const (
	exitDone   = 0
	exitFailed = 1
	exitInput  = 2
)

// options are what the command line says.
type options struct {
	cfg      loadgen.Config
	duration time.Duration
	output   string
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitDone
	}
	if err != nil {
		return exitInput
	}
	g, err := loadgen.New(ctx, o.cfg)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "load:", err)
		return exitInput
	}
	report := send(ctx, g, o.duration)
	if err := write(stdout, o.output, report); err != nil {
		_, _ = fmt.Fprintln(stderr, "load: print the report:", err)
		return exitFailed
	}
	if report.Failed > 0 {
		return exitFailed
	}
	return exitDone
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.cfg.URL, "url", "", "where to send, on a loopback or private `address` (required)")
	flags.StringVar(&o.cfg.Host, "host", "", "`name` for the Host header, if not the URL's")
	flags.Float64Var(&o.cfg.Rate, "rate", 100, "requests per second")
	post := flags.Float64("post", 0.5, "share of POSTs, from 0 to 1")
	flags.IntVar(&o.cfg.Body, "body", 128, "size of a POST's body in bytes")
	flags.IntVar(&o.cfg.Connections, "connections", 16, "clients that take turns, each with its own kept connections")
	flags.DurationVar(&o.cfg.Timeout, "timeout", 10*time.Second, "limit of one request")
	flags.IntVar(&o.cfg.MaxInFlight, "max-in-flight", 0, "requests under way at once; 0: what is due in one timeout, at most 10000")
	flags.DurationVar(&o.duration, "duration", 10*time.Second, "how long to send")
	flags.StringVar(&o.output, "o", "text", "`form` of the report: text or json")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.cfg.Post = *post
	if o.cfg.Post == 0 {
		o.cfg.Post = -1
	}
	if err := o.check(flags.Args()); err != nil {
		_, _ = fmt.Fprintln(stderr, "load:", err)
		return o, err
	}
	return o, nil
}

func (o options) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected %q: everything is said by flags, see load -h", rest[0])
	case o.cfg.URL == "":
		return errors.New("-url is missing, for example -url http://127.0.0.1:8000/")
	case o.duration <= 0:
		return errors.New("-duration must be over 0, for example 15s")
	case o.output != "text" && o.output != "json":
		return fmt.Errorf("-o %s: must be text or json", o.output)
	}
	return nil
}

// send runs g for as long as asked, or until ctx ends.
func send(ctx context.Context, g *loadgen.Generator, duration time.Duration) loadgen.Report {
	ctx, cancel := context.WithTimeout(ctx, duration)
	defer cancel()
	g.Start(ctx)
	<-ctx.Done()
	return g.Stop()
}

func write(w io.Writer, form string, report loadgen.Report) error {
	if form == "json" {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(report)
	}
	_, err := fmt.Fprint(w, report)
	return err
}
