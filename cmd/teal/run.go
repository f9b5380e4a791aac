package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"teal/controller/api"
	"teal/deploy/proxy/embedded"
	"teal/store"
)

// databaseFile is the name of the records in the state folder.
const databaseFile = "teal.db"

func (p *program) runVerb() *cobra.Command {
	var s settings
	c := &cobra.Command{
		Use:   "run [-c teal.yaml] [-f compose.yaml …]",
		Short: "Run the controller",
		Long: `Runs the controller in the foreground: it watches the Compose files named with
-f, takes what teal apply sends, and keeps the host as they want it. It may be
killed at any time; what runs goes on, and the next start finishes the work.

Every flag may stand in a file (-c teal.yaml) with _ for -, as max_parallel: 4,
and in the environment, as TEAL_MAX_PARALLEL=4. A flag wins over the
environment, that over the file.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := p.fill(c.Flags(), &s.config); err != nil {
				return err
			}
			return p.run(c.Context(), s)
		},
	}
	s.flags(c)
	return c
}

// run wires the controller, runs it until ctx ends and takes it apart again.
func (p *program) run(ctx context.Context, s settings) (err error) {
	schedule, err := s.check()
	if err == nil {
		err = p.checkState(s.proxy)
	}
	if err != nil {
		return err
	}
	log, err := s.logs.logger(p.Stderr)
	if err != nil {
		return err
	}
	parts := newServices(log)
	defer func() { err = errors.Join(err, parts.unwind(ctx)) }()
	w := wiring{program: p, settings: s, resync: schedule, log: log, parts: parts}
	if err := w.begin(ctx); err != nil {
		return w.refused(err)
	}
	return parts.wait(ctx)
}

// checkState refuses a state folder whose path leaves the embedded proxy no room
// for its socket: it would not start, and only its own log would say why.
func (p *program) checkState(proxy string) error {
	if proxy != proxyEmbedded {
		return nil
	}
	state, err := filepath.Abs(p.statePath())
	if err != nil {
		return fmt.Errorf("find the state folder: %w", err)
	}
	if err := embedded.CheckAdmin(filepath.Join(state, proxyFolder, adminSocket)); err != nil {
		return badInput("--state /var/lib/teal", "the path of the state folder is too long: %v", err)
	}
	return nil
}

// refused adds what to type next to why the controller could not begin.
func (w *wiring) refused(err error) error {
	var locked *store.LockedError
	f := &failure{code: exitFailed, message: err.Error()}
	switch {
	case errors.As(err, &locked):
		f.hint = "another controller runs on this state: teal status, or give this one its own --state"
	case errors.Is(err, store.ErrNewer):
		f.hint = "run the newer version; or teal run --rebuild, without the holds and the history that are in there"
	case errors.Is(err, api.ErrSocketInUse):
		f.hint = "another controller answers there: teal status, or give this one its own --socket"
	case errors.Is(err, fs.ErrPermission):
		f.hint = fmt.Sprintf("run this as a user who may write %s, or name another folder: --state DIR", w.statePath())
	default:
		return err
	}
	return f
}
