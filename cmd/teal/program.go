package main

import (
	"context"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"teal/cmd/teal/internal/config"
	"teal/cmd/teal/internal/view"
	"teal/controller/api"
)

// Main is the program as a value: all that it takes from its surroundings.
type Main struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Env            []string // "KEY=value", as [os.Environ]
}

// Run does what args say and returns the exit code: 0 done, 1 failed or rolled
// back, 2 bad input, 3 timed out, 4 controller not reachable.
func (m Main) Run(ctx context.Context, args []string) int {
	p := &program{Main: m}
	root := p.root() //nolint:contextcheck // verbs take the context that ExecuteContext gives their command
	root.SetArgs(args)
	root.SetIn(m.Stdin)
	root.SetOut(m.Stdout)
	root.SetErr(m.Stderr)
	return p.report(root.ExecuteContext(ctx))
}

// program is one run of Main.
type program struct {
	Main
	state, socket string // flags
	remote        remote
}

// env returns a variable of the environment, "" if it is not set.
func (m Main) env(name string) string {
	for _, kv := range m.Env {
		if k, v, _ := strings.Cut(kv, "="); k == name {
			return v
		}
	}
	return ""
}

// root builds the command tree.
func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "teal",
		Short: "Blue/green deployments of Compose files on plain Docker hosts",
		Long: `Teal keeps a Docker host as a Compose file with x-teal blocks wants it: a new
version is started beside the old one, verified, given the traffic in one step,
and taken back if it fails.

Exit codes: 0 done, 1 failed or rolled back, 2 bad input, 3 timed out,
4 controller not reachable.`,
		Args:          p.noSuchVerb,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(flagMistake)
	p.places(root.PersistentFlags())
	root.AddCommand(
		p.applyVerb(), p.planVerb(), p.statusVerb(), p.waitVerb(),
		p.promoteVerb(), p.abortVerb(), p.undoVerb(), p.retryVerb(),
		p.historyVerb(), p.logsVerb(), p.eventsVerb(), p.versionVerb(),
		p.runVerb(), p.syncVerb(), p.proxyVerb(), p.downVerb(), p.doctorVerb(), p.adoptVerb(), p.tokenVerb(),
		p.backupVerb(), p.restoreVerb(), p.notifyVerb(),
	)
	for _, c := range root.Commands() {
		if slices.Contains(overNetwork, c.Name()) {
			p.remote.flags(c.Flags())
		}
	}
	for _, c := range root.Commands() {
		guard(c)
		if c.Args != nil && strings.Contains(c.Use, "service]") {
			c.ValidArgsFunction = p.completeApps
		} else {
			c.ValidArgsFunction = cobra.NoFileCompletions
		}
	}
	return root
}

// places adds the flags that every verb has.
func (p *program) places(f *pflag.FlagSet) {
	f.StringVar(&p.state, "state", "", "state `folder` of the controller (TEAL_STATE; default "+p.defaultState()+")")
	f.StringVar(&p.socket, "socket", "", "`path` of the controller's socket (TEAL_SOCKET; default teal.sock in the state folder)")
	for _, name := range []string{"state", "socket"} {
		mustMark(config.MarkPath(f, name))
	}
}

// guard marks the errors of a verb's own work, to tell them from mistakes in
// how it was called, which cobra finds before the verb runs.
func guard(c *cobra.Command) {
	for _, sub := range c.Commands() {
		guard(sub)
	}
	work := c.RunE
	if work == nil {
		return
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := work(c, args); err != nil {
			return &worked{err}
		}
		return nil
	}
}

// worked is an error of a verb that was called rightly.
type worked struct{ error }

// Unwrap returns the error itself.
func (w *worked) Unwrap() error { return w.error }

// statePath returns the state folder.
func (p *program) statePath() string {
	for _, s := range []string{p.state, p.env("TEAL_STATE")} {
		if s != "" {
			return s
		}
	}
	return p.defaultState()
}

func (p *program) defaultState() string {
	if os.Geteuid() == 0 {
		return "/var/lib/teal"
	}
	if base := p.env("XDG_STATE_HOME"); filepath.IsAbs(base) {
		return filepath.Join(base, "teal")
	}
	return filepath.Join(p.env("HOME"), ".local", "state", "teal")
}

// socketPath returns where the controller is spoken to.
func (p *program) socketPath() string {
	for _, s := range []string{p.socket, p.env("TEAL_SOCKET")} {
		if s != "" {
			return s
		}
	}
	return filepath.Join(p.statePath(), "teal.sock")
}

// dial returns a client of the controller that is meant: one over the network,
// or the one at the socket.
func (p *program) dial() *api.Client {
	if url := p.serverURL(); url != "" {
		client, err := p.dialRemote(url)
		if err != nil {
			return api.Broken(err)
		}
		return client
	}
	return api.Dial(p.socketPath())
}

// options are those of the text on stdout.
func (p *program) options(now time.Time) view.Options {
	return view.Options{Colour: p.colours(), Now: now, Location: time.Local}
}

// by says who is asking, for the controller's events.
func (p *program) by() string {
	for _, name := range []string{"SUDO_USER", "USER", "LOGNAME"} {
		if v := p.env(name); v != "" {
			return v
		}
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}
