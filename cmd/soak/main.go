// Command soak runs Teal for as long as it is told while everything around it is
// edited, killed and broken at random, and checks from outside that nothing is
// lost.
//
// It drives the real binary on a Docker Engine of its own (package rig, so it
// needs root): a dozen apps in several projects, a client of constant rate on
// each, seeded edits, commands, kills of the controller, hands on containers and
// faults of the engine and of the way to the proxy. What it compares with is a
// small model of the wish; what it looks at is the engine, the proxy and the
// answers that the clients got.
//
// It promises:
//   - Every action is written to a journal before it is done; the seed decides all
//     choices that are not the world's.
//   - A failed request is a finding unless it lies in a named window of a fault
//     that loses requests by its nature; those are counted apart.
//   - It ends after its time, on an interrupt, or at the first finding, prints a
//     report, and removes all that it made. A finding makes its exit status 1.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	set, err := parse(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		return 2
	}
	ctx, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer release()
	report, err := soak(ctx, set)
	if report != nil {
		fmt.Println(report.markdown())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		return 1
	}
	if len(report.findings) > 0 {
		return 1
	}
	return 0
}

// settings are what the command line says.
type settings struct {
	time      time.Duration
	round     time.Duration
	rounds    int
	seed      uint64
	apps      int
	rate      float64
	proxy     string
	keepGoing bool
	folder    string
	teal, app string // binaries
	verbose   bool
}

func parse(args []string) (settings, error) {
	var s settings
	f := flag.NewFlagSet("soak", flag.ContinueOnError)
	f.DurationVar(&s.time, "time", time.Minute, "how long, without set-up and the last settling")
	f.DurationVar(&s.round, "round", 30*time.Second, "how long actions go on before everything must settle")
	f.IntVar(&s.rounds, "rounds", 0, "end after so many rounds, instead of -time; 0: go by the time")
	f.Uint64Var(&s.seed, "seed", 0, "seed of all choices; 0: a new one")
	f.IntVar(&s.apps, "apps", 14, "number of apps, 4 to 40")
	f.Float64Var(&s.rate, "rate", 120, "requests per second over all apps")
	f.StringVar(&s.proxy, "proxy", "embedded", "driver of the proxy, embedded or nginx")
	f.BoolVar(&s.keepGoing, "keep-going", false, "go on after a finding")
	f.StringVar(&s.folder, "folder", ".cache/soak", "where the journal and the evidence of findings go")
	f.StringVar(&s.teal, "teal", "bin/teal", "the binary that is tested")
	f.StringVar(&s.app, "app", "", "binary of examples/hello/app; empty: it is built")
	f.BoolVar(&s.verbose, "v", false, "show every action")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	switch {
	case f.NArg() > 0:
		return s, fmt.Errorf("unknown argument %q: there are only flags, see -h", f.Arg(0))
	case s.apps < 4 || s.apps > 40:
		return s, fmt.Errorf("-apps %d: want 4 to 40", s.apps)
	case s.time <= 0 || s.round <= 0:
		return s, fmt.Errorf("-time %s, -round %s: want more than 0", s.time, s.round)
	case s.rounds < 0:
		return s, fmt.Errorf("-rounds %d: want 0 or more", s.rounds)
	case s.rate < 1 || s.rate > 2000:
		return s, fmt.Errorf("-rate %g: want 1 to 2000", s.rate)
	case s.proxy != "embedded" && s.proxy != "nginx":
		return s, fmt.Errorf("-proxy %q: want embedded or nginx", s.proxy)
	}
	if s.seed == 0 {
		s.seed = uint64(time.Now().UnixNano()) % 1_000_000
	}
	var err error
	if s.folder, err = filepath.Abs(s.folder); err != nil {
		return s, err
	}
	s.teal, err = filepath.Abs(s.teal)
	return s, err
}
