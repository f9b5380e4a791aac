package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// fileMode is the mode of the store: it holds secrets of the apps.
const fileMode fs.FileMode = 0o600

// ensureFile makes the store if there is none, whole or not at all: a process
// killed at any point leaves either no store or a complete empty one. An empty
// file is therefore never ours.
func ensureFile(path string, keys keyring, opts Options) error {
	log := opts.Logger
	create := points{tell: opts.Point, name: "store.create"}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		create.reach("before")
		if err := createFile(path, keys, create); err != nil {
			return fmt.Errorf("create: %w", err)
		}
		create.reach("after")
		log.Info("store created", "path", path)
		return nil
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return damagedf("it is not a regular file but %s", info.Mode().Type())
	}
	if info.Mode().Perm() != fileMode {
		if err := os.Chmod(path, fileMode); err != nil {
			return err
		}
		log.Warn("store was readable by others and was closed to them", "path", path, "mode", info.Mode().Perm().String())
	}
	return nil
}

// createFile builds an empty store beside path and renames it there. The caller
// holds the lock, so nobody else does the same. The host key, if that has to be
// made, is there before.
func createFile(path string, keys keyring, at points) error {
	key, err := keys.getOrMake(path)
	if err != nil {
		return err
	}
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	b, err := bolt.Open(fresh, fileMode, boltOptions(time.Second))
	if err != nil {
		return err
	}
	layOutEmpty := func(tx *bolt.Tx) error { return layOut(&txn{tx, key}) }
	if err := errors.Join(b.Update(layOutEmpty), b.Close()); err != nil {
		return err
	}
	at.reach("commit")
	if err := os.Rename(fresh, path); err != nil {
		return err
	}
	return syncFolder(path)
}

func boltOptions(timeout time.Duration) *bolt.Options {
	return &bolt.Options{Timeout: timeout, FreelistType: bolt.FreelistMapType}
}

// openBolt opens an existing, inspected file. bbolt panics on some damage; the
// file it had opened, and locked, by then is closed here.
func openBolt(path string, timeout time.Duration) (*bolt.DB, error) {
	var (
		b    *bolt.DB
		file *os.File
	)
	opts := boltOptions(timeout)
	opts.OpenFile = func(name string, flag int, perm os.FileMode) (*os.File, error) {
		f, err := os.OpenFile(name, flag&^os.O_CREATE, perm)
		file = f
		return f, err
	}
	caught, err := attempt(func() (err error) {
		b, err = bolt.Open(path, fileMode, opts)
		return err
	})
	if caught != nil {
		return nil, errors.Join(&DamagedError{Path: path, Words: caught.words()}, file.Close())
	}
	return b, openError(path, err)
}

// openError says what an error of bbolt's Open means.
func openError(path string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, berrors.ErrTimeout):
		return &LockedError{PID: kernelHolder(path), Path: path}
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return &DamagedError{Path: path, Words: err.Error()}
	}
	return fmt.Errorf("open store %s: %w", path, err)
}
