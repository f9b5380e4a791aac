// Command bench measures what README promises, on this machine's Docker Engine
// with the real teal binary, and prints Markdown tables.
//
//	edit      from a saved edit to all traffic on the new version, less the
//	          app's own start-up and less what the engine itself takes to create
//	          and start the same container, measured beside it
//	switches  rollouts under load: how many requests were lost
//	proxy     what the embedded proxy costs beside a plain reverse proxy
//	proxies   plain nginx, nginx driven by Teal, and the embedded proxy
//	nginx     switches and changes of weights through the nginx driver under load
//
// It removes what it made, also when it is interrupted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"teal/cmd/internal/trial"
	"teal/deploy/workbench"
)

// folder holds all that a benchmark writes.
const folder = ".cache/bench"

// options are what the command line says.
type options struct {
	parts    []string
	runs     int
	switches int
	rate     float64
	soak     int64
	port     int
}

func main() {
	if listen := os.Getenv(plainListen); listen != "" {
		fmt.Fprintln(os.Stderr, plain(listen, os.Getenv(plainTarget)))
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&o.runs, "runs", 20, "edits that are measured for each start-up time")
	flags.IntVar(&o.switches, "switches", 60, "rollouts under load for each kind of app")
	flags.Float64Var(&o.rate, "rate", 1000, "requests per second while switching")
	flags.Int64Var(&o.soak, "soak", 1_000_000, "requests over which the proxy's memory is watched")
	flags.IntVar(&o.port, "port", 8090, "port of the proxy on 127.0.0.1")
	flags.Usage = func() {
		_, _ = fmt.Fprintln(flags.Output(), "usage: bench [flags] [edit] [switches] [proxy] [proxies] [nginx]; without a name: all of them")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.parts = flags.Args()
	for _, p := range o.parts {
		if names := []string{"edit", "switches", "proxy", "proxies", "nginx"}; !slices.Contains(names, p) {
			return o, fmt.Errorf("nothing is called %q: %s", p, strings.Join(names, ", "))
		}
	}
	if o.runs < 1 || o.switches < 1 || o.soak < soakParts || o.rate <= 0 {
		return o, errors.New("-runs, -switches, -soak and -rate must be over 0")
	}
	return o, nil
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	o, err := parse(args)
	if err != nil {
		return err
	}
	engine, err := workbench.Open(ctx)
	if err != nil {
		return fmt.Errorf("%w (make engine says how to get one)", err)
	}
	b := &bench{options: o, engine: engine, out: out, trial: &trial.Trial{
		Binary: "bin/teal", Folder: folder, Listen: "127.0.0.1:" + strconv.Itoa(o.port),
	}}
	defer func() { //nolint:contextcheck // what was made is removed after an interrupt, too
		err = errors.Join(err, b.end(), engine.Close())
	}()
	if err := b.begin(ctx); err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{{"edit", b.edits}, {"switches", b.switchings}, {"proxy", b.proxy}, {"proxies", b.proxies}, {"nginx", b.nginxSwitches}} {
		if len(o.parts) > 0 && !slices.Contains(o.parts, part.name) {
			continue
		}
		if err := part.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// table prints a Markdown table.
func (b *bench) table(head []string, rows [][]string) {
	line := func(cells []string) { b.print("| %s |", strings.Join(cells, " | ")) }
	line(head)
	line(slices.Repeat([]string{"---"}, len(head)))
	for _, r := range rows {
		line(r)
	}
	b.print("")
}

// print prints a line. Nobody can be told when standard output is gone.
func (b *bench) print(format string, args ...any) {
	_, _ = fmt.Fprintf(b.out, format+"\n", args...)
}

// note tells how far a measurement has come, beside the tables.
func note(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}
