package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"teal/reconcile"
)

// Restored is what came of a [Restore].
type Restored struct {
	Kept     string    `json:"kept,omitempty"` // the name of what was there before; empty: nothing was
	Projects int       `json:"projects"`
	Apps     int       `json:"apps"`
	Newest   time.Time `json:"newest"` // of the events in the backup; zero: it has none
}

// RestoreOptions say how a copy is made the store.
type RestoreOptions struct {
	Now time.Time
	// KeyFile is the host key of the store, as in [Options].
	KeyFile string
	// BackupKey is the host key that the copy was written with, if that is
	// another: from another machine, or from before it was replaced. The store is
	// then encrypted with its own, which is made if it is missing.
	BackupKey string
}

// Restore makes a copy of a store, as [DB.Backup] writes it, the store at path.
// What was there is kept beside it. Records come back as far as a backup can
// vouch for them ([reconcile.FromBackup]); commands that waited are refused.
//
// It happens wholly or not at all, at whatever point it is killed. Errors:
// [LockedError] if a process has the store open, [DamagedError] and [ErrNewer]
// if the copy is not fit, [KeyError] without its key, with nothing changed.
func Restore(path string, from io.Reader, opts RestoreOptions) (out Restored, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return out, fmt.Errorf("restore: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return out, fmt.Errorf("restore: %w", err)
	}
	lock, err := acquire(path, DefaultLockTimeout)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, lock.release()) }()
	fresh := path + copyMark
	if err := receive(fresh, from); err != nil {
		return out, errors.Join(fmt.Errorf("restore: %w", err), removeLeft(fresh))
	}
	if out, err = prepare(fresh, path, opts); err != nil {
		return out, errors.Join(err, removeLeft(fresh))
	}
	if out.Kept, err = keepBefore(path); err == nil {
		err = errors.Join(os.Rename(fresh, path), syncFolder(path))
	}
	if err != nil {
		return out, fmt.Errorf("restore: %w", err)
	}
	return out, nil
}

// CheckCopy reports whether the file at path is a copy that can be restored:
// nil, a [DamagedError] or [ErrNewer]. It changes nothing, needs no key, and
// returns the id of the host key that a restore needs.
func CheckCopy(path string) (key string, err error) {
	if err := inspectFile(path); err != nil {
		return "", err
	}
	b, err := openBolt(path, time.Second)
	if err != nil {
		return "", err
	}
	db := &DB{path: path, bolt: b}
	s, err := db.schema()
	if err == nil {
		err = db.view("check "+path, verify)
	}
	return s.Key, errors.Join(err, db.closeBolt())
}

// receive writes all of from to a new file, synced.
func receive(name string, from io.Reader) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, from)
	return errors.Join(err, file.Sync(), file.Close())
}

func removeLeft(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// keepBefore gives what is at path a second name. A file keeps the first one,
// too, until another takes it: at no moment there is no store.
func keepBefore(path string) (kept string, err error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return renameAside(path, markAside)
	}
	if kept, err = asideName(path, markAside); err != nil {
		return "", err
	}
	return kept, os.Link(path, kept)
}

// prepare checks a copy, encrypts it with the key of the store at path, and takes
// out of it what only its own time knew.
func prepare(name, path string, opts RestoreOptions) (out Restored, err error) {
	if _, err := CheckCopy(name); err != nil {
		return out, err
	}
	b, err := openBolt(name, time.Second)
	if err != nil {
		return out, err
	}
	db := &DB{path: name, bolt: b}
	err = db.adapt(path, opts)
	if err == nil {
		err = db.update("restore", func(tx *txn) (err error) {
			out, err = outlive(tx, opts.Now)
			return err
		})
	}
	return out, errors.Join(err, db.closeBolt())
}

// theBackup is how errors call a copy.
const theBackup = "the backup"

// adapt gives a copy the key of the store at path.
func (d *DB) adapt(path string, opts RestoreOptions) error {
	s, err := d.schema()
	if err != nil {
		return err
	}
	keys := keyringOf(path, opts.KeyFile)
	if s.Key == "" {
		host, err := keys.getOrMake(path)
		if err != nil {
			return err
		}
		return d.encrypt(host)
	}
	if opts.BackupKey == "" {
		if d.key, err = keys.get(theBackup, s.Key); err != nil {
			return err
		}
		return d.view("check the backup", verify)
	}
	from, err := keyring{file: opts.BackupKey, named: true}.get(theBackup, s.Key)
	if err != nil {
		return err
	}
	host, err := keys.getOrMake(path)
	if err != nil {
		return err
	}
	return d.rekey(from, host)
}

// outlive makes a copy fit for a world that went on without it.
func outlive(tx *txn, now time.Time) (out Restored, err error) {
	out.Projects = tx.Bucket(bucketProjects).Stats().KeyN
	seen := map[string]bool{}
	for _, bucket := range [][]byte{bucketDesired, bucketRecords} {
		apps, err := appsOf(tx.Bucket(bucket), "")
		if err != nil {
			return out, err
		}
		for _, app := range apps {
			if key := app.String(); !seen[key] {
				seen[key] = true
				if err := outliveApp(tx, []byte(key)); err != nil {
					return out, err
				}
			}
		}
	}
	out.Apps = len(seen)
	words := "the records were restored from a backup"
	events := tx.Bucket(bucketEvents)
	if k, v := events.Cursor().Last(); k != nil {
		var last reconcile.Event
		if err := events.decode(k, v, &last); err != nil {
			return out, err
		}
		out.Newest = last.At
		words += ", which ends at " + last.At.UTC().Format(time.RFC3339)
	}
	return out, appendEvents(tx, []reconcile.Event{{At: now, Warning: true, Reason: reconcile.ReasonRestored, Message: words}})
}

func outliveApp(tx *txn, key []byte) error {
	record := reconcile.Record{Name: appOf(key)}
	if _, err := get(tx.Bucket(bucketRecords), key, &record); err != nil {
		return err
	}
	left, err := waiting(tx, key)
	if err != nil {
		return err
	}
	answers := map[string]string{}
	for _, c := range left {
		answers[c.Token] = "the records were restored from a backup"
	}
	if _, err := answer(tx, key, answers); err != nil {
		return err
	}
	return put(tx.Bucket(bucketRecords), key, reconcile.FromBackup(record))
}
