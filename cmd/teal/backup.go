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
it takes the place of FILE. It is encrypted with the host key, which is not in it: keep a
copy of that elsewhere. It is brought back with teal restore.`,
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
	key, err := store.CheckCopy(fresh.Name())
	if err != nil {
		return fmt.Errorf("check the copy: %w", err)
	}
	info, err := os.Stat(fresh.Name())
	if err != nil {
		return fmt.Errorf("back up to %s: %w", name, err)
	}
	if err := os.Rename(fresh.Name(), name); err != nil {
		return fmt.Errorf("back up to %s: %w", name, err)
	}
	return p.print(fmt.Sprintf("%s: %d KiB\n→ only the host key %s opens it: keep a copy of that (host.key in the state folder, or what --host-key names), elsewhere\n",
		name, (info.Size()+1023)/1024, key))
}

func (p *program) restoreVerb() *cobra.Command {
	opts := store.RestoreOptions{}
	c := &cobra.Command{
		Use:   "restore FILE|-",
		Short: "Bring records back from a backup, while the controller is stopped",
		Long: `Makes a copy that teal backup wrote the records of the state folder. The present
ones are kept beside them. The controller must be stopped.

Nothing that runs is touched, now or at the next start: what serves then is
stable, whatever the backup says. An app that went on since the backup keeps
what it serves until its next change, or until teal retry.

A backup needs the host key that it was made with. One of another machine, or of
a host key that was replaced, is restored with --backup-key, and then encrypted
with the host key of this one, which is made if there is none.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if args[0] == "-" {
				return p.restore("the standard input", p.Stdin, opts)
			}
			file, err := os.Open(args[0])
			if err != nil {
				return badInput("teal restore FILE", "%v", err)
			}
			defer func() { _ = file.Close() }() // only read
			return p.restore(args[0], file, opts)
		},
	}
	c.Flags().StringVar(&opts.KeyFile, "host-key", p.env("TEAL_HOST_KEY"), "`file` with the host key of the controller (default: host.key in the state folder)")
	c.Flags().StringVar(&opts.BackupKey, "backup-key", "", "`file` with the host key that the backup was made with, if it is another")
	return c
}

func (p *program) restore(name string, from io.Reader, opts store.RestoreOptions) error {
	opts.Now = time.Now().UTC()
	out, err := store.Restore(p.storePath(), from, opts)
	var damaged *store.DamagedError
	var locked *store.LockedError
	var key *store.KeyError
	switch {
	case errors.As(err, &damaged):
		return badInput("", "%s is not a whole backup (%s): nothing was changed", name, damaged.Words)
	case errors.As(err, &key):
		return badInput("bring that key: teal restore "+name+" --backup-key FILE", "%v: nothing was changed", err)
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
