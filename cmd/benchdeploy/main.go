// Command benchdeploy makes the same deployments with the script that Teal
// replaces (examples/pennyway/legacy) and with Teal, on the same hosts under the
// same load, and prints what each did as a Markdown table.
//
// The hosts are network namespaces of this machine: a bastion with nginx, and an
// app host with a Docker Engine, reached over ssh. The script keeps its real
// waits; only how often it tries a version that is never healthy is cut from 30
// to 3, unless -full is given. It removes all that it made, also when it is
// interrupted, and ends in about ten minutes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"teal/cmd/load/loadgen"
	"teal/examples/pennyway/stage"
)

type options struct {
	binary string
	rate   float64
	full   bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "benchdeploy:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	var o options
	flags := flag.NewFlagSet("benchdeploy", flag.ContinueOnError)
	flags.StringVar(&o.binary, "teal", "bin/teal", "the teal binary")
	flags.Float64Var(&o.rate, "rate", 100, "requests per second, half of them POST")
	flags.BoolVar(&o.full, "full", false, "let the script try a version that is never healthy 30 times (10 minutes more)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.binary, err = absolute(o.binary); err != nil {
		return err
	}
	note("setting up a bastion and an app host")
	s, err := stage.New(ctx, stage.Options{Name: "benchdeploy", Hosts: 1})
	if err != nil {
		return err
	}
	defer func() { //nolint:contextcheck // what was made is removed after an interrupt, too
		ending, cancel := context.WithTimeout(context.Background(), closeLimit)
		defer cancel()
		err = errors.Join(err, s.Close(ending))
	}()
	if err := releases(ctx, s); err != nil {
		return err
	}
	old, err := measure(ctx, &script{stage: s, full: o.full}, o.rate, s.URL())
	if err != nil {
		return fmt.Errorf("deploy.sh: %w", err)
	}
	ours, err := measure(ctx, &teal{stage: s, binary: o.binary}, o.rate, s.URL())
	if err != nil {
		return fmt.Errorf("teal: %w", err)
	}
	return report(ctx, out, o, old, ours)
}

const (
	closeLimit = time.Minute

	good    = "1.4.1" // serves when a case begins
	next    = "1.4.2" // takes 3 s to start, and is good
	another = "1.4.5" // the same: Teal keeps the one before hot, and would not start it again
	sick    = "1.4.3" // never answers its health check, and everything else
	relapse = "1.4.4" // good at first, and broken a while after its start
)

// releases makes the versions that are the same for both; relapse is not: each
// gets one that breaks just after its own switch.
func releases(ctx context.Context, s *stage.Stage) error {
	return errors.Join(
		s.Release(ctx, next, "START_DELAY=3s"),
		s.Release(ctx, another, "START_DELAY=3s"),
		s.Release(ctx, sick, "START_DELAY=3s", "BREAK=unhealthy"),
	)
}

// side is one way to deploy.
type side interface {
	// reset makes good serve alone.
	reset(ctx context.Context) error
	// deploy begins to deploy a version and returns when that was. end waits until
	// the tool thinks that it is over, whatever came of it.
	deploy(ctx context.Context, version string) (began time.Time, end func(context.Context) error, err error)
	// interrupt kills the tool in the middle of the deployment, and does what
	// happens by itself after that.
	interrupt(ctx context.Context) error
	// relapsing makes the version that breaks just after the switch.
	relapsing(ctx context.Context) error
	// end stops what reset started and leaves the hosts to others.
	end(ctx context.Context) error
}

// measure runs all cases.
func measure(ctx context.Context, sd side, rate float64, url string) (all results, err error) {
	defer func() { err = errors.Join(err, sd.end(context.WithoutCancel(ctx))) }()
	if err := sd.relapsing(ctx); err != nil {
		return all, err
	}
	for _, c := range []struct {
		name string
		run  func(context.Context, side, *loadgen.Generator) (result, error)
		to   *result
	}{
		{"a good version", update, &all.update},
		{"killed halfway", killed, &all.killed},
		{"a version that is never healthy", neverHealthy, &all.sick},
		{"a version that breaks after the switch", breaks, &all.broken},
	} {
		if err := sd.reset(ctx); err != nil {
			return all, fmt.Errorf("prepare %s: %w", c.name, err)
		}
		g, err := loadgen.New(ctx, loadgen.Config{URL: url, Rate: rate})
		if err != nil {
			return all, err
		}
		g.Start(ctx)
		*c.to, err = c.run(ctx, sd, g)
		count := g.Stop()
		if err != nil {
			return all, fmt.Errorf("%s: %w", c.name, err)
		}
		c.to.sent, c.to.failed = count.Sent, count.Failed
		note("%T: %s: %+v", sd, c.name, *c.to)
	}
	return all, nil
}

// note tells how far it has come, beside the table.
func note(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s "+format+"\n", append([]any{time.Now().Format(time.TimeOnly)}, args...)...)
}
