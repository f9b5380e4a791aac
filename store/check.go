package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// copyMark is in the name of a copy that is being written.
const copyMark = ".new"

// Check reports whether the open store can still be worked with. It is cheap
// enough for every second.
//
// Once damage was found, by any method, the answer is that [DamagedError], and
// every method answers the same: close it, and let the next [Open] say what is
// left of it. A file that was removed or replaced behind the store's back is put
// back with all that is in the open one, what had taken its place is kept beside
// it, and that is a DamagedError as well: another Open goes on without a loss.
func (d *DB) Check() error {
	if damage := d.damage.Load(); damage != nil {
		return damage
	}
	info, err := os.Stat(d.path)
	switch {
	case err == nil && os.SameFile(info, d.file):
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("check the store: %w", err)
	}
	return d.putBack(err == nil)
}

// putBack writes the open store to its path again. Nothing is written to the
// open file after that.
func (d *DB) putBack(taken bool) error {
	words := "it was removed while in use; its content was put back"
	err := d.update("put the store back", func(tx *txn) error {
		if err := writeCopy(tx, d.path+copyMark); err != nil {
			return err
		}
		if taken {
			kept, err := renameAside(d.path, markAside)
			if err != nil {
				return err
			}
			words = "it was replaced while in use; its content was put back, and what replaced it is kept as " + kept
		}
		if err := errors.Join(os.Rename(d.path+copyMark, d.path), syncFolder(d.path)); err != nil {
			return err
		}
		d.damage.CompareAndSwap(nil, &DamagedError{Path: d.path, Words: words})
		return errUnchanged
	})
	if err != nil {
		return err
	}
	return d.damage.Load()
}

// writeCopy writes all that tx sees to a new file, synced.
func writeCopy(tx *txn, name string) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	_, err = tx.WriteTo(file)
	return errors.Join(err, file.Sync(), file.Close())
}
