// Package store keeps what the controller must not forget, in one bbolt file:
// accepted projects, one desired state and one record per app, the commands
// that wait and the answers to those that do not, events and history.
//
// It promises:
//
//   - Every method that writes is one transaction, on the disk when it returns.
//
//   - Generations of an app never go back, not even after the app was removed
//     and came back before 10,000 others were.
//
//   - A command's token takes effect at most once.
//
//   - The file is used by one process. Another one is refused after a limit and
//     told who holds it ([LockedError]).
//
//   - A damaged file never panics and is never changed: it is refused with a
//     [DamagedError] that names the command which repairs. So is what a newer
//     Teal wrote ([ErrNewer]).
//
//   - What grows is bounded: 5,000 events in all, 50 rollouts, 1,000 answers and
//     256 waiting commands per app, the history of the 100 apps that were removed
//     last and the generations of 10,000 of them, 10,000 pulled images.
//
//   - A file of which most is free space is made small by the next [Open].
//
//   - Values, which hold secrets of the apps, are encrypted with the host key, and
//     each is bound to its place. Without the key nothing is read and nothing is
//     taken for damaged ([KeyError]). A store that an older Teal wrote is
//     encrypted by the first Open, which leaves no plain value in the file.
//
// What is read is copied out; no transaction is open while anything else is
// done. The file is readable by its owner alone.
package store

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
)

// DefaultLockTimeout is how long [Open] waits for another process to let go.
const DefaultLockTimeout = 3 * time.Second

// Options of [Open]. The zero value is usable.
type Options struct {
	// LockTimeout is how long to wait for another process that has the file
	// open. 0: [DefaultLockTimeout].
	LockTimeout time.Duration
	// KeyFile is the host key, which values are encrypted with. Empty: host.key
	// beside the store, which is made with the first store there.
	KeyFile string
	// Logger is told about what Open repaired or found unusual. nil: nobody is.
	Logger *slog.Logger
	// Point is called before, in the middle of and after every write, with the
	// write's name. It is for tests that end the process there; nil: nobody is told.
	Point func(name string)
}

// DB is an open store. Its methods may be called from several goroutines.
type DB struct {
	path string
	lock *lockFile
	bolt *bolt.DB
	key  *hostKey
	file os.FileInfo // of the open file
	// traces: values that were not encrypted may be left on free pages.
	traces bool

	point   func(name string)
	writing sync.Mutex // one writer; taken before any lock of bbolt
	begin   sync.Mutex // nobody waits inside bbolt when a begin panics
	damage  atomic.Pointer[DamagedError]
	stuck   atomic.Bool // bbolt panicked holding its own locks: it cannot be closed
	closed  atomic.Bool
}

// Open opens the store at path, or makes it if there is no such file: the file
// with mode 0600, its folder, if that is missing, with 0700.
//
// Errors: [LockedError] if another process has it open, [ErrNewer] if a newer
// Teal wrote it, [KeyError] if the host key is not its, [DamagedError] if it
// cannot be trusted, else what the file system said.
func Open(path string, opts Options) (*DB, error) {
	if opts.LockTimeout <= 0 {
		opts.LockTimeout = DefaultLockTimeout
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := prepareFolder(filepath.Dir(path), opts.Logger); err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	lock, err := acquire(path, opts.LockTimeout)
	if err != nil {
		return nil, err
	}
	db, err := openLocked(path, opts)
	if err != nil {
		return nil, errors.Join(err, lock.release())
	}
	db.lock = lock
	return db, nil
}

// openLocked opens the file while this process holds the lock beside it.
func openLocked(path string, opts Options) (*DB, error) {
	keys := keyringOf(path, opts.KeyFile)
	if err := ensureFile(path, keys, opts); err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, located(path, err))
	}
	if err := removeIfThere(compactName(path)); err != nil { // of a killed process
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	if err := inspectFile(path); err != nil {
		return nil, err
	}
	db, err := openChecked(path, keys, opts)
	if err != nil || !db.wasteful() && !db.traces {
		return db, err
	}
	if err := db.closeBolt(); err != nil {
		return nil, err
	}
	compacted := compact(path, opts)
	if db, err = openChecked(path, keys, opts); err != nil || !compacted || !db.traces {
		return db, err
	}
	if err := db.update("note that no plain value is left", db.cleaned); err != nil {
		return nil, errors.Join(err, db.closeBolt())
	}
	return db, nil
}

// openChecked opens the file, reads every value and adds what a store of an older
// Teal does not have.
func openChecked(path string, keys keyring, opts Options) (*DB, error) {
	b, err := openBolt(path, opts.LockTimeout)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", path, err), b.Close())
	}
	db := &DB{path: path, bolt: b, file: info, point: opts.Point}
	err = db.unlock(keys, opts.Logger)
	if err == nil {
		err = db.update("bring "+path+" up to date", bringUpToDate)
	}
	if err != nil {
		return nil, errors.Join(err, db.closeBolt())
	}
	return db, nil
}

// Path returns the absolute path of the file.
func (d *DB) Path() string { return d.path }

// Close closes the file and lets another process have it. Calling it again does
// nothing.
func (d *DB) Close() error {
	if d.closed.Swap(true) {
		return nil
	}
	return errors.Join(d.closeBolt(), d.lock.release())
}

// closeBolt closes bbolt, unless a panic left it holding its own locks: then
// the file stays open until the process ends.
func (d *DB) closeBolt() error {
	if d.stuck.Load() {
		return fmt.Errorf("close %s: the file stays open until this process ends, because it is damaged", d.path)
	}
	d.writing.Lock()
	defer d.writing.Unlock()
	if err := d.bolt.Close(); err != nil {
		return fmt.Errorf("close %s: %w", d.path, err)
	}
	return nil
}

// prepareFolder makes dir if it is missing.
func prepareFolder(dir string, log *slog.Logger) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o022 != 0 {
		log.Warn("state folder found writable by others", "path", dir, "mode", info.Mode().Perm().String())
	}
	return nil
}
