package store

import (
	"fmt"
)

// Size is how large the store is.
type Size struct {
	File int64 // bytes on the disk
	Free int64 // of them without content: used again, and given back by Open if they are most
}

// Size tells how large the file is and how much of it is in use.
func (d *DB) Size() (Size, error) {
	file, err := fileSize(d.path)
	if err != nil {
		return Size{}, fmt.Errorf("measure the store: %w", err)
	}
	out := Size{File: file}
	err = d.view("measure the store", func(tx *txn) error {
		stats := d.bolt.Stats()
		out.Free = int64(stats.FreePageN+stats.PendingPageN)*int64(d.bolt.Info().PageSize) + max(0, file-tx.Size())
		return nil
	})
	return out, err
}
