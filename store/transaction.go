package store

import (
	"errors"
	"fmt"
	"runtime/debug"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// errUnchanged makes update roll back and return nil: nothing was to be written.
var errUnchanged = errors.New("unchanged")

// view runs fn in a read transaction. fn copies out what it needs, does no I/O
// and starts no other transaction.
func (d *DB) view(doing string, fn func(*txn) error) error {
	return d.transact(doing, false, fn)
}

// update runs fn in a write transaction and commits it, unless fn returns an
// error.
func (d *DB) update(doing string, fn func(*txn) error) error {
	d.writing.Lock()
	defer d.writing.Unlock()
	at := d.pointsOf()
	at.reach("before")
	err := d.transact(doing, true, at.around(fn))
	at.reach("after")
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

func (d *DB) transact(doing string, writable bool, fn func(*txn) error) error {
	var tx *bolt.Tx
	caught, err := attempt(func() (err error) {
		if tx, err = d.beginTx(writable); err != nil {
			return err
		}
		if err := fn(&txn{tx, d.key}); err != nil || !writable {
			return err
		}
		return tx.Commit()
	})
	if caught == nil {
		caught = d.rollBack(tx)
	} else if tx == nil || d.rollBack(tx) != nil {
		d.stuck.Store(true)
	}
	if caught != nil {
		return d.diagnose(caught, writable)
	}
	if err != nil {
		err = located(d.path, err)
		if found, ok := errors.AsType[*DamagedError](err); ok {
			d.damage.CompareAndSwap(nil, found)
		}
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// beginTx starts a transaction. bbolt may panic here on damage, holding its own
// locks: so nobody else is let in meanwhile, and none after damage was found.
func (d *DB) beginTx(writable bool) (*bolt.Tx, error) {
	d.begin.Lock()
	defer d.begin.Unlock()
	if damage := d.damage.Load(); damage != nil {
		return nil, damage
	}
	return d.bolt.Begin(writable)
}

// rollBack ends tx if it is still open.
func (d *DB) rollBack(tx *bolt.Tx) *panicked {
	if tx == nil {
		return nil
	}
	caught, err := attempt(tx.Rollback)
	if caught == nil && err != nil && !errors.Is(err, berrors.ErrTxClosed) {
		return &panicked{value: err}
	}
	return caught
}

// diagnose says what a panic inside a transaction means: damage, if the memory
// map faulted, bbolt is stuck, or the file does not pass inspection. Everything
// else is a bug of ours and goes on as a panic.
func (d *DB) diagnose(caught *panicked, writing bool) error {
	if !writing {
		d.writing.Lock()
		defer d.writing.Unlock()
	}
	found := &DamagedError{Path: d.path, Words: caught.words()}
	if !caught.fault() && !d.stuck.Load() {
		err := inspectFile(d.path)
		if err == nil {
			panic(fmt.Sprintf("%v\n\n%s", caught.value, caught.stack))
		}
		if !errors.As(err, &found) {
			return fmt.Errorf("inspect the store after %q: %w", caught.words(), err)
		}
	}
	d.damage.CompareAndSwap(nil, found)
	return found
}

// panicked is a panic that was caught.
type panicked struct {
	value any
	stack []byte
}

// words says what the panic said.
func (p *panicked) words() string { return fmt.Sprint(p.value) }

// fault reports whether memory could not be read: a part of the map that the
// file does not have, or that the disk cannot deliver.
func (p *panicked) fault() bool {
	_, ok := p.value.(interface{ Addr() uintptr })
	return ok
}

// attempt runs fn and catches its panics, memory faults included. What fn starts
// in other goroutines is not covered.
func attempt(fn func() error) (caught *panicked, err error) {
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	defer func() {
		if value := recover(); value != nil {
			caught = &panicked{value: value, stack: debug.Stack()}
		}
	}()
	return nil, fn()
}
