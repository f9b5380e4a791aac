package store

import (
	"log/slog"
)

// unlock finds the key of an open store and reads every value with it. A store
// that is not encrypted is encrypted, in one transaction.
func (d *DB) unlock(keys keyring, log *slog.Logger) error {
	s, err := d.schema()
	if err != nil {
		return err
	}
	if d.traces = s.Traces; s.Key != "" {
		if d.key, err = keys.get(d.path, s.Key); err != nil {
			return err
		}
		return d.view("check "+d.path, verify)
	}
	if err := d.view("check "+d.path, verify); err != nil {
		return err
	}
	key, err := keys.getOrMake(d.path)
	if err != nil {
		return err
	}
	if err := d.encrypt(key); err != nil {
		return err
	}
	log.Info("store was encrypted", "path", d.path, "host_key", keys.file, "key_id", key.id)
	return nil
}

// schema returns the store's own record.
func (d *DB) schema() (s schema, err error) {
	err = d.view("check "+d.path, func(tx *txn) (err error) {
		s, err = readSchema(tx)
		return err
	})
	return s, err
}

// encrypt encrypts a plain store. What its values were is left on free pages.
func (d *DB) encrypt(key *hostKey) error {
	err := d.update("encrypt "+d.path, func(tx *txn) error {
		if err := reseal(tx, nil, key); err != nil {
			return err
		}
		return put(tx.Bucket(bucketMeta), keySchema, schema{Version: schemaVersion, Key: key.id, Traces: true})
	})
	if err == nil {
		d.key, d.traces = key, true
	}
	return err
}

// cleaned notes that the free pages with plain values are gone.
func (d *DB) cleaned(tx *txn) error {
	d.traces = false
	return put(tx.Bucket(bucketMeta), keySchema, schema{Version: schemaVersion, Key: d.key.id})
}

// rekey encrypts a store with another key than it was.
func (d *DB) rekey(from, to *hostKey) error {
	err := d.update("encrypt "+d.path, func(tx *txn) error {
		s, err := readSchema(tx)
		if err != nil {
			return err
		}
		if err := reseal(tx, from, to); err != nil {
			return err
		}
		s.Key = to.id
		return put(tx.Bucket(bucketMeta), keySchema, s)
	})
	if err == nil {
		d.key = to
	}
	return err
}
