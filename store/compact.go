package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	// compactFrom is the size below which a file is left as it is.
	compactFrom = 4 << 20
	// compactTx bounds one transaction of a compaction.
	compactTx = 1 << 20
)

// wasteful reports whether more than half of the file is free pages: bbolt uses
// them again and never gives them back.
func (d *DB) wasteful() bool {
	size, err := d.Size()
	return err == nil && size.File > compactFrom && size.Free > size.File/2
}

// compactName is where the small file is made.
func compactName(path string) string { return path + ".compact" }

// compact makes the file at path small: a copy is written beside it, brought to
// the disk and inspected, and takes its place in one step. A process killed at
// any point leaves the one or the other. That it cannot be done, for want of
// space say, is told and changes nothing. The caller holds the lock, and nobody
// has the file open.
func compact(path string, opts Options) bool {
	before, after, err := compactFile(path, opts)
	if err != nil {
		opts.Logger.Warn("store was not compacted", "path", path, "error", err)
		return false
	}
	opts.Logger.Info("store was compacted", "path", path, "bytes_before", before, "bytes", after)
	return true
}

func compactFile(path string, opts Options) (before, after int64, err error) {
	at := points{tell: opts.Point, name: "store.compact"}
	at.reach("before")
	defer at.reach("after")
	fresh := compactName(path)
	if err := removeIfThere(fresh); err != nil {
		return 0, 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeIfThere(fresh))
		}
	}()
	if before, err = fileSize(path); err != nil {
		return 0, 0, err
	}
	if err := copyPages(path, fresh, opts.LockTimeout); err != nil {
		return 0, 0, err
	}
	if err := inspectFile(fresh); err != nil {
		return 0, 0, err
	}
	if after, err = fileSize(fresh); err != nil {
		return 0, 0, err
	}
	at.reach("commit")
	if err := os.Rename(fresh, path); err != nil {
		return 0, 0, err
	}
	return before, after, syncFolder(path)
}

// copyPages writes what the file at path holds to the file fresh, and brings it
// to the disk.
func copyPages(path, fresh string, timeout time.Duration) (err error) {
	src, err := openBolt(path, timeout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	opts := boltOptions(timeout)
	opts.NoSync = true // once, at the end
	dst, err := bolt.Open(fresh, fileMode, opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	caught, err := attempt(func() error { return bolt.Compact(dst, src, compactTx) })
	if caught != nil {
		return fmt.Errorf("copy: %s", caught.words())
	}
	if err != nil {
		return err
	}
	return dst.Sync()
}

func removeIfThere(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func fileSize(name string) (int64, error) {
	info, err := os.Stat(name)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
