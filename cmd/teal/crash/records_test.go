package crash

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"teal/reconcile"
	"teal/spec"
	"teal/store"
)

// records is the file of the store.
func (c *cell) records() string { return filepath.Join(c.state(), "teal.db") }

// damaged is a disk that lost the records.
func damaged(_ context.Context, c *cell) error {
	return os.WriteFile(c.records(), []byte(strings.Repeat("nothing of use ", 4096)), 0o600)
}

// bloated makes most of the records free pages: long events are pushed out by
// short ones.
func bloated(_ context.Context, c *cell) (err error) {
	db, err := store.Open(c.records(), store.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	app := spec.Name{Project: c.project, Service: "web"}
	for _, message := range []string{strings.Repeat("long ", 500), "short"} {
		for range 6 {
			many := slices.Repeat([]reconcile.Event{{At: time.Now(), App: app, Message: message}}, 1000)
			if err := db.Note(many...); err != nil {
				return err
			}
		}
	}
	return nil
}
