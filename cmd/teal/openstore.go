package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"teal/reconcile"
	"teal/store"
)

// storePath is where the records are.
func (p *program) storePath() string { return filepath.Join(p.statePath(), databaseFile) }

// openStore opens the records, after moving them aside if that is wanted. If they
// are damaged it does so without being asked: nobody may be there to ask, and who
// serves stands in the proxy and on the labels.
func (p *program) openStore(rebuild bool, key string, log *slog.Logger) (*store.DB, error) {
	path := p.storePath()
	opts := store.Options{Logger: log, Point: failpoint, KeyFile: key}
	if rebuild {
		reach("store.MoveAside/before")
		kept, err := store.MoveAside(path)
		reach("store.MoveAside/after")
		switch {
		case err == nil:
			log.Warn("records were moved aside", "kept", kept)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	db, err := store.Open(path, opts)
	if locked, ok := errors.AsType[*store.KeyError](err); ok {
		return nil, withoutKey(locked)
	}
	damaged, ok := errors.AsType[*store.DamagedError](err)
	if !ok {
		return db, err
	}
	reach("store.MoveDamagedAside/before")
	kept, err := store.MoveDamagedAside(path)
	reach("store.MoveDamagedAside/after")
	if err != nil {
		return nil, errors.Join(damaged, err)
	}
	log.Error("records were damaged, moved aside, and are built anew from what runs: holds, history and the wishes of projects whose file is not watched are lost",
		"found", damaged.Words, "kept", kept)
	db, err = store.Open(path, opts)
	if err != nil {
		return nil, err
	}
	err = db.Note(reconcile.Event{
		At: time.Now().UTC(), Warning: true, Reason: reconcile.ReasonRebuilt,
		Message: fmt.Sprintf("the records were damaged (%s) and are built anew from what runs; the damaged file is kept as %s", damaged.Words, kept),
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// withoutKey refuses to start. Nothing is damaged and nobody is without service,
// so what to do is an operator's choice: with the key all is there, without it the
// records are lost.
func withoutKey(err *store.KeyError) *failure {
	f := &failure{code: exitFailed, message: err.Error()}
	if err.Key == "" {
		f.hint = "put a host key there, or remove the file and leave --host-key out: one is made"
		return f
	}
	f.details = []string{"what runs and serves goes on without the controller"}
	f.hint = "put the key " + err.Key + " back as " + err.File + " (mode 0600); if it is lost: " + store.RepairCommand + " builds the records anew from what runs, without holds and history"
	return f
}

// recordsCondition tells of damaged records as long as they are kept, so that it
// is seen by whoever looks next, however often the controller was started since.
func (p *program) recordsCondition() reconcile.Condition {
	list, err := store.Damaged(p.storePath())
	switch {
	case err != nil:
		return reconcile.Condition{Reason: reconcile.ReasonRebuilt, Message: err.Error()}
	case len(list) == 0:
		return reconcile.Condition{OK: true, Message: "written"}
	}
	return reconcile.Condition{
		Reason: reconcile.ReasonRebuilt,
		Message: "they were damaged and built anew from what runs, without holds and history; when the damaged file is not needed any more: rm " +
			strings.Join(list, " "),
	}
}

// checkStore is how often the open records are looked at.
const checkStore = time.Second

// watchStore ends with an error once the records cannot be worked with any more:
// the next start then does what is right.
func (w *wiring) watchStore(ctx context.Context) error {
	tick := time.NewTicker(checkStore)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := w.db.Check()
		if _, damaged := errors.AsType[*store.DamagedError](err); damaged {
			return err
		}
		if err != nil {
			w.log.Error("records could not be checked", "error", err)
		}
	}
}
