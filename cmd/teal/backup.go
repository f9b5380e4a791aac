package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"teal/store"
)

func (p *program) backupVerb() *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE|-",
		Short: "Copy the controller's records to a file, while it runs",
		Long: `Copies the records of the running controller (wishes, holds, history) as they are
at one moment to FILE, or to the standard output (-). The copy is checked before
it takes the place of FILE. It holds the environment of containers: keep it as
private as the state folder. It is brought back with teal restore.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if args[0] == "-" {
				return p.backup(c.Context(), p.Stdout)
			}
			return p.backupTo(c.Context(), args[0])
		},
	}
}

func (p *program) backup(ctx context.Context, to io.Writer) error {
	client := p.dial()
	defer client.Close()
	return client.Backup(ctx, to)
}

// backupTo replaces a file with a copy that is whole and sound, or not at all.
func (p *program) backupTo(ctx context.Context, name string) (err error) {
	fresh, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("back up to %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(fresh.Name()))
		}
	}()
	err = p.backup(ctx, fresh)
	if err := errors.Join(err, fresh.Sync(), fresh.Close()); err != nil {
		return err
	}
	if err := store.CheckCopy(fresh.Name()); err != nil {
		return fmt.Errorf("check the copy: %w", err)
	}
	info, err := os.Stat(fresh.Name())
	if err != nil {
		return fmt.Errorf("back up to %s: %w", name, err)
	}
	if err := os.Rename(fresh.Name(), name); err != nil {
		return fmt.Errorf("back up to %s: %w", name, err)
	}
	return p.print(fmt.Sprintf("%s: %d KiB\n", name, (info.Size()+1023)/1024))
}

func (p *program) restoreVerb() *cobra.Command {
	return &cobra.Command{
		Use:   "restore FILE|-",
		Short: "Bring records back from a backup, while the controller is stopped",
		Long: `Makes a copy that teal backup wrote the records of the state folder. The present
ones are kept beside them. The controller must be stopped.

Nothing that runs is touched, now or at the next start: what serves then is
stable, whatever the backup says. An app that went on since the backup keeps
what it serves until its next change, or until teal retry.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if args[0] == "-" {
				return p.restore("the standard input", p.Stdin)
			}
			file, err := os.Open(args[0])
			if err != nil {
				return badInput("teal restore FILE", "%v", err)
			}
			defer func() { _ = file.Close() }() // only read
			return p.restore(args[0], file)
		},
	}
}

func (p *program) restore(name string, from io.Reader) error {
	out, err := store.Restore(p.storePath(), from, time.Now().UTC())
	var damaged *store.DamagedError
	var locked *store.LockedError
	switch {
	case errors.As(err, &damaged):
		return badInput("", "%s is not a whole backup (%s): nothing was changed", name, damaged.Words)
	case errors.Is(err, store.ErrNewer):
		return badInput("", "%s was %v: nothing was changed", name, store.ErrNewer)
	case errors.As(err, &locked):
		return &failure{code: exitFailed, message: err.Error() + ": nothing was changed", hint: "stop the controller first"}
	case err != nil:
		return err
	}
	text := fmt.Sprintf("restored %d projects with %d services", out.Projects, out.Apps)
	if !out.Newest.IsZero() {
		text += ", as they were at " + out.Newest.Local().Format(time.DateTime)
	}
	if out.Kept != "" {
		text += "\nthe records before are kept as " + out.Kept
	}
	return p.print(text + "\n→ teal run, with your settings\n")
}
