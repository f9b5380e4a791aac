package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Backup writes a copy of the whole store, as it is at one moment, to w; the
// copy can be used as a store. It goes through a temporary file beside the
// store, so that a slow w holds nothing up.
func (d *DB) Backup(w io.Writer) (err error) {
	file, err := os.CreateTemp(filepath.Dir(d.path), ".backup-*")
	if err != nil {
		return fmt.Errorf("back up the store: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	err = d.view("back up the store", func(tx *txn) error {
		_, err := tx.WriteTo(file)
		return err
	})
	if err != nil {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("back up the store: %w", err)
	}
	if _, err := io.Copy(w, file); err != nil {
		return fmt.Errorf("back up the store: %w", err)
	}
	return nil
}
